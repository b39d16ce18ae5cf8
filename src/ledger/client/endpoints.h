// The servers a client may ask, tried in turn. One that failed is left alone for a growing while unless there is no
// other. Inside this folder only. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/world.h"
#include "wire/http_client.h"

namespace mcloud::ledger {

inline constexpr uint64_t kPollMaxMs = 20'000;   // one long poll; longer waits are several
inline constexpr uint64_t kPollGraceMs = 2'000;  // how much later than asked for its answer may come

class Endpoints {
 public:
  // Invalid when one is malformed or there is none.
  static Result<Endpoints> open(const std::vector<std::string>& endpoints, uint64_t timeout_ms, const Clock& clock);

  struct Connection {
    std::string name;
    wire::Endpoint endpoint;
    std::unique_ptr<wire::HttpClient> http;
    uint64_t failures = 0;  // in a row
    uint64_t rest_until_ms = 0;
  };
  // For one request that the server answers only after `wait_ms`. A server that is cut off is noticed soon after that.
  std::unique_ptr<wire::HttpClient> poll_client(const Connection& connection, uint64_t wait_ms) const;

  using Attempt = std::function<Status(Connection&)>;
  // Calls `attempt` with one after the other until one succeeds; returns the most telling error: Denied (somebody lies)
  // before what a server answered before what could not be reached. No attempt starts after timeout_ms.
  Status attempt(const Attempt& attempt);

  // How long everything asked lately is to be left alone; 0 when something may be tried at once.
  uint64_t rest_ms() const;

 private:
  std::vector<size_t> order() const;

  std::vector<Connection> connections_;
  size_t current_ = 0;
  uint64_t timeout_ms_ = 0;
  const Clock* clock_ = nullptr;
};

// The JSON body of a 200 answer as text; any other status is its error. Denied is kept for what does not verify, so a
// server's own "denied" comes back as the Error it sent, too.
Result<std::string> body_of(Result<wire::HttpResponse> response);

}  // namespace mcloud::ledger
