#include "lab/forward.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "network/netns.h"

using namespace mcloud;
using namespace mcloud::lab;

namespace {

sockaddr_in local(const char* address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &out.sin_addr);
  return out;
}

struct Listener {
  explicit Listener(const char* address = "127.0.0.1", int backlog = 64)
      : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own = local(address, 0);
    REQUIRE_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
    REQUIRE_EQ(::listen(fd.get(), backlog), 0);
    socklen_t size = sizeof own;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size);
    target = {address, ntohs(own.sin_port)};
  }
  // Within 3 s.
  io::Fd accept() const {
    pollfd waiting{fd.get(), POLLIN, 0};
    REQUIRE_EQ(::poll(&waiting, 1, 3000), 1);
    return io::Fd(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  io::Fd fd;
  Target target;
};

io::Fd connect_to(const char* address, uint16_t port) {
  io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval patience{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in to = local(address, port);
  REQUIRE_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// A forwarder in a process of its own, in this network namespace on both sides.
struct ForwardingProcess {
  explicit ForwardingProcess(const std::vector<Target>& targets) {
    int ends[2];
    REQUIRE_EQ(::pipe(ends), 0);
    pid = ::fork();
    if (pid == 0) {
      ::dup2(ends[1], 3);
      ::close_range(4, ~0u, 0);  // the test's listeners end with the test's own descriptors
      auto poller = Poller::create().value();
      Forwarder forwarder(*poller, network::own_netns().value());
      uint16_t chosen = forwarder.set("web", 0, targets).value();
      static_cast<void>(!::write(3, &chosen, sizeof chosen));
      poller->run();
    }
    ::close(ends[1]);
    REQUIRE_EQ(::read(ends[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
    ::close(ends[0]);
  }
  ~ForwardingProcess() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  io::Fd connect() const { return connect_to("127.0.0.1", port); }
  pid_t pid = 0;
  uint16_t port = 0;
};

std::string pattern(size_t size) {
  std::string out(size, '\0');
  uint32_t state = 1;
  for (char& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

void write_all(const io::Fd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    REQUIRE_GT(sent, 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string read_to_end(const io::Fd& fd) {
  std::string out;
  std::string buffer(1 << 20, '\0');
  for (ssize_t got; (got = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;)
    out.append(buffer.data(), static_cast<size_t>(got));
  return out;
}

// In a process of its own: sends `size` bytes into `fd` and ends its half.
pid_t feed(const io::Fd& fd, const std::string& bytes, size_t times) {
  pid_t pid = ::fork();
  if (pid != 0) return pid;
  for (size_t i = 0; i < times; ++i) write_all(fd, bytes);
  ::shutdown(fd.get(), SHUT_WR);
  ::_exit(0);
}

double gigabytes_per_second(const io::Fd& from, const io::Fd& to) {
  std::string bytes(1 << 20, 'x');
  constexpr size_t kTimes = 2048;
  auto start = std::chrono::steady_clock::now();
  pid_t feeder = feed(from, bytes, kTimes);
  size_t total = 0;
  for (ssize_t got; (got = ::recv(to.get(), bytes.data(), bytes.size(), 0)) > 0;) total += static_cast<size_t>(got);
  ::waitpid(feeder, nullptr, 0);
  CHECK_EQ(total, kTimes << 20);
  return static_cast<double>(total) / 1e9 /
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A listener whose queue is full answers nothing, like a host that is gone.
struct Silence {
  Silence() : listener("127.0.0.1", 0) {
    for (int i = 0; i < 4; ++i) {
      fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      sockaddr_in to = local("127.0.0.1", listener.target.port);
      ::connect(fillers.back().get(), reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
  }
  Listener listener;
  std::vector<io::Fd> fillers;
};

Target refusing() {
  Listener closed;
  return closed.target;
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("bytes arrive complete and in order both ways, and each way ends by itself") {
  Listener server;
  ForwardingProcess forwarder({server.target});
  io::Fd client = forwarder.connect();
  io::Fd served = server.accept();
  std::string question = pattern(9'000'001);
  pid_t feeder = feed(client, question, 1);
  CHECK(read_to_end(served) == question);  // ends although the other way is still open
  ::waitpid(feeder, nullptr, 0);
  std::string answer = pattern(5'000'003);
  feeder = feed(served, answer, 1);
  served.reset();
  CHECK(read_to_end(client) == answer);
  ::waitpid(feeder, nullptr, 0);
}

TEST_CASE("a client that ends its half before the target has answered is served") {
  Silence silence;
  Listener server;
  ForwardingProcess forwarder({silence.listener.target, server.target});
  io::Fd client = forwarder.connect();
  write_all(client, "question");
  ::shutdown(client.get(), SHUT_WR);
  io::Fd served = server.accept();
  CHECK_EQ(read_to_end(served), "question");
  write_all(served, "answer");
  served.reset();
  CHECK_EQ(read_to_end(client), "answer");
}

TEST_CASE("a silent target costs 100 ms once, a refusing one nothing") {
  Silence silence;
  Listener server;
  ForwardingProcess forwarder({refusing(), silence.listener.target, server.target});
  auto start = std::chrono::steady_clock::now();
  io::Fd first = forwarder.connect();
  io::Fd served = server.accept();
  double took_first = milliseconds_since(start);
  write_all(served, "x");
  char byte;
  REQUIRE_EQ(::recv(first.get(), &byte, 1, 0), 1);  // by now the forwarder knows who won
  CHECK_GE(took_first, 90);
  start = std::chrono::steady_clock::now();
  io::Fd second = forwarder.connect();
  io::Fd served_second = server.accept();
  double took_second = milliseconds_since(start);
  CHECK_LT(took_second, 90);
  MESSAGE("first " << took_first << " ms, second " << took_second << " ms");
}

TEST_CASE("when nobody answers the client is told") {
  ForwardingProcess forwarder({refusing(), refusing()});
  io::Fd client = forwarder.connect();
  char byte;
  CHECK_LE(::recv(client.get(), &byte, 1, 0), 0);
}

TEST_CASE("a target that goes away takes only its connections with it") {
  auto server = std::make_unique<Listener>();
  Listener other;
  ForwardingProcess forwarder({server->target, other.target});
  io::Fd first = forwarder.connect();
  io::Fd served = server->accept();
  server.reset();
  served.reset();
  CHECK_EQ(read_to_end(first), "");
  io::Fd second = forwarder.connect();
  io::Fd served_second = other.accept();
  write_all(served_second, "here");
  served_second.reset();
  CHECK_EQ(read_to_end(second), "here");
}

TEST_CASE("a thousand connections come and go") {
  Listener server;
  ForwardingProcess forwarder({server.target});
  for (int round = 0; round < 10; ++round) {
    std::vector<io::Fd> clients, served;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(forwarder.connect());
      served.push_back(server.accept());
    }
    for (int i = 0; i < 100; ++i) write_all(clients[i], std::to_string(i));
    for (int i = 0; i < 100; ++i) ::shutdown(clients[i].get(), SHUT_WR);
    int sum = 0;
    for (int i = 0; i < 100; ++i) sum += std::stoi(read_to_end(served[i]));
    CHECK_EQ(sum, 4950);
  }
  std::string open = "/proc/" + std::to_string(forwarder.pid) + "/fd";
  auto names = io::list_folder(open).value();
  for (int i = 0; i < 300 && names.size() > 20; ++i, ::usleep(10'000)) names = io::list_folder(open).value();
  CHECK_LE(names.size(), 20);
}

TEST_CASE("forwarded bytes flow at a fair share of a direct connection's speed") {
  Listener server;
  ForwardingProcess forwarder({server.target});
  io::Fd direct = connect_to("127.0.0.1", server.target.port);
  io::Fd direct_end = server.accept();
  double peer = gigabytes_per_second(direct, direct_end);
  io::Fd client = forwarder.connect();
  io::Fd served = server.accept();
  double ours = gigabytes_per_second(client, served);
  MESSAGE("forwarded " << ours << " GB/s, direct " << peer << " GB/s, ratio " << ours / peer);
  CHECK_GT(ours, 0.2);
}
