// For tests: a wire that can be cut without a word, and a peer that says what it likes inside TLS.
#pragma once

#include "gateway/tunnel/frame.h"
#include "gateway/tunnel/test_world.h"
#include "gateway/tunnel/tunnel_tls.h"

namespace mcloud::gateway {

// Forwards one port of loopback to another; cut() stops that, and nobody is told.
class TestWire {
 public:
  explicit TestWire(uint16_t to) : to_(to) {
    fd_ = listen_on(make_address("127.0.0.1", 0).value()).value();
    port_ = bound_port(fd_.get());
    acceptor_ = std::jthread([this](std::stop_token stop) { accept_all(stop); });
  }
  uint16_t port() const { return port_; }
  void cut() { is_cut_ = true; }

 private:
  void accept_all(const std::stop_token& stop) {
    std::vector<std::jthread> threads;
    while (!stop.stop_requested()) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (poll(&wait, 1, 20) <= 0) continue;
      int from = accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      int to = start_connect(make_address("127.0.0.1", to_).value()).value().release();
      threads.emplace_back([this, stop, from, to] { forward(stop, from, to); });
    }
  }
  void forward(const std::stop_token& stop, int from, int to) {
    io::Fd ends[2] = {io::Fd(from), io::Fd(to)};
    char piece[64 << 10];
    while (!stop.stop_requested()) {
      pollfd waits[2] = {{from, POLLIN, 0}, {to, POLLIN, 0}};
      if (poll(waits, 2, 20) <= 0 || is_cut_) {
        if (is_cut_) poll(nullptr, 0, 20);
        continue;
      }
      for (int side = 0; side < 2; ++side) {
        if (waits[side].revents == 0) continue;
        ssize_t got = recv(ends[side].get(), piece, sizeof piece, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) return;
        for (ssize_t done = 0; done < got && !is_cut_ && !stop.stop_requested();) {
          ssize_t sent =
              send(ends[1 - side].get(), piece + done, static_cast<size_t>(got - done), MSG_NOSIGNAL | MSG_DONTWAIT);
          if (sent < 0 && errno != EAGAIN) return;
          if (sent > 0)
            done += sent;
          else
            poll(nullptr, 0, 1);
        }
      }
    }
  }
  const uint16_t to_;
  io::Fd fd_;
  uint16_t port_ = 0;
  std::atomic<bool> is_cut_ = false;
  std::jthread acceptor_;
};

// A node that has a key, and no manners.
class TestStranger {
 public:
  explicit TestStranger(uint16_t port, NodeId gateway, const crypto::SigningKey& key = crypto::SigningKey::generate())
      : tls_(tunnel_tls(key, [gateway](const NodeId& node) { return node == gateway; }).value()) {
    io::Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Address address = make_address("127.0.0.1", port).value();
    static_cast<void>(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size));
    socket_ = TestSocket(std::move(fd));
    session_ = io::TlsSession::connect(tls_, "").value();
    flush();
    while (!session_->is_ready() && hear()) {
    }
  }
  bool is_ready() const { return session_->is_ready(); }
  bool say(BytesView plain) { return session_->write(plain) && flush(); }
  bool say_frame(FrameType type, uint32_t stream, BytesView payload = {}) {
    Bytes bytes(kFrameHeaderBytes, '\0');
    write_frame(bytes.data(), {type, stream, static_cast<uint32_t>(payload.size())});
    return say(bytes + Bytes(payload));
  }
  bool say_hello() {
    Bytes payload;
    append_u32_le(payload, kTunnelVersion);
    append_u32_le(payload, 8192);
    return say_frame(FrameType::Hello, 0, payload);
  }
  // Something more of the peer is in heard; false when it has ended.
  bool hear() {
    char piece[16 << 10];
    ssize_t got = ::recv(socket_.fd(), piece, sizeof piece, 0);
    if (got <= 0) return false;
    Status received = session_->receive({piece, static_cast<size_t>(got)}, heard);
    return flush() && received && !session_->has_ended();
  }
  bool hear_until(BytesView words) {
    while (heard.find(words) == Bytes::npos) {
      if (!hear()) return heard.find(words) != Bytes::npos;
    }
    return true;
  }
  bool hear_frame(FrameType type, uint32_t stream) {
    for (;;) {
      for (BytesView rest = heard; rest.size() >= kFrameHeaderBytes;) {
        auto frame = parse_frame(rest.substr(0, kFrameHeaderBytes));
        if (!frame) return false;
        if (frame->type == type && frame->stream == stream) return true;
        rest.remove_prefix(std::min(rest.size(), kFrameHeaderBytes + frame->length));
      }
      if (!hear()) return false;
    }
  }
  Bytes heard;

 private:
  bool flush() {
    Bytes bytes(session_->outgoing());
    session_->sent(bytes.size());
    return bytes.empty() || socket_.send_all(bytes);
  }
  std::shared_ptr<const io::TlsContext> tls_;
  TestSocket socket_;
  std::unique_ptr<io::TlsSession> session_;
};

}  // namespace mcloud::gateway
