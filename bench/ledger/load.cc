#include "load.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace mcloud::bench {
namespace {

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

struct Connection {
  std::vector<double> latencies_ms;
  std::vector<std::string> bodies;
  Status status;
};

// Requests of connection `index` are due every `connections / rate` seconds, shifted so that they do not come together.
void run_connection(const LoadOptions& options, size_t index, Clock::time_point start, Connection& out) {
  auto http = wire::HttpClient::create(options.endpoint, {.request_timeout_ms = 60'000});
  auto count = static_cast<double>(options.requests.size());
  double rate = options.requests_per_second;
  double due_s = rate > 0 ? static_cast<double>(index) / rate : 0;
  for (const Request& request : options.requests[index]) {
    Clock::time_point due = Clock::now();
    if (rate > 0) {
      due = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due_s));
      std::this_thread::sleep_until(due);
      due_s += count / rate;
    }
    Result<wire::HttpResponse> response = http->post_json(request.target, request.body);
    if (!response.has_value() || response->status != 200) {
      out.status = response.has_value() ? wire::error_of_response(*response) : response.error();
      return;
    }
    out.latencies_ms.push_back(ms_between(due, Clock::now()));
    out.bodies.push_back(std::move(response->body));
  }
}

}  // namespace

double LoadResult::percentile_ms(double share) const {
  if (latencies_ms.empty()) return 0;
  auto index = static_cast<size_t>(share * static_cast<double>(latencies_ms.size()));
  return latencies_ms[std::min(index, latencies_ms.size() - 1)];
}

Result<LoadResult> run_load(const LoadOptions& options) {
  std::vector<Connection> connections(options.requests.size());
  Clock::time_point start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < connections.size(); ++i) {
      threads.emplace_back([&, i] { run_connection(options, i, start, connections[i]); });
    }
  }
  LoadResult result;
  result.seconds = ms_between(start, Clock::now()) / 1000;
  for (Connection& connection : connections) {
    if (!connection.status.has_value()) return connection.status.error();
    result.answered += connection.bodies.size();
    std::move(connection.latencies_ms.begin(), connection.latencies_ms.end(), std::back_inserter(result.latencies_ms));
    std::move(connection.bodies.begin(), connection.bodies.end(), std::back_inserter(result.bodies));
  }
  std::sort(result.latencies_ms.begin(), result.latencies_ms.end());
  return result;
}

}  // namespace mcloud::bench
