// A blocking client of a server that speaks RESP: one request at a time, each with a deadline.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "wire/client_socket.h"
#include "wire/resp_reply.h"

namespace mcloud::wire {

// One connection; one thread at a time.
class RespClient {
 public:
  // Unavailable, Denied, Cancelled: as ClientSocket::connect().
  static Result<std::unique_ptr<RespClient>> connect(const Endpoint& endpoint, uint64_t deadline_ms,
                                                     const ClientSocketOptions& options = {});
  // An error reply is a reply. Any Error ends the connection for good: Unavailable, TimedOut, Cancelled, Corrupt for
  // what is no RESP or beyond `bounds`.
  Result<RespReply> ask(const std::vector<std::string_view>& words, uint64_t deadline_ms,
                        const RespReplyBounds& bounds = {});
  // The server has closed it, or says what nobody asked for.
  bool is_stale() { return is_broken_ || !received_.empty() || socket_.is_stale(); }

 private:
  explicit RespClient(ClientSocket socket) : socket_(std::move(socket)) {}
  Result<bool> send(BytesView bytes, uint64_t deadline_ms);
  Result<RespReply> talk(const std::vector<std::string_view>& words, uint64_t deadline_ms,
                         const RespReplyBounds& bounds);

  ClientSocket socket_;
  Bytes received_;
  bool is_broken_ = false;
};

}  // namespace mcloud::wire
