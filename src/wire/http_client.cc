#include "wire/http_client.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "wire/client_socket.h"
#include "wire/http_codec.h"

namespace mcloud::wire {
namespace {

constexpr size_t kHeadBytesMax = 64 << 10;

using Event = ClientSocket::Event;

class Client final : public HttpClient {
 public:
  Client(const Endpoint& endpoint, const Options& options) : endpoint_(endpoint), options_(options) {}

  Result<HttpResponse> send(const HttpRequest& request) override {
    std::string doing = request.method + " " + request.target.substr(0, request.target.find('?'));
    return exchange(request).with_context(doing + " at " + endpoint_.text);
  }

  void set_request_timeout(uint64_t ms) override { options_.request_timeout_ms = ms; }

 private:
  // How far an attempt got before it failed decides whether it may be repeated.
  struct Progress {
    bool sent_any = false;
    bool received_any = false;
  };

  Result<HttpResponse> exchange(const HttpRequest& request) {
    const uint64_t deadline_ms = deadline_in(options_.request_timeout_ms);
    const std::string head = TRY(request_head(request, endpoint_));
    if (socket_.has_value() && socket_->is_stale()) socket_.reset();
    bool is_reused = socket_.has_value();
    Progress progress;
    Result<HttpResponse> response = attempt(head, request, deadline_ms, progress);
    bool may_repeat = request.method == "GET" ? !progress.received_any : !progress.sent_any;
    if (response.has_value() || !is_reused || !may_repeat || response.error().code != Code::Unavailable) {
      return response;
    }
    return attempt(head, request, deadline_ms, progress);
  }

  Result<HttpResponse> attempt(const std::string& head, const HttpRequest& request, uint64_t deadline_ms,
                               Progress& progress) {
    if (!socket_.has_value()) {
      uint64_t connect_deadline_ms = std::min(deadline_ms, deadline_in(options_.connect_timeout_ms));
      if (endpoint_.is_tls && options_.tls == nullptr) options_.tls = TRY(io::TlsContext::for_client({}));
      socket_.emplace(TRY(ClientSocket::connect(endpoint_, connect_deadline_ms, {options_.tls, options_.interrupt_fd})));
    }
    Result<HttpResponse> response = talk(head, request, deadline_ms, progress);
    if (!keep_) socket_.reset();
    return response;
  }

  Result<HttpResponse> talk(const std::string& head, const HttpRequest& request, uint64_t deadline_ms,
                            Progress& progress) {
    keep_ = false;
    bool sent_all = TRY(send_all(head, deadline_ms, progress)) && TRY(send_all(request.body, deadline_ms, progress));
    ResponseParser parser({kHeadBytesMax, options_.body_bytes_max}, request.method != "HEAD");
    std::string unparsed;
    std::array<char, 16384> buffer;
    while (!parser.is_complete()) {
      ClientSocket::Step step = socket_->receive(buffer.data(), buffer.size(), deadline_ms);
      if (step.event == Event::TimedOut) return timed_out();
      if (step.event == Event::Interrupted) return interrupted();
      if (step.event == Event::Ended) {
        // What ends with its connection is whole only when that ended in order.
        if (step.error_number != 0) return make_error(Code::Unavailable, std::strerror(step.error_number));
        TRY(parser.finish());
        break;
      }
      progress.received_any = true;
      unparsed.append(buffer.data(), step.bytes);
      TRY(feed(parser, unparsed));
      if (!parser.is_complete() && now_ms() >= deadline_ms) return timed_out();
    }
    keep_ = sent_all && parser.keeps_alive() && unparsed.empty();
    HttpResponse response = parser.head();
    response.body = parser.take_body();
    return response;
  }

  static Status feed(ResponseParser& parser, std::string& unparsed) {
    size_t taken_in_all = 0;
    while (!parser.is_complete()) {
      size_t taken = TRY(parser.feed(std::string_view(unparsed).substr(taken_in_all)));
      if (taken == 0) break;
      taken_in_all += taken;
    }
    unparsed.erase(0, taken_in_all);
    return {};
  }

  // False when the server answered or went away before it had read everything: then its answer, if there
  // is one, says why.
  Result<bool> send_all(BytesView bytes, uint64_t deadline_ms, Progress& progress) {
    while (!bytes.empty()) {
      ClientSocket::Step step = socket_->send(bytes, deadline_ms);
      if (step.event == Event::TimedOut) return timed_out();
      if (step.event == Event::Interrupted) return interrupted();
      if (step.event == Event::Ended || step.bytes == 0) return false;
      progress.sent_any = true;
      bytes.remove_prefix(step.bytes);
    }
    return true;
  }

  Error timed_out() const {
    return make_error(Code::TimedOut, "no answer within " + std::to_string(options_.request_timeout_ms) + " ms");
  }

  static Error interrupted() { return make_error(Code::Cancelled, "interrupted"); }

  const Endpoint endpoint_;
  Options options_;
  std::optional<ClientSocket> socket_;
  bool keep_ = false;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::create(const Endpoint& endpoint, const Options& options) {
  return std::make_unique<Client>(endpoint, options);
}

Result<HttpResponse> HttpClient::get(const std::string& target) {
  HttpRequest request;
  request.target = target;
  return send(request);
}

Result<HttpResponse> HttpClient::post_json(const std::string& target, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.target = target;
  request.headers["content-type"] = "application/json";
  request.body = std::move(body);
  return send(request);
}

}  // namespace mcloud::wire
