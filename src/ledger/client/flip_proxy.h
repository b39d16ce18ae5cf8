// A proxy that flips one chosen bit of each reply, for tests. One exchange per connection, one connection at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "base/bytes.h"
#include "io/file.h"
#include "io/loop.h"
#include "ledger/guarded.h"

namespace mcloud::ledger {

class FlipProxy {
 public:
  explicit FlipProxy(uint16_t upstream) : upstream_(upstream) {
    listener_ = io::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_.submit([this] { run(); });
  }
  ~FlipProxy() { ::shutdown(listener_.get(), SHUT_RDWR); }

  uint16_t port() const { return port_; }
  // The bit of each reply from now on, counted from its first byte on the wire; SIZE_MAX = none.
  void flip(size_t bit) { bit_.set(bit); }
  // Only in replies to requests that begin so.
  void only(std::string prefix) { prefix_.set(std::move(prefix)); }
  size_t last_reply_bytes() const { return reply_bytes_.copy(); }

 private:
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void run() {
    while (true) {
      io::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.is_open()) return;
      exchange(client.get());
    }
  }

  void exchange(int client) {
    std::string request = read_request(client);
    size_t line = request.find("\r\n");
    if (line == std::string::npos) return;
    request.insert(line, "\r\nConnection: close");  // so that the reply ends with the connection
    io::Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(upstream_);
    if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    write_all(server.get(), request);
    std::string reply = read_all(server.get());
    reply_bytes_.set(reply.size());
    size_t bit = bit_.copy();
    bool is_meant = request.starts_with(prefix_.copy());
    if (is_meant && bit / 8 < reply.size()) reply[bit / 8] = static_cast<char>(reply[bit / 8] ^ 1 << bit % 8);
    write_all(client, reply);
    ::shutdown(client, SHUT_WR);
    read_all(client);  // until it has read everything
  }

  static std::string read_request(int fd) {
    std::string text;
    char buffer[4096];
    while (true) {
      size_t head = text.find("\r\n\r\n");
      if (head != std::string::npos) {
        size_t at = text.find("ontent-");
        while (at != std::string::npos && text.compare(at + 7, 7, "Length:") != 0 &&
               text.compare(at + 7, 7, "length:") != 0) {
          at = text.find("ontent-", at + 1);
        }
        size_t body = at == std::string::npos || at > head ? 0 : std::stoul(text.substr(at + 14, 20));
        if (text.size() >= head + 4 + body) return text;
      }
      ssize_t count = ::read(fd, buffer, sizeof buffer);
      if (count <= 0) return text;
      text.append(buffer, static_cast<size_t>(count));
    }
  }
  static std::string read_all(int fd) {
    std::string text;
    char buffer[65536];
    for (ssize_t count; (count = ::read(fd, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(count));
    return text;
  }
  static void write_all(int fd, BytesView bytes) {
    while (!bytes.empty()) {
      ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

  const uint16_t upstream_;
  io::Fd listener_;
  uint16_t port_ = 0;
  Guarded<size_t> bit_{SIZE_MAX};
  Guarded<size_t> reply_bytes_;
  Guarded<std::string> prefix_;
  io::Pool thread_{1, 1};
};

}  // namespace mcloud::ledger
