// Inside this room only: one accepted connection of the HTTP server, and what all connections share.
// Everything here runs on the server's one I/O thread, but for HttpStreamState, which is the meeting point
// with whoever writes a stream.
#pragma once

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <mutex>
#include <unordered_set>

#include "io/loop.h"
#include "wire/http_codec.h"
#include "wire/http_server.h"

namespace mcloud::wire {

class HttpConnection;

// What the connections of one server share. Outlives them; streams hold it weakly.
struct HttpCore : std::enable_shared_from_this<HttpCore> {
  HttpServer::Options options;
  HttpHandler handler;
  boost::asio::io_context context{1};
  io::Pool* workers = nullptr;  // null once the server stops
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
};

// A stream between its writers (any thread) and its connection (I/O thread); the mutex guards all of it.
class HttpStreamState : public std::enable_shared_from_this<HttpStreamState> {
 public:
  HttpStreamState(std::weak_ptr<HttpCore> core, std::weak_ptr<HttpConnection> connection, bool is_chunked,
                  size_t backlog_bytes_max);

  bool write(std::string_view text);
  void close();
  bool is_open() const;

  // For the connection. What to send next, taken out; nullopt when the stream ends here.
  std::optional<std::string> take_pending();
  void sent(size_t bytes);
  bool is_cut_off() const;
  void peer_gone();

 private:
  void wake();  // with the mutex held

  const std::weak_ptr<HttpCore> core_;
  const std::weak_ptr<HttpConnection> connection_;
  const bool is_chunked_;
  const size_t backlog_bytes_max_;
  mutable std::mutex mutex_;
  std::string pending_;
  size_t backlog_bytes_ = 0;  // pending and being sent
  bool closed_ = false;       // by the writer
  bool gone_ = false;         // the peer, or cut off
  bool woken_ = false;        // a wake() is on its way
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  HttpConnection(HttpCore& core, Socket socket, std::string peer);
  void start();
  // One answer, then the end; for a connection past the bound.
  void refuse(const HttpRefusal& refusal);
  void close();
  // Closes it, or says 408, when its deadline has passed.
  void check_deadline(uint64_t now_ms);
  // The stream has something to send, has ended or was cut off.
  void advance_stream();

 private:
  enum class State { Idle, InRequest, Handling, Responding, Streaming, Lingering, Closed };
  using Then = void (HttpConnection::*)();

  void receive();
  void received(size_t count);
  void parse();
  void dispatch();
  void answer(HttpAnswer answer);
  void respond(HttpResponse response);
  void open_stream(HttpStreaming streaming);
  void started_stream();
  void responded();
  void linger();
  void send(std::string head, std::string body, Then then);
  void send_rest();
  void set_deadline(uint64_t delay_ms);

  HttpCore& core_;
  Socket socket_;
  const std::string peer_;
  State state_ = State::Idle;
  RequestParser parser_;
  uint64_t deadline_ms_ = UINT64_MAX;
  std::array<char, 8192> incoming_;
  std::string unparsed_;

  bool keeps_alive_ = false;
  bool is_head_request_ = false;
  bool is_http_1_0_ = false;

  std::string head_out_;  // being sent, in this order
  std::string body_out_;
  size_t sent_ = 0;
  bool is_sending_ = false;
  Then then_ = nullptr;

  std::shared_ptr<HttpStreamState> stream_;
  std::function<void(std::shared_ptr<HttpStream>)> stream_started_;
};

}  // namespace mcloud::wire
