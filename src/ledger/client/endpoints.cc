#include "ledger/client/endpoints.h"

#include <algorithm>

namespace mcloud::ledger {
namespace {

constexpr uint64_t kRestMs = 100;
constexpr uint64_t kRestMaxMs = 5'000;

int weight(Code code) {
  switch (code) {
    case Code::Denied: return 2;
    case Code::Unavailable:
    case Code::TimedOut: return 0;
    default: return 1;
  }
}

wire::HttpClient::Options options_for(uint64_t timeout_ms, uint64_t request_timeout_ms) {
  wire::HttpClient::Options options;
  options.connect_timeout_ms = std::min<uint64_t>(options.connect_timeout_ms, timeout_ms);
  options.request_timeout_ms = request_timeout_ms;
  return options;
}

}  // namespace

Result<Endpoints> Endpoints::open(const std::vector<std::string>& texts, uint64_t timeout_ms, const Clock& clock) {
  if (texts.empty()) return make_error(Code::Invalid, "the ledger's client was given no endpoint");
  Endpoints endpoints;
  endpoints.timeout_ms_ = timeout_ms;
  endpoints.clock_ = &clock;
  for (const std::string& text : texts) {
    wire::Endpoint endpoint = TRY(wire::Endpoint::parse(text));
    Connection connection;
    connection.name = text;
    connection.http = wire::HttpClient::create(endpoint, options_for(timeout_ms, timeout_ms));
    connection.endpoint = std::move(endpoint);
    endpoints.connections_.push_back(std::move(connection));
  }
  return endpoints;
}

std::unique_ptr<wire::HttpClient> Endpoints::poll_client(const Connection& connection, uint64_t wait_ms) const {
  uint64_t grace_ms = std::min(timeout_ms_, kPollGraceMs);
  return wire::HttpClient::create(connection.endpoint, options_for(timeout_ms_, wait_ms + grace_ms));
}

// From the one that worked last, those that rest at the end.
std::vector<size_t> Endpoints::order() const {
  std::vector<size_t> order;
  std::vector<size_t> resting;
  uint64_t now_ms = clock_->monotonic_ms();
  for (size_t i = 0; i < connections_.size(); ++i) {
    size_t index = (current_ + i) % connections_.size();
    (connections_[index].rest_until_ms > now_ms ? resting : order).push_back(index);
  }
  order.insert(order.end(), resting.begin(), resting.end());
  return order;
}

Status Endpoints::attempt(const Attempt& attempt) {
  uint64_t deadline_ms = clock_->monotonic_ms() + timeout_ms_;
  Status worst = make_error(Code::TimedOut, "no ledger server was asked in time");
  bool is_first = true;
  for (size_t index : order()) {
    if (!is_first && clock_->monotonic_ms() >= deadline_ms) break;
    Connection& connection = connections_[index];
    Status status = attempt(connection);
    if (status.has_value()) {
      connection.failures = 0;
      connection.rest_until_ms = 0;
      current_ = index;
      return {};
    }
    uint64_t rest_ms = std::min(kRestMs << std::min<uint64_t>(connection.failures, 10), kRestMaxMs);
    ++connection.failures;
    connection.rest_until_ms = clock_->monotonic_ms() + rest_ms;
    if (is_first || weight(status.error().code) > weight(worst.error().code)) {
      worst = status.error().with_context(connection.name);
    }
    is_first = false;
  }
  return worst;
}

uint64_t Endpoints::rest_ms() const {
  uint64_t now_ms = clock_->monotonic_ms();
  uint64_t shortest = UINT64_MAX;
  for (const Connection& connection : connections_) {
    uint64_t rest = connection.rest_until_ms > now_ms ? connection.rest_until_ms - now_ms : 0;
    shortest = std::min(shortest, rest);
  }
  return shortest;
}

Result<std::string> body_of(Result<wire::HttpResponse> response) {
  if (!response.has_value()) return response.error();
  if (response->status != 200) return wire::error_of_response(*response);
  if (response->body.empty()) return make_error(Code::Unavailable, "the server broke off its answer");
  return std::move(response->body);
}

}  // namespace mcloud::ledger
