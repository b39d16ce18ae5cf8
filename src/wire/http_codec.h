// Inside this room only: HTTP/1.1 messages between bytes and values, incrementally and without a socket
// (RFC 9112; Beast's parser inside). Both ends use it; this is what the fuzzer feeds.
#pragma once

#include <expected>
#include <memory>

#include "wire/http.h"

namespace mcloud::wire {

struct HttpBounds {
  size_t head_bytes_max = 16 << 10;
  size_t body_bytes_max = 4 << 20;
};

// Why a request cannot be answered; the connection is closed after saying so.
struct HttpRefusal {
  int status = 400;
  std::string message;
};

class RequestParser {
 public:
  explicit RequestParser(const HttpBounds& bounds);
  ~RequestParser();

  // Takes bytes and says how many; none are taken while the head is incomplete, so present them again with
  // more behind them. Stops after one request.
  std::expected<size_t, HttpRefusal> feed(std::string_view bytes);
  bool is_complete() const;
  // True once, when the client waits for "100 Continue" before it sends the body.
  bool take_wants_continue();

  // These when complete; take() makes it ready for the next request.
  bool keeps_alive() const;
  bool is_http_1_0() const;
  HttpRequest take();

 private:
  struct Inside;
  HttpBounds bounds_;
  std::unique_ptr<Inside> inside_;
};

class ResponseParser {
 public:
  // `has_body` false for the answer to HEAD. Interim (1xx) responses are skipped.
  ResponseParser(const HttpBounds& bounds, bool has_body);
  ~ResponseParser();

  // As RequestParser::feed(). Corrupt when it is not HTTP, Exhausted past a bound.
  Result<size_t> feed(std::string_view bytes);
  // The connection ended. Unavailable when something is missing.
  Status finish();
  bool has_head() const;
  bool is_complete() const;
  bool keeps_alive() const;
  // With the head: the response without its body.
  HttpResponse head() const;
  // The body so far, each byte once; for a stream it is taken again and again and has no bound.
  std::string take_body();
  void set_endless();

 private:
  struct Inside;
  HttpBounds bounds_;
  bool has_body_;
  bool endless_ = false;
  std::unique_ptr<Inside> inside_;
};

enum class AfterResponse { KeepAlive, Close };
// The head of a response with a body of `body_size` bytes. Line ends in values become blanks.
std::string response_head(const HttpResponse& response, size_t body_size, AfterResponse after);
// The head of a stream: chunked, or delimited by the end of the connection for HTTP/1.0.
std::string stream_head(std::string_view content_type, bool is_chunked);
std::string chunk_of(std::string_view text);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Invalid when method, target or a header cannot be sent.
Result<std::string> request_head(const HttpRequest& request, const Endpoint& endpoint);

}  // namespace mcloud::wire
