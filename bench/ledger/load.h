// Load over HTTP: prepared requests sent by several kept-alive connections, as fast as they are answered or at a given
// rate.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "wire/http_client.h"

namespace mcloud::bench {

struct Request {
  std::string target;
  std::string body;
};

struct LoadOptions {
  wire::Endpoint endpoint;
  // One list per connection; each connection sends its own, in order, one at a time.
  std::vector<std::vector<Request>> requests;
  double requests_per_second = 0;  // over all connections; 0 = as fast as possible
};

struct LoadResult {
  double seconds = 0;
  size_t answered = 0;               // with status 200
  std::vector<double> latencies_ms;  // from when a request was due (with a rate) or sent, to its answer; sorted
  std::vector<std::string> bodies;   // of all answers
  double percentile_ms(double share) const;
};

Result<LoadResult> run_load(const LoadOptions& options);

}  // namespace mcloud::bench
