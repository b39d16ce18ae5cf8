#include "io/tls_stream.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>

#include "io/scratch_folder.h"
#include "io/test_certificates.h"

using namespace mcloud;
using namespace mcloud::io;

namespace {

constexpr uint64_t kLongMs = 20'000;

// Takes one connection on the loopback and hands it to `serve`, in a thread.
class OneServer {
 public:
  explicit OneServer(std::function<void(int)> serve) : door_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE_EQ(bind(door_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    REQUIRE_EQ(listen(door_.get(), 4), 0);
    getsockname(door_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::jthread([this, serve = std::move(serve)] {
      Fd taken(accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (taken.is_open()) serve(taken.get());
    });
  }
  ~OneServer() { shutdown(door_.get(), SHUT_RDWR); }
  uint16_t port = 0;

 private:
  Fd door_;
  std::jthread thread_;
};

// Repeats what it hears, `times` times, then closes.
void echo(int fd, const std::shared_ptr<const TlsContext>& context, int times) {
  auto session = TlsSession::accept(context).value();
  char buffer[65536];
  while (times > 0) {
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return;
    Bytes plain;
    bool is_good = session->receive({buffer, static_cast<size_t>(got)}, plain).has_value();
    if (!plain.empty()) times--;
    if (!plain.empty()) static_cast<void>(session->write(plain));
    while (!session->outgoing().empty()) {
      ssize_t sent = send(fd, session->outgoing().data(), session->outgoing().size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      session->sent(static_cast<size_t>(sent));
    }
    if (!is_good) return;
  }
}

struct Fixture {
  ScratchFolder folder;
  TestAuthority authority{folder.path, "authority"};
  std::shared_ptr<const TlsContext> server = TlsContext::for_server(authority.issue("server")).value();
  std::shared_ptr<const TlsContext> client = TlsContext::for_client({.authority = authority.path()}).value();

  Result<std::unique_ptr<TlsStream>> connect(const OneServer& to, uint64_t timeout_ms = kLongMs,
                                             const std::string& name = "localhost") {
    return TlsStream::connect(TRY(connect_tcp("127.0.0.1", to.port, kLongMs)), name, client, timeout_ms);
  }
};

}  // namespace

TEST_CASE("a stream says and hears, in order, and sees the end") {
  Fixture fixture;
  OneServer server([&](int fd) { echo(fd, fixture.server, 1); });
  auto stream = fixture.connect(server).value();
  REQUIRE(stream->write("hello", kLongMs).has_value());
  char buffer[3];
  Bytes heard;
  while (heard.size() < 5) heard.append(buffer, stream->read(buffer, sizeof buffer, kLongMs).value());
  CHECK_EQ(heard, "hello");
  CHECK_EQ(stream->read(buffer, sizeof buffer, kLongMs).value(), 0);
}

TEST_CASE("a peer that says nothing is waited for until the deadline only, in the handshake and after it") {
  Fixture fixture;
  std::atomic<bool> may_end = false;
  auto wait_for_end = [&](int fd) {
    char buffer[4096];
    while (recv(fd, buffer, sizeof buffer, 0) > 0) {
    }
    may_end = true;
  };
  {
    OneServer silent(wait_for_end);
    CHECK_EQ(fixture.connect(silent, 50).error().code, Code::TimedOut);
  }
  CHECK(may_end);
  OneServer server([&](int fd) { echo(fd, fixture.server, 2); });
  auto stream = fixture.connect(server).value();
  char buffer[16];
  CHECK_EQ(stream->read(buffer, sizeof buffer, 50).error().code, Code::TimedOut);
  REQUIRE(stream->write("late", kLongMs).has_value());  // and is still of use
  CHECK_EQ(stream->read(buffer, sizeof buffer, kLongMs).value(), 4);
}

TEST_CASE("an interrupt ends a wait that has no end of its own") {
  Fixture fixture;
  OneServer server([&](int fd) { echo(fd, fixture.server, 1); });
  Fd interrupt(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  auto socket = connect_tcp("127.0.0.1", server.port, kLongMs).value();
  auto stream = TlsStream::connect(std::move(socket), "localhost", fixture.client, kLongMs, interrupt.get()).value();
  std::jthread ringer([&] { REQUIRE_EQ(eventfd_write(interrupt.get(), 1), 0); });
  char buffer[16];
  CHECK_EQ(stream->read(buffer, sizeof buffer, ~0ull).error().code, Code::Cancelled);
}

TEST_CASE("who is not what the certificate says, or speaks no TLS, or nobody, is told apart") {
  Fixture fixture;
  {
    OneServer server([&](int fd) { echo(fd, fixture.server, 1); });
    CHECK_EQ(fixture.connect(server, kLongMs, "example.org").error().code, Code::Denied);
  }
  {
    OneServer plain([](int fd) { send(fd, "-ERR hello\r\n", 12, MSG_NOSIGNAL); });
    CHECK_EQ(fixture.connect(plain).error().code, Code::Corrupt);
  }
  {
    OneServer gone([](int) {});
    CHECK_EQ(fixture.connect(gone).error().code, Code::Unavailable);
  }
  uint16_t port = OneServer([](int) {}).port;
  CHECK_EQ(connect_tcp("127.0.0.1", port, kLongMs).error().code, Code::Unavailable);
}
