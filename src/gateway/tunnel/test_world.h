// For tests: both ends of the tunnel in one process, a back end behind the node, and clients of the gateway's sockets.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>  // for tests
#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>  // for tests
#include <vector>

#include "gateway/tunnel/address.h"
#include "gateway/tunnel/client.h"
#include "gateway/tunnel/tunnel_server.h"
#include "testing/temporary_folder.h"

namespace mcloud::gateway {

// Until it holds; false after 10 s.
inline bool eventually(const std::function<bool()>& holds, int timeout_ms = 10'000) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
    poll(nullptr, 0, 2);
  }
  return true;
}

// A blocking socket of a test, with a deadline for everything.
class TestSocket {
 public:
  explicit TestSocket(io::Fd fd = {}) : fd_(std::move(fd)) {
    if (!fd_.is_open()) return;
    timeval limit{10, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  static TestSocket connect_unix(const std::string& path) {
    io::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return TestSocket(std::move(fd));
  }
  bool is_open() const { return fd_.is_open(); }
  int fd() const { return fd_.get(); }
  bool send_all(BytesView bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void shut() { ::shutdown(fd_.get(), SHUT_WR); }
  // Up to `size` bytes; fewer when it ended before. error() says how.
  Bytes receive(size_t size) {
    Bytes bytes;
    while (bytes.size() < size) {
      char piece[64 << 10];
      ssize_t got = ::recv(fd_.get(), piece, std::min(sizeof piece, size - bytes.size()), 0);
      error_ = got < 0 ? errno : 0;
      if (got <= 0) break;
      bytes.append(piece, static_cast<size_t>(got));
    }
    return bytes;
  }
  Bytes receive_all() { return receive(SIZE_MAX); }
  int error() const { return error_; }
  void close() { fd_.reset(); }

 private:
  io::Fd fd_;
  int error_ = 0;
};

// Accepts on a port of loopback; each connection is served by a thread of its own.
class TestBackEnd {
 public:
  explicit TestBackEnd(std::function<void(TestSocket&)> serve) : serve_(std::move(serve)) {
    fd_ = listen_on(make_address("127.0.0.1", 0).value()).value();
    port_ = bound_port(fd_.get());
    acceptor_ = std::jthread([this](std::stop_token stop) { accept_all(stop); });
  }
  uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }

 private:
  void accept_all(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (poll(&wait, 1, 20) <= 0) continue;
      io::Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.is_open()) continue;
      ++accepted_;
      threads_.emplace_back([this, socket = std::make_shared<TestSocket>(std::move(fd))] { serve_(*socket); });
    }
  }
  std::function<void(TestSocket&)> serve_;
  io::Fd fd_;
  uint16_t port_ = 0;
  std::atomic<int> accepted_ = 0;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

inline void echo(TestSocket& socket) {
  char piece[64 << 10];
  for (;;) {
    ssize_t got = ::recv(socket.fd(), piece, sizeof piece, 0);
    if (got <= 0 || !socket.send_all({piece, static_cast<size_t>(got)})) return;
  }
}

inline pb::LocalTunnelTarget test_target(const std::string& workload) {
  pb::LocalTunnelTarget target;
  target.set_contract(Bytes(32, '\x5a'));
  target.set_workload(workload);
  target.set_port(8080);
  target.set_udp(workload.starts_with("udp"));
  return target;
}

// The node's end on a thread of its own.
class TestNode {
 public:
  explicit TestNode(int connections = 1) : key_(crypto::SigningKey::generate()) {
    poller_ = Poller::create().value();
    client_ = Client::create(key_, connections, *poller_).value();
    thread_ = std::jthread([this] { run(); });
  }
  explicit TestNode(const crypto::SigningKey& key) : key_(key) {
    poller_ = Poller::create().value();
    client_ = Client::create(key_, 1, *poller_).value();
    thread_ = std::jthread([this] { run(); });
  }
  ~TestNode() {
    poller_->post([this] { is_stopping_ = true; });
  }
  const NodeId& id() const { return key_.public_key(); }
  void put(const pb::LocalTunnel& wanted) {
    ask([&] { client_->put(wanted); });
  }
  void drain() {
    ask([&] { client_->drain(); });
  }
  bool is_idle() {
    bool is_idle = false;
    ask([&] { is_idle = client_->is_idle(); });
    return is_idle;
  }
  pb::TunnelState state() {
    pb::TunnelState state;
    ask([&] { state = client_->state(); });
    return state;
  }
  bool is_up() {
    pb::TunnelState now = state();
    for (const pb::TunnelLink& link : now.links()) {
      if (!link.is_up()) return false;
    }
    return now.links_size() > 0;
  }

 private:
  void ask(const std::function<void()>& function) {
    std::promise<void> done;
    poller_->post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }
  void run() {
    for (uint64_t ticked_us = 0; !is_stopping_;) {
      poller_->run_once(20);
      client_->clear_round();
      if (poller_->now_us() < ticked_us + 20'000) continue;
      ticked_us = poller_->now_us();
      client_->tick();
    }
    client_.reset();
  }
  crypto::SigningKey key_;
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<Client> client_;
  bool is_stopping_ = false;
  std::jthread thread_;
};

class TestGateway {
 public:
  TestGateway() : key_(crypto::SigningKey::generate()) { start(0); }
  void start(uint16_t port) {
    TunnelServer::Options options{.address = "127.0.0.1", .port = port, .targets_folder = folder_ / "t", .group = ""};
    server_ = TunnelServer::start(options, key_).value();
  }
  void stop() { server_.reset(); }
  TunnelServer& server() { return *server_; }
  const NodeId& id() const { return key_.public_key(); }
  void expect(const NodeId& node, const std::vector<std::string>& workloads) {
    pb::LocalTunnelPeer peer;
    peer.set_node(node.bytes());
    for (const std::string& workload : workloads) *peer.add_targets() = test_target(workload);
    server_->set_peers({peer});
  }
  std::string path(const std::string& workload) { return folder_ / "t/" + target_socket_name(test_target(workload)); }
  bool is_reachable(const std::string& workload) { return !server_->reachable().empty() && io::exists(path(workload)); }
  TestSocket connect(const std::string& workload) { return TestSocket::connect_unix(path(workload)); }
  pb::LocalTunnelGateway as_wanted(const std::vector<std::pair<std::string, uint16_t>>& ways) {
    pb::LocalTunnelGateway gateway;
    gateway.set_node(id().bytes());
    gateway.add_endpoints("127.0.0.1:" + std::to_string(server_->port()));
    for (const auto& [workload, port] : ways) {
      pb::LocalTunnelWay& way = *gateway.add_ways();
      *way.mutable_target() = test_target(workload);
      way.set_address("127.0.0.1");
      way.set_port(port);
    }
    return gateway;
  }

 private:
  testing::TemporaryFolder folder_;
  crypto::SigningKey key_;
  std::unique_ptr<TunnelServer> server_;
};

// One of each.
struct TunnelWorld {
  explicit TunnelWorld(std::function<void(TestSocket&)> serve = echo, int connections = 1)
      : back_end(std::move(serve)), node(connections) {
    gateway.expect(node.id(), {"web"});
    wanted.add_gateways()->CopyFrom(gateway.as_wanted({{"web", back_end.port()}}));
    node.put(wanted);
  }
  bool is_up() {
    return eventually([&] { return node.is_up() && gateway.is_reachable("web"); });
  }
  TestBackEnd back_end;
  TestGateway gateway;
  TestNode node;
  pb::LocalTunnel wanted;
};

}  // namespace mcloud::gateway
