// Tests only: a server of blocks on a loopback port, over HTTP or RESP, that behaves as it is told.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>  // tests change it while threads serve
#include <functional>
#include <list>
#include <map>
#include <mutex>   // as above
#include <thread>  // as above

#include "image/blocks/block.h"
#include "io/interrupt.h"
#include "wire/resp.h"

namespace mcloud::image {

class TestServer {
 public:
  enum class Protocol { Http, Kv };
  enum class Mood {
    Good,
    Silent,     // takes requests and says nothing
    Resets,     // takes a request and resets the connection
    Lies,       // other bytes of the same length
    Truncates,  // half of an answer, then the end
    Endless,    // an answer without end
    Refuses,    // does not believe who asks, and repeats what was sent
    Fails,      // an error of its own
    Nonsense,   // another protocol
  };

  explicit TestServer(Protocol protocol) : protocol_(protocol) { start(); }
  ~TestServer() {
    if (acceptor_.joinable()) stop();
  }

  void give(const StoredBlock& block) {
    std::lock_guard lock(mutex_);
    blocks_[block.ref.id] = block.bytes;
  }
  bool has(const Hash& id) {
    std::lock_guard lock(mutex_);
    return blocks_.contains(id);
  }
  std::string url(const std::string& login = "", const std::string& path = "") const {
    return (protocol_ == Protocol::Http ? "http://" : "zdb://") + login + "127.0.0.1:" + std::to_string(port_) + path;
  }

  std::atomic<Mood> mood = Mood::Good;
  std::atomic<int> connections = 0, requests = 0;

  // Takes the same port again.
  void start() {
    stopping_ = io::Interrupt::make().value();
    listener_ = io::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    socklen_t size = sizeof address;
    REQUIRE_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    REQUIRE_EQ(listen(listener_.get(), 64), 0);
    REQUIRE_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
  }
  void stop() {
    stopping_->ring();
    acceptor_.join();
    threads_.clear();
    listener_.reset();
  }
  // Ends every connection; the next request finds it closed.
  void restart() {
    stop();
    start();
  }

 private:
  bool wait_for(int fd) {
    pollfd both[] = {{fd, POLLIN, 0}, {stopping_->fd(), POLLIN, 0}};
    while (poll(both, 2, -1) < 0) continue;
    return both[1].revents == 0;
  }

  void accept_all() {
    while (wait_for(listener_.get())) {
      int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections;
      threads_.emplace_back([this, fd] { serve(io::Fd(fd)); });
    }
  }

  void serve(io::Fd fd) {
    std::string text;
    while (true) {
      size_t size = protocol_ == Protocol::Http ? http_size(text) : kv_size(text);
      if (size > 0) {
        ++requests;
        std::string request = text.substr(0, size);
        text.erase(0, size);
        if (!answer(fd, request)) return;
        continue;
      }
      char buffer[65536];
      if (!wait_for(fd.get())) return;
      ssize_t got = recv(fd.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return;
      text.append(buffer, static_cast<size_t>(got));
    }
  }

  static size_t http_size(const std::string& text) {
    size_t end = text.find("\r\n\r\n");
    return end == std::string::npos ? 0 : end + 4;
  }
  static size_t kv_size(const std::string& text) {
    wire::RespRequestParser parser({});
    return parser.parse(text) == wire::RespRequestParser::Step::Complete ? parser.size() : 0;
  }

  // False: the connection ends.
  bool answer(io::Fd& fd, const std::string& request) {
    Mood now = mood;
    std::string full = protocol_ == Protocol::Http ? http_answer(request, now) : kv_answer(request, now);
    switch (now) {
      case Mood::Silent: return wait_silently(fd.get());
      case Mood::Resets: {
        linger hard{1, 0};
        setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        return false;
      }
      case Mood::Truncates: say(fd, full.substr(0, full.size() / 2)); return false;
      case Mood::Nonsense: say(fd, protocol_ == Protocol::Http ? "$3\r\nabc\r\n" : "HTTP/1.1 400 Bad\r\n\r\n"); return false;
      case Mood::Endless:
        while (poll_stopping() && say(fd, std::string(65536, 'x'))) continue;
        return false;
      default: return say(fd, full);
    }
  }
  bool poll_stopping() {
    pollfd one{stopping_->fd(), POLLIN, 0};
    return poll(&one, 1, 0) == 0;
  }
  bool wait_silently(int fd) {
    char byte;
    while (wait_for(fd)) {
      if (recv(fd, &byte, 1, 0) <= 0) return false;
    }
    return false;
  }
  bool say(io::Fd& fd, std::string_view text) {
    while (!text.empty()) {
      pollfd both[] = {{fd.get(), POLLOUT, 0}, {stopping_->fd(), POLLIN, 0}};
      if (poll(both, 2, 10'000) <= 0 || both[1].revents != 0) return false;
      ssize_t sent = send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  std::optional<Bytes> find(const std::string& id, Mood now) {
    std::lock_guard lock(mutex_);
    auto hash = Hash::from_bytes(id);
    if (!hash.has_value() || !blocks_.contains(*hash)) return std::nullopt;
    return now == Mood::Lies ? Bytes(blocks_[*hash].size(), 'l') : blocks_[*hash];
  }

  std::string http_answer(const std::string& request, Mood now) {
    if (now == Mood::Refuses) return "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    if (now == Mood::Fails) return "HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n";
    if (now == Mood::Endless) return "";
    std::string path = request.substr(0, request.find(" HTTP"));
    auto block = find(from_hex(path.substr(path.rfind('/') + 1)).value(), now);
    if (!block) return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(block->size()) + "\r\n\r\n";
    return request.starts_with("HEAD") ? head : head + *block;
  }

  std::string kv_answer(const std::string& request, Mood now) {
    wire::RespRequestParser parser({});
    static_cast<void>(parser.parse(request));
    std::vector<std::string> words(parser.arguments().begin(), parser.arguments().end());
    std::string out;
    wire::RespWriter writer(out, wire::RespVersion::Two);
    if (now == Mood::Refuses || now == Mood::Fails) {
      std::string said = now == Mood::Refuses ? "Access denied" : "Internal Error";
      for (const std::string& word : words) said += " '" + word + "'";
      writer.error(said);
    } else if (words[0] == "GET") {
      auto block = find(words[1], now);
      block ? writer.bulk(*block) : writer.null();
    } else if (words[0] == "EXISTS") {
      writer.integer(find(words[1], now) ? 1 : 0);
    } else if (words[0] == "SET") {
      std::lock_guard lock(mutex_);
      blocks_[Hash::from_bytes(words[1]).value()] = words[2];
      writer.bulk(words[1]);
    } else {
      writer.simple("OK");
    }
    return out;
  }

  const Protocol protocol_;
  uint16_t port_ = 0;
  std::optional<io::Interrupt> stopping_;
  io::Fd listener_;
  std::mutex mutex_;
  std::map<Hash, Bytes> blocks_;
  std::list<std::jthread> threads_;  // the acceptor's, one for each connection
  std::jthread acceptor_;
};

}  // namespace mcloud::image
