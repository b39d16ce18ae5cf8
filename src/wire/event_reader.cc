#include <algorithm>
#include <array>

#include "io/interrupt.h"
#include "wire/client_socket.h"
#include "wire/event_parser.h"
#include "wire/http_codec.h"

namespace mcloud::wire {
namespace {

constexpr size_t kHeadBytesMax = 64 << 10;
constexpr size_t kEventBytesMax = 16 << 20;

using Event = ClientSocket::Event;

class Reader final : public EventReader {
 public:
  Reader(ClientSocket socket, io::Interrupt cancelled, const HttpBounds& bounds)
      : socket_(std::move(socket)), cancelled_(std::move(cancelled)), parser_(bounds, true), events_(kEventBytesMax) {}

  // Sends the request and waits for the head of the answer.
  Status start(const std::string& head, const std::string& body, uint64_t deadline_ms) {
    TRY(send(head, deadline_ms));
    TRY(send(body, deadline_ms));
    while (!parser_.has_head()) {
      if (!TRY(receive(deadline_ms))) return make_error(Code::TimedOut, "no answer in time");
    }
    HttpResponse response = parser_.head();
    if (response.status == 200 && response.content_type.starts_with("text/event-stream")) {
      parser_.set_endless();
      return {};
    }
    if (response.status < 300) return make_error(Code::Invalid, "the answer is not an event stream");
    while (!parser_.is_complete() && now_ms() < deadline_ms && TRY(receive(deadline_ms))) continue;
    response.body = parser_.take_body();
    return error_of_response(response);
  }

  Result<std::optional<ServerEvent>> next(uint64_t timeout_ms) override {
    const uint64_t deadline_ms = deadline_in(timeout_ms);
    bool heard = false;
    while (true) {
      TRY(events_.feed(parser_.take_body()));
      if (std::optional<ServerEvent> event = events_.take()) return event;
      if (parser_.is_complete()) return make_error(Code::Unavailable, "the event stream has ended");
      if (heard && now_ms() >= deadline_ms) break;
      if (!TRY(receive(deadline_ms))) break;
      heard = true;
    }
    if (heard) return std::optional<ServerEvent>();
    return make_error(Code::TimedOut, "the event stream was silent for " + std::to_string(timeout_ms) + " ms");
  }

  void cancel() override { cancelled_.ring(); }

 private:
  Status send(BytesView bytes, uint64_t deadline_ms) {
    while (!bytes.empty()) {
      ClientSocket::Step step = socket_.send(bytes, deadline_ms);
      if (step.event == Event::TimedOut) return make_error(Code::TimedOut, "the request was not taken in time");
      if (step.event != Event::Moved || step.bytes == 0) return {};  // the answer says why
      bytes.remove_prefix(step.bytes);
    }
    return {};
  }

  // False: nothing until the deadline.
  Result<bool> receive(uint64_t deadline_ms) {
    std::array<char, 16384> buffer;
    ClientSocket::Step step = socket_.receive(buffer.data(), buffer.size(), deadline_ms);
    switch (step.event) {
      case Event::TimedOut: return false;
      case Event::Interrupted: return make_error(Code::Cancelled, "reading the event stream was cancelled");
      case Event::Ended: TRY(parser_.finish()); return true;
      case Event::Moved: break;
    }
    unparsed_.append(buffer.data(), step.bytes);
    size_t taken_in_all = 0;
    while (!parser_.is_complete()) {
      size_t taken = TRY(parser_.feed(std::string_view(unparsed_).substr(taken_in_all)));
      if (taken == 0) break;
      taken_in_all += taken;
    }
    unparsed_.erase(0, taken_in_all);
    return true;
  }

  ClientSocket socket_;
  io::Interrupt cancelled_;
  ResponseParser parser_;
  std::string unparsed_;
  EventParser events_;
};

Result<std::unique_ptr<EventReader>> open_reader(const Endpoint& endpoint, const HttpRequest& request,
                                                 const HttpClient::Options& options) {
  HttpRequest asked = request;
  asked.headers["accept"] = "text/event-stream";
  const std::string head = TRY(request_head(asked, endpoint));
  const uint64_t deadline_ms = deadline_in(options.request_timeout_ms);
  uint64_t connect_deadline_ms = std::min(deadline_ms, deadline_in(options.connect_timeout_ms));
  io::Interrupt cancelled = TRY(io::Interrupt::make());
  ClientSocket socket = TRY(ClientSocket::connect(endpoint, connect_deadline_ms, {options.tls, cancelled.fd()}));
  HttpBounds bounds{kHeadBytesMax, options.body_bytes_max};
  auto reader = std::make_unique<Reader>(std::move(socket), std::move(cancelled), bounds);
  TRY(reader->start(head, asked.body, deadline_ms));
  return std::unique_ptr<EventReader>(std::move(reader));
}

}  // namespace

Result<std::unique_ptr<EventReader>> EventReader::open(const Endpoint& endpoint, const HttpRequest& request,
                                                       const HttpClient::Options& options) {
  return open_reader(endpoint, request, options)
      .with_context("follow " + request.target.substr(0, request.target.find('?')) + " at " + endpoint.text);
}

}  // namespace mcloud::wire
