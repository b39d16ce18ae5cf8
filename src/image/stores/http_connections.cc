#include "image/stores/http_connections.h"

#include <algorithm>

#include "image/blocks/block.h"

namespace mcloud::image {
namespace {

constexpr uint64_t kConnectTimeoutMs = 2'000;

}  // namespace

HttpConnections::HttpConnections(wire::Endpoint endpoint, wire::HttpClient::Options options, io::Interrupt interrupt,
                                 size_t max)
    : endpoint_(std::move(endpoint)), interrupt_(std::move(interrupt)), options_(std::move(options)), connections_(max) {}

Result<std::unique_ptr<HttpConnections>> HttpConnections::make(const StoreUrl& url, const StoreOptions& options) {
  wire::Endpoint endpoint;
  endpoint.host = url.host;
  endpoint.port = url.port;
  endpoint.is_tls = url.is_tls;
  endpoint.prefix = url.path;
  endpoint.text = url.without_secrets();
  io::Interrupt interrupt = TRY(io::Interrupt::make());
  wire::HttpClient::Options client;
  client.connect_timeout_ms = kConnectTimeoutMs;
  client.body_bytes_max = kStoredBytesMax;
  client.interrupt_fd = interrupt.fd();
  if (url.is_tls) {
    auto trust = options.trust != nullptr ? options.trust : std::make_shared<io::TlsTrust>(options.certificates);
    client.tls = TRY(trust->context());
  }
  return std::unique_ptr<HttpConnections>(
      new HttpConnections(std::move(endpoint), std::move(client), std::move(interrupt), options.connections_max));
}

Result<wire::HttpResponse> HttpConnections::send(const wire::HttpRequest& request, uint64_t timeout_ms) {
  const uint64_t deadline_ms = io::SystemClock().monotonic_ms() + timeout_ms;
  std::unique_ptr<wire::HttpClient> client = TRY(connections_.take(deadline_ms));
  const bool is_kept = client != nullptr;
  if (client == nullptr) client = wire::HttpClient::create(endpoint_, options_);
  auto attempt = [&] {
    uint64_t now = io::SystemClock().monotonic_ms();
    client->set_request_timeout(deadline_ms > now ? deadline_ms - now : 0);
    return client->send(request);
  };
  Result<wire::HttpResponse> response = attempt();
  // A kept connection may have been closed while the request was on its way.
  if (!response.has_value() && is_kept && response.error().code == Code::Unavailable) response = attempt();
  if (response.has_value()) {
    connections_.keep(std::move(client));
    return response;
  }
  connections_.drop();
  Error& error = response.error();
  if (error.code == Code::Exhausted) return make_error(Code::Corrupt, "the answer is larger than any block");
  // What is no HTTP or no TLS is a store that does not work, not a wrong block.
  if (error.code == Code::Corrupt) error.code = Code::Unavailable;
  return response;
}

void HttpConnections::cancel() {
  interrupt_.ring();
  connections_.close();
}

Error error_of_status(const wire::HttpResponse& response, std::string_view detail) {
  Code code = wire::code_of_http_status(response.status);
  if (response.status >= 500 || response.status == 429) code = Code::Unavailable;
  std::string message = "HTTP status " + std::to_string(response.status);
  if (!detail.empty()) message += " " + std::string(detail);
  if (response.status >= 300 && response.status < 400) {
    code = Code::Invalid;
    message += ": the store lies elsewhere, write that URL";
  }
  if (response.status < 300) code = Code::Unavailable;
  return make_error(code, message);
}

}  // namespace mcloud::image
