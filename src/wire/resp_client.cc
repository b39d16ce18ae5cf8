#include "wire/resp_client.h"

#include <array>
#include <cstring>

#include "wire/resp.h"

namespace mcloud::wire {
namespace {

using Event = ClientSocket::Event;

Status check(const ClientSocket::Step& step) {
  switch (step.event) {
    case Event::Moved: return {};
    case Event::TimedOut: return make_error(Code::TimedOut, "no answer in time");
    case Event::Interrupted: return make_error(Code::Cancelled, "interrupted");
    case Event::Ended: break;
  }
  return make_error(Code::Unavailable,
                    step.error_number == 0 ? "the server has closed the connection" : std::strerror(step.error_number));
}

}  // namespace

Result<std::unique_ptr<RespClient>> RespClient::connect(const Endpoint& endpoint, uint64_t deadline_ms,
                                                        const ClientSocketOptions& options) {
  ClientSocket socket = TRY(ClientSocket::connect(endpoint, deadline_ms, options));
  return std::unique_ptr<RespClient>(new RespClient(std::move(socket)));
}

// False: the server answers before it has read everything, and its answer says why.
Result<bool> RespClient::send(BytesView bytes, uint64_t deadline_ms) {
  while (!bytes.empty()) {
    ClientSocket::Step step = socket_.send(bytes, deadline_ms);
    TRY(check(step));
    if (step.bytes == 0) return false;
    bytes.remove_prefix(step.bytes);
  }
  return true;
}

Result<RespReply> RespClient::ask(const std::vector<std::string_view>& words, uint64_t deadline_ms,
                                  const RespReplyBounds& bounds) {
  if (is_broken_) return make_error(Code::Unavailable, "the connection is broken");
  Result<RespReply> reply = talk(words, deadline_ms, bounds);
  is_broken_ |= !reply.has_value();
  return reply;
}

Result<RespReply> RespClient::talk(const std::vector<std::string_view>& words, uint64_t deadline_ms,
                                   const RespReplyBounds& bounds) {
  is_broken_ = !TRY(send(resp_request(words), deadline_ms));
  std::optional<size_t> size;
  while (!(size = TRY(resp_reply_size(received_, bounds)))) {
    std::array<char, 64 << 10> buffer;
    ClientSocket::Step step = socket_.receive(buffer.data(), buffer.size(), deadline_ms);
    TRY(check(step));
    received_.append(buffer.data(), step.bytes);
    if (now_ms() >= deadline_ms) return make_error(Code::TimedOut, "no answer in time");
  }
  RespReply reply = parse_resp_reply(BytesView(received_).substr(0, *size));
  received_.erase(0, *size);
  return reply;
}

}  // namespace mcloud::wire
