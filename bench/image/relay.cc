// relay LISTEN_ADDRESS PORT TARGET_ADDRESS PORT DELAY_US: forwards TCP and holds every byte back for DELAY_US, each way.
//
// Stands for the distance that this kernel cannot emulate (it has no netem). Our side and the peer's go through the same
// one. One thread, epoll with a timer; at most 4 MiB wait in one direction of a connection, so it never limits a
// 1 Gbit/s link at 1 ms (125 kB in flight) and never grows.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr size_t kWaitingBytesMax = 4 << 20;
constexpr size_t kPieceBytes = 64 << 10;

uint64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1'000;
}

struct Piece {
  uint64_t due_us;
  std::string bytes;
  size_t sent = 0;
};

// Bytes on their way from one socket to the other.
struct Way {
  std::deque<Piece> pieces;
  size_t waiting = 0;
  bool ended = false;   // the reader saw the end
  uint64_t end_due_us = 0;
  bool closed = false;  // passed on
};

struct Pair {
  int sockets[2];
  Way ways[2];  // [i]: what sockets[i] sent
  bool broken = false;
};

class Relay {
 public:
  Relay(int listener, sockaddr_in target, uint64_t delay_us) : listener_(listener), target_(target), delay_us_(delay_us) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    watch(listener_, EPOLLIN);
    watch(timer_, EPOLLIN);
  }

  [[noreturn]] void run() {
    while (true) {
      epoll_event events[64];
      int count = epoll_wait(epoll_, events, 64, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) accept_all();
      }
      uint64_t expired;
      while (read(timer_, &expired, sizeof expired) > 0) {
      }
      uint64_t next_us = UINT64_MAX;
      for (auto at = pairs_.begin(); at != pairs_.end();) {
        Pair& pair = **at;
        for (int side = 0; side < 2; ++side) {
          take(pair, side);
          give(pair, side, next_us);
        }
        bool over = pair.broken || (pair.ways[0].closed && pair.ways[1].closed);
        if (over) close_pair(pair);
        at = over ? pairs_.erase(at) : std::next(at);
      }
      arm(next_us);
    }
  }

 private:
  void watch(int fd, uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    while (true) {
      int from = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (from < 0) return;
      int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      int one = 1;
      setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (connect(to, reinterpret_cast<sockaddr*>(&target_), sizeof target_) != 0 && errno != EINPROGRESS) {
        close(from);
        close(to);
        continue;
      }
      auto pair = std::make_unique<Pair>();
      pair->sockets[0] = from;
      pair->sockets[1] = to;
      watch(from, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
      watch(to, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
      pairs_.insert(std::move(pair));
    }
  }

  void take(Pair& pair, int side) {
    Way& way = pair.ways[side];
    while (!way.ended && !pair.broken && way.waiting < kWaitingBytesMax) {
      std::string bytes(kPieceBytes, '\0');
      ssize_t got = recv(pair.sockets[side], bytes.data(), bytes.size(), 0);
      if (got < 0) {
        pair.broken = errno != EAGAIN && errno != EINTR && errno != ENOTCONN;
        return;
      }
      if (got == 0) {
        way.ended = true;
        way.end_due_us = now_us() + delay_us_;
        return;
      }
      bytes.resize(static_cast<size_t>(got));
      way.waiting += bytes.size();
      way.pieces.push_back({now_us() + delay_us_, std::move(bytes)});
    }
  }

  void give(Pair& pair, int side, uint64_t& next_us) {
    Way& way = pair.ways[side];
    int to = pair.sockets[1 - side];
    while (!way.pieces.empty() && !pair.broken) {
      Piece& piece = way.pieces.front();
      if (piece.due_us > now_us()) {
        next_us = std::min(next_us, piece.due_us);
        return;
      }
      ssize_t sent = send(to, piece.bytes.data() + piece.sent, piece.bytes.size() - piece.sent, MSG_NOSIGNAL);
      if (sent < 0) {
        pair.broken = errno != EAGAIN && errno != EINTR && errno != ENOTCONN;
        return;
      }
      piece.sent += static_cast<size_t>(sent);
      if (piece.sent < piece.bytes.size()) continue;
      way.waiting -= piece.bytes.size();
      way.pieces.pop_front();
      take(pair, side);  // a bound that was reached hides an edge of epoll
    }
    if (!way.ended || way.closed || !way.pieces.empty()) return;
    if (way.end_due_us > now_us()) {
      next_us = std::min(next_us, way.end_due_us);
      return;
    }
    shutdown(to, SHUT_WR);
    way.closed = true;
  }

  void close_pair(Pair& pair) {
    close(pair.sockets[0]);
    close(pair.sockets[1]);
  }

  void arm(uint64_t next_us) {
    itimerspec when{};
    if (next_us != UINT64_MAX) {
      when.it_value.tv_sec = static_cast<time_t>(next_us / 1'000'000);
      when.it_value.tv_nsec = static_cast<long>(next_us % 1'000'000) * 1'000;
    }
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  int listener_;
  sockaddr_in target_;
  uint64_t delay_us_;
  int epoll_ = -1;
  int timer_ = -1;
  std::set<std::unique_ptr<Pair>> pairs_;
};

sockaddr_in address_of(const char* host, const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(atoi(port)));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    fprintf(stderr, "relay: %s is no IPv4 address\n", host);
    exit(2);
  }
  return address;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fprintf(stderr, "relay LISTEN_ADDRESS PORT TARGET_ADDRESS PORT DELAY_US\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sockaddr_in listen_at = address_of(arguments[1], arguments[2]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, reinterpret_cast<sockaddr*>(&listen_at), sizeof listen_at) != 0 || listen(listener, 128) != 0) {
    perror("relay");
    return 1;
  }
  printf("ready\n");
  fflush(stdout);
  Relay(listener, address_of(arguments[3], arguments[4]), strtoull(arguments[5], nullptr, 10)).run();
}
