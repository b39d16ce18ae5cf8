#include "lab/forward.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "io/clock.h"
#include "lab/forwarded_connection.h"
#include "network/address.h"
#include "network/netns.h"

namespace mcloud::lab {
namespace {

constexpr size_t kBufferBytes = 512 << 10;
constexpr uint64_t kNoDescriptorPauseMs = 200;

sockaddr_in socket_address(const std::string& address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

Result<io::Fd> listen_on(uint16_t port) {
  io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  int on = 1;
  static_cast<void>(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  sockaddr_in address = socket_address("127.0.0.1", port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd.get(), 512) != 0) {
    Error error = errno_error(errno, "listen on 127.0.0.1:" + std::to_string(port));
    if (errno == EADDRINUSE) error.code = Code::Conflict;
    return error;
  }
  return fd;
}

Result<uint16_t> port_of(const io::Fd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return errno_error(errno, "getsockname");
  return ntohs(address.sin_port);
}

}  // namespace

Result<Target> Target::parse(const std::string& text) {
  const Error bad = make_error(Code::Invalid, "\"" + text + "\" is no address and port like 10.250.0.1:7100");
  size_t colon = text.find(':');
  if (colon == std::string::npos) return bad;
  auto address = network::Ipv4::parse(text.substr(0, colon));
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (!address.has_value() || error != std::errc() || rest != end || port == 0) return bad;
  return Target{address->text(), port};
}

std::vector<Target> Forwarder::Candidates::in_order(uint64_t now_ms) const {
  std::vector<Target> out;
  auto grade = [&](const Target& target) {
    auto bad = bad_until_ms.find(target.text());
    if (bad != bad_until_ms.end() && bad->second > now_ms) return 2;
    return target.text() == last_good ? 0 : 1;
  };
  for (int wanted = 0; wanted <= 2; ++wanted) {
    for (const Target& target : targets) {
      if (grade(target) == wanted) out.push_back(target);
    }
  }
  return out;
}

Forwarder::Forwarder(Poller& poller, io::Fd cluster) : poller_(poller), cluster_(std::move(cluster)) {}

Forwarder::~Forwarder() {
  poller_.cancel(resume_timer_);
  while (!listeners_.empty()) remove(listeners_.begin()->first);
}

Result<uint16_t> Forwarder::set(const std::string& name, uint16_t port, std::vector<Target> targets) {
  auto found = listeners_.find(name);
  if (found != listeners_.end() && (port == 0 || port == found->second.port)) {
    found->second.candidates->targets = std::move(targets);
    return found->second.port;
  }
  Listener listener;
  listener.fd = TRY(listen_on(port).with_context("forward " + name));
  listener.port = TRY(port_of(listener.fd));
  listener.candidates = std::make_shared<Candidates>(Candidates{std::move(targets), "", {}});
  remove(name);
  uint32_t events = paused_ ? 0 : static_cast<uint32_t>(EPOLLIN);
  TRY(poller_.add(listener.fd.get(), events, [this, name](uint32_t) { accept_from(name); }));
  uint16_t actual = listener.port;
  listeners_[name] = std::move(listener);
  return actual;
}

void Forwarder::remove(const std::string& name) {
  auto found = listeners_.find(name);
  if (found == listeners_.end()) return;
  poller_.remove(found->second.fd.get());
  listeners_.erase(found);
}

std::map<std::string, Forwarder::Entry> Forwarder::entries() const {
  std::map<std::string, Entry> out;
  for (const auto& [name, listener] : listeners_) out[name] = {listener.port, listener.candidates->targets};
  return out;
}

void Forwarder::accept_from(const std::string& name) {
  auto found = listeners_.find(name);
  if (found == listeners_.end()) return;
  io::Fd client(::accept4(found->second.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.is_open()) {
    if (errno != EMFILE && errno != ENFILE) return;
    log::warning("lab", "no descriptor left for a connection", {{"forward", name}});
    pause(true);
    poller_.cancel(resume_timer_);
    resume_timer_ = poller_.after(kNoDescriptorPauseMs, [this] { listen_while_room(); });
    return;
  }
  if (buffer_.empty()) buffer_.resize(kBufferBytes);
  uint64_t number = ++last_number_;
  auto connection = std::make_unique<ForwardedConnection>(*this, number, std::move(client), found->second.candidates);
  ForwardedConnection& started = *connection;
  connections_[number] = std::move(connection);
  started.start();
  listen_while_room();
}

// Beyond the bound clients wait in the listeners' queues.
void Forwarder::listen_while_room() { pause(connections_.size() >= kConnectionsMax); }

void Forwarder::pause(bool paused) {
  if (paused == paused_) return;
  paused_ = paused;
  uint32_t events = paused ? 0 : static_cast<uint32_t>(EPOLLIN);
  for (auto& [name, listener] : listeners_) poller_.change(listener.fd.get(), events);
}

void Forwarder::finished(uint64_t number) {
  connections_.erase(number);
  listen_while_room();
}

Result<io::Fd> Forwarder::start_connect(const Target& target) {
  auto inside = network::NetnsScope::enter(cluster_);
  if (!inside.has_value()) return inside.error();
  io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return errno_error(errno, "socket");
  sockaddr_in address = socket_address(target.address, target.port);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    return errno_error(errno, "connect to " + target.text());
  }
  return fd;
}

}  // namespace mcloud::lab
