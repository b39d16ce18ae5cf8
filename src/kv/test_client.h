// For tests: a blocking client of the server, on a real socket.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "io/file.h"
#include "wire/resp.h"

namespace mcloud::kv {

class TestClient {
 public:
  explicit TestClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  explicit TestClient(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX};
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  // False: the other side takes no more (for now, with MSG_DONTWAIT in `flags`) or is gone.
  bool send(BytesView bytes, int flags = 0) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool say(const std::vector<std::string_view>& words) { return send(wire::resp_request(words)); }
  // Exactly so many bytes, or fewer when the connection ends or nothing comes for ten seconds.
  Bytes receive(size_t size) {
    Bytes got;
    while (got.size() < size) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (poll(&wait, 1, 10'000) <= 0) break;
      char buffer[65536];
      ssize_t now = recv(fd_.get(), buffer, std::min(sizeof buffer, size - got.size()), 0);
      if (now <= 0) break;
      got.append(buffer, static_cast<size_t>(now));
    }
    return got;
  }
  Bytes ask(const std::vector<std::string_view>& words, size_t answer_size) {
    REQUIRE(say(words));
    return receive(answer_size);
  }
  // The other side closes, within ten seconds; what still comes is thrown away.
  bool is_closed() {
    for (;;) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (poll(&wait, 1, 10'000) <= 0) return false;
      char buffer[65536];
      if (recv(fd_.get(), buffer, sizeof buffer, 0) <= 0) return true;
    }
  }
  void end_sending() { shutdown(fd_.get(), SHUT_WR); }

 private:
  io::Fd fd_;
};

}  // namespace mcloud::kv
