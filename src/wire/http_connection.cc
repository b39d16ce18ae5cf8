#include "wire/http_connection.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "wire/client_socket.h"

namespace mcloud::wire {

namespace asio = boost::asio;

namespace {

constexpr uint64_t kLingerMs = 1'000;

// What a writer holds; letting go of it closes the stream.
class StreamHandle final : public HttpStream {
 public:
  explicit StreamHandle(std::shared_ptr<HttpStreamState> state) : state_(std::move(state)) {}
  ~StreamHandle() override { state_->close(); }
  bool write(std::string text) override { return state_->write(text); }
  void close() override { state_->close(); }
  bool is_open() const override { return state_->is_open(); }

 private:
  std::shared_ptr<HttpStreamState> state_;
};

HttpResponse response_of(const HttpRefusal& refusal) {
  HttpResponse response = error_response(make_error(code_of_http_status(refusal.status), refusal.message));
  response.status = refusal.status;
  return response;
}

// Handlers do not throw by our rules; libraries below them may, and one request must not end the server.
HttpAnswer run_handler(const HttpHandler& handler, const HttpRequest& request) {
  try {
    return handler(request);
  } catch (const std::exception& error) {
    log::error("wire", "an HTTP handler threw", {{"target", request.target.substr(0, 200)}, {"error", error.what()}});
    return error_response(make_error(Code::Internal, "the server failed to answer this request"));
  }
}

}  // namespace

HttpConnection::HttpConnection(HttpCore& core, Socket socket, std::string peer)
    : core_(core),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_({core_.options.head_bytes_max, core_.options.body_bytes_max}) {}

void HttpConnection::start() {
  boost::system::error_code ignored;  // fails on a unix socket, which never waits to fill a packet
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  set_deadline(core_.options.idle_timeout_ms);
  receive();
}

void HttpConnection::set_deadline(uint64_t delay_ms) { deadline_ms_ = deadline_in(delay_ms); }

void HttpConnection::close() {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  if (stream_ != nullptr) stream_->peer_gone();
  stream_started_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
  core_.connections.erase(shared_from_this());
}

void HttpConnection::check_deadline(uint64_t now_ms) {
  if (now_ms < deadline_ms_) return;
  if (state_ != State::InRequest) return close();
  refuse({408, "the request did not arrive within " + std::to_string(core_.options.request_timeout_ms) + " ms"});
}

void HttpConnection::receive() {
  socket_.async_read_some(asio::buffer(incoming_), [self = shared_from_this()](auto error, size_t count) {
    if (self->state_ == State::Closed) return;
    if (error) return self->close();
    self->received(count);
  });
}

void HttpConnection::received(size_t count) {
  switch (state_) {
    case State::Idle:
      state_ = State::InRequest;
      set_deadline(core_.options.request_timeout_ms);
      [[fallthrough]];
    case State::InRequest: unparsed_.append(incoming_.data(), count); return parse();
    case State::Streaming:  // only to notice the peer's end
    case State::Lingering: return receive();
    case State::Handling:
    case State::Responding:
    case State::Closed: return;
  }
}

void HttpConnection::parse() {
  size_t taken_in_all = 0;
  while (!parser_.is_complete()) {
    auto taken = parser_.feed(std::string_view(unparsed_).substr(taken_in_all));
    if (!taken.has_value()) return refuse(taken.error());
    taken_in_all += *taken;
    if (*taken == 0) break;
  }
  unparsed_.erase(0, taken_in_all);
  if (parser_.is_complete()) return dispatch();
  if (!parser_.take_wants_continue()) return receive();
  send("HTTP/1.1 100 Continue\r\n\r\n", "", &HttpConnection::receive);
}

void HttpConnection::dispatch() {
  state_ = State::Handling;
  deadline_ms_ = UINT64_MAX;
  keeps_alive_ = parser_.keeps_alive();
  is_http_1_0_ = parser_.is_http_1_0();
  HttpRequest request = parser_.take();
  request.peer = peer_;
  is_head_request_ = request.method == "HEAD";
  bool accepted = core_.workers != nullptr && core_.workers->submit([self = shared_from_this(),
                                                                     request = std::move(request)] {
    HttpAnswer answer = run_handler(self->core_.handler, request);
    asio::post(self->core_.context, [self, answer = std::move(answer)]() mutable { self->answer(std::move(answer)); });
  });
  if (!accepted) respond(response_of({503, "the server has too much to do; try again later"}));
}

void HttpConnection::answer(HttpAnswer answer) {
  if (state_ == State::Closed) return;
  if (auto* response = std::get_if<HttpResponse>(&answer)) return respond(std::move(*response));
  open_stream(std::move(std::get<HttpStreaming>(answer)));
}

void HttpConnection::respond(HttpResponse response) {
  state_ = State::Responding;
  if (response.status < 200 || response.status == 204 || response.status == 304) response.body.clear();
  auto after = keeps_alive_ && !is_http_1_0_ ? AfterResponse::KeepAlive : AfterResponse::Close;
  keeps_alive_ = after == AfterResponse::KeepAlive;
  std::string head = response_head(response, response.body.size(), after);
  send(std::move(head), is_head_request_ ? std::string() : std::move(response.body), &HttpConnection::responded);
}

void HttpConnection::refuse(const HttpRefusal& refusal) {
  keeps_alive_ = false;
  is_head_request_ = false;
  respond(response_of(refusal));
}

void HttpConnection::responded() {
  if (!keeps_alive_) return linger();
  state_ = unparsed_.empty() ? State::Idle : State::InRequest;
  set_deadline(unparsed_.empty() ? core_.options.idle_timeout_ms : core_.options.request_timeout_ms);
  unparsed_.empty() ? receive() : parse();
}

// Closing while the peer still sends would reset the connection, and with it the answer on its way.
void HttpConnection::linger() {
  bool is_receiving = state_ == State::Streaming;
  state_ = State::Lingering;
  set_deadline(kLingerMs);
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  if (!is_receiving) receive();
}

void HttpConnection::open_stream(HttpStreaming streaming) {
  keeps_alive_ = false;
  state_ = State::Responding;
  std::string head = stream_head(streaming.content_type, !is_http_1_0_);
  if (is_head_request_) return send(std::move(head), "", &HttpConnection::responded);
  stream_ = std::make_shared<HttpStreamState>(core_.weak_from_this(), weak_from_this(), !is_http_1_0_,
                                              core_.options.stream_backlog_bytes_max);
  stream_started_ = std::move(streaming.started);
  send(std::move(head), "", &HttpConnection::started_stream);
}

void HttpConnection::started_stream() {
  state_ = State::Streaming;
  deadline_ms_ = UINT64_MAX;
  receive();
  auto job = [started = std::exchange(stream_started_, nullptr), stream = std::make_shared<StreamHandle>(stream_)] {
    if (started) started(stream);
  };
  // Dropping the handle, when no worker takes it, ends the stream.
  if (core_.workers == nullptr || !core_.workers->submit(std::move(job))) return;
}

void HttpConnection::advance_stream() {
  if (state_ != State::Streaming) return;
  if (stream_->is_cut_off()) return close();
  if (is_sending_) return;
  std::optional<std::string> next = stream_->take_pending();
  if (!next.has_value()) return linger();
  deadline_ms_ = UINT64_MAX;
  if (!next->empty()) send(std::move(*next), "", &HttpConnection::advance_stream);
}

void HttpConnection::send(std::string head, std::string body, Then then) {
  head_out_ = std::move(head);
  body_out_ = std::move(body);
  sent_ = 0;
  then_ = then;
  is_sending_ = true;
  send_rest();
}

void HttpConnection::send_rest() {
  // The deadline is for progress, not for the whole: a large body to a slow reader is fine.
  if (state_ != State::InRequest) set_deadline(core_.options.idle_timeout_ms);
  std::array<asio::const_buffer, 2> rest = {asio::buffer(head_out_) + sent_,
                                            asio::buffer(body_out_) + (sent_ - std::min(sent_, head_out_.size()))};
  socket_.async_write_some(rest, [self = shared_from_this()](auto error, size_t count) {
    if (self->state_ == State::Closed) return;
    if (error) return self->close();
    self->sent_ += count;
    if (self->stream_ != nullptr) self->stream_->sent(count);
    if (self->sent_ < self->head_out_.size() + self->body_out_.size()) return self->send_rest();
    self->is_sending_ = false;
    (self.get()->*self->then_)();
  });
}

}  // namespace mcloud::wire
