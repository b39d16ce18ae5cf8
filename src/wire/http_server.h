// A small HTTP/1.1 server over Beast: keep-alive, pipelining in order, bounded heads, bodies and
// connections, idle time-outs, TCP and unix sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "wire/http.h"

namespace mcloud::wire {

// A response that goes on: chunked text written from any thread until close() or until the peer goes.
// Slow readers are cut off when more than `Options::stream_backlog_bytes_max` waits.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // False when the peer is gone, was cut off, or after close(). Letting go of the stream closes it.
  virtual bool write(std::string text) = 0;
  virtual void close() = 0;
  virtual bool is_open() const = 0;
};

// A handler answers at once, or opens a stream: the function gets the stream after its head was sent, on a
// worker thread, and should hand it on rather than stay in it.
struct HttpStreaming {
  std::string content_type = "text/event-stream";
  std::function<void(std::shared_ptr<HttpStream>)> started;
};
using HttpAnswer = std::variant<HttpResponse, HttpStreaming>;
// Runs on one of the server's worker threads and may block (not for ever: the destructor waits for it); must
// be thread-safe.
using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

class HttpServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // address to bind; "" = no TCP
    uint16_t port = 0;               // 0 = any free one, see port()
    std::string unix_path;           // "" = none; mode 0600
    size_t workers = 4;              // threads that run handlers
    size_t connections_max = 1024;
    size_t head_bytes_max = 16 << 10;
    size_t body_bytes_max = 4 << 20;
    size_t stream_backlog_bytes_max = 1 << 20;
    uint64_t idle_timeout_ms = 60'000;
    uint64_t request_timeout_ms = 30'000;  // from the first byte of a request to its last
  };
  // Conflict when the address is taken; a socket file that nobody listens on is replaced.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, HttpHandler handler);
  virtual ~HttpServer() = default;  // stops accepting, closes every connection, joins its threads
  virtual uint16_t port() const = 0;
};

}  // namespace mcloud::wire
