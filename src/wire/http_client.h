// A blocking HTTP/1.1 client with deadlines, and a reader of server-sent events. TCP with and without TLS, and unix
// sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/tls.h"
#include "wire/http.h"

namespace mcloud::wire {

// One endpoint, one kept-alive connection (opened when needed, once re-opened when the server closed it
// while idle). Not thread-safe: one per thread.
class HttpClient {
 public:
  struct Options {
    uint64_t connect_timeout_ms = 2'000;
    uint64_t request_timeout_ms = 10'000;  // whole exchange
    size_t body_bytes_max = 64 << 20;
    std::shared_ptr<const io::TlsContext> tls;  // whom to believe with https; none: this machine's authorities
    int interrupt_fd = -1;  // borrowed; while it is readable every exchange ends with Cancelled (-1: none)
  };
  static std::unique_ptr<HttpClient> create(const Endpoint& endpoint, const Options& options);
  virtual ~HttpClient() = default;
  // Any status is a response. Unavailable when it cannot connect or the connection breaks, TimedOut past the
  // deadline, Denied when the server's certificate is not believed. Repeated by itself, once, only on a connection that was kept from before and only while nothing
  // can have happened twice: a GET before the first byte of its answer, any other before its first byte left.
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
  // Of the exchanges from now on.
  virtual void set_request_timeout(uint64_t ms) = 0;
  Result<HttpResponse> get(const std::string& target);
  Result<HttpResponse> post_json(const std::string& target, std::string body);
};

struct ServerEvent {
  std::string name;  // "message" when none was given
  std::string data;
  std::string id;
};

// A server-sent event stream (WHATWG HTML section 9.2). Blocking; cancel() from any thread ends next().
class EventReader {
 public:
  // Returns with the head of a 200 answer; another status is the Error in its body.
  static Result<std::unique_ptr<EventReader>> open(const Endpoint& endpoint, const HttpRequest& request,
                                                   const HttpClient::Options& options);
  virtual ~EventReader() = default;
  // Waits for the next event at most `timeout_ms` in all. TimedOut when nothing at all came, nullopt when only
  // comments (keep-alives) or a part of an event did; Unavailable when the stream ended, Cancelled after
  // cancel(), Exhausted for an event of more than 16 MiB. "retry" fields are not followed.
  virtual Result<std::optional<ServerEvent>> next(uint64_t timeout_ms) = 0;
  virtual void cancel() = 0;
};

}  // namespace mcloud::wire
