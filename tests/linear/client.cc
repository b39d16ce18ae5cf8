#include "client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

namespace mcloud::linear {

uint64_t now() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

Client::Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd_ = io::Fd();
}

bool Client::send(BytesView bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::optional<Reply> Client::receive() {
  for (;;) {
    size_t at = 0;
    Reply reply;
    if (parse(at, reply)) {
      unread_.erase(0, at);
      return reply;
    }
    if (!read_more()) return std::nullopt;
  }
}

bool Client::read_more() {
  pollfd wait{fd_.get(), POLLIN, 0};
  is_silent_ = poll(&wait, 1, 20'000) <= 0;
  if (is_silent_) return false;
  char buffer[65536];
  ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  unread_.append(buffer, static_cast<size_t>(got));
  return true;
}

// False: more bytes are needed. A server that speaks no RESP never gets out of this.
bool Client::parse(size_t& at, Reply& reply) const {
  size_t end = unread_.find("\r\n", at);
  if (end == Bytes::npos) return false;
  reply.kind = unread_[at];
  std::string line = unread_.substr(at + 1, end - at - 1);
  at = end + 2;
  if (reply.kind != '$' && reply.kind != '*') {
    reply.text = std::move(line);
    return true;
  }
  long size = std::strtol(line.c_str(), nullptr, 10);
  reply.is_null = size < 0;
  if (reply.is_null) return true;
  if (reply.kind == '*') {
    reply.items.resize(static_cast<size_t>(size));
    for (Reply& item : reply.items) {
      if (!parse(at, item)) return false;
    }
    return true;
  }
  if (unread_.size() < at + static_cast<size_t>(size) + 2) return false;
  reply.text = unread_.substr(at, static_cast<size_t>(size));
  at += static_cast<size_t>(size) + 2;
  return true;
}

}  // namespace mcloud::linear
