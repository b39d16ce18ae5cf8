#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "io/interrupt.h"
#include "io/scratch_folder.h"
#include "io/test_certificates.h"
#include "wire/client_socket.h"
#include "wire/http_client.h"
#include "wire/resp_client.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

// The server's end of a connection, under TLS.
class Peer {
 public:
  Peer(int fd, std::shared_ptr<const io::TlsContext> context)
      : fd_(fd), session_(io::TlsSession::accept(std::move(context)).value()) {}
  // More of what the client says; false at its end.
  bool read(std::string& text) {
    char buffer[16384];
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, 10'000) <= 0) return false;
    ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    bool is_well = session_->receive({buffer, static_cast<size_t>(got)}, text).has_value();
    flush();
    return is_well && !session_->has_ended();
  }
  std::string read_request() {
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos && read(text)) continue;
    return text;
  }
  void say(std::string_view text) {
    if (session_->write(text).has_value()) flush();
  }
  void end() {
    session_->end();
    flush();
  }

 private:
  void flush() {
    while (!session_->outgoing().empty()) {
      BytesView bytes = session_->outgoing();
      ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      session_->sent(static_cast<size_t>(sent));
    }
  }
  int fd_;
  std::unique_ptr<io::TlsSession> session_;
};

// Each connection gets the next function.
class Server {
 public:
  using Talk = std::function<void(int fd)>;
  explicit Server(std::vector<Talk> talks) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    REQUIRE_EQ(listen(listener_.get(), 16), 0);
    REQUIRE_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    thread_ = std::jthread([this, talks] {
      for (const Talk& talk : talks) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (poll(&waiting, 1, 10'000) <= 0) return;
        io::Fd fd(accept(listener_.get(), nullptr, nullptr));
        ++connections;
        talk(fd.get());
      }
    });
  }
  Endpoint https() const { return Endpoint::parse("https://localhost:" + std::to_string(port)).value(); }
  Endpoint plain() const { return Endpoint::parse("http://127.0.0.1:" + std::to_string(port)).value(); }
  uint16_t port = 0;
  std::atomic<int> connections = 0;

 private:
  io::Fd listener_;
  std::jthread thread_;
};

struct World {
  io::ScratchFolder folder;
  io::TestAuthority authority{folder.path, "authority"};
  std::shared_ptr<const io::TlsContext> server = io::TlsContext::for_server(authority.issue("server")).value();
  HttpClient::Options options;
  World() {
    options.connect_timeout_ms = 5'000;
    options.request_timeout_ms = 5'000;
    options.tls = io::TlsContext::for_client({.certificate = {}, .key = {}, .authority = authority.path()}).value();
  }
  Server::Talk talk(std::function<void(Peer&)> with) {
    return [this, with](int fd) {
      Peer peer(fd, server);
      with(peer);
    };
  }
};

void until_end(Peer& peer) {
  std::string rest;
  while (peer.read(rest)) continue;
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace

TEST_CASE("a server with a certificate that is believed is asked over TLS, on a kept connection") {
  World world;
  Server server({world.talk([](Peer& peer) {
    for (int i = 0; i < 2; ++i) {
      CHECK_NE(peer.read_request().find("host: localhost:"), std::string::npos);
      peer.say(kOk);
    }
    until_end(peer);
  })});
  auto client = HttpClient::create(server.https(), world.options);
  CHECK_EQ(client->get("/").value().body, "ok");
  CHECK_EQ(client->get("/").value().body, "ok");
  CHECK_EQ(server.connections, 1);
  client.reset();
}

TEST_CASE("large bodies go both ways over TLS") {
  World world;
  const std::string body(3 << 20, 'b');
  Server server({world.talk([&](Peer& peer) {
    std::string text;
    while (text.size() < body.size() && peer.read(text)) continue;
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    until_end(peer);
  })});
  HttpRequest request;
  request.method = "PUT";
  request.body = body;
  CHECK(HttpClient::create(server.https(), world.options)->send(request).value().body == body);
}

TEST_CASE("a server that closed its kept connection is asked again over a new one") {
  World world;
  auto once = world.talk([](Peer& peer) {
    peer.read_request();
    peer.say(kOk);
    peer.end();
  });
  Server server({once, once});
  auto client = HttpClient::create(server.https(), world.options);
  CHECK(client->get("/").has_value());
  CHECK(client->get("/").has_value());
}

TEST_CASE("a certificate of somebody else, or for another name, is Denied") {
  World world;
  auto quiet = world.talk(until_end);
  Server server({quiet, quiet, quiet});
  HttpClient::Options others = world.options;
  io::TestAuthority other(world.folder.path, "other");
  others.tls = io::TlsContext::for_client({.certificate = {}, .key = {}, .authority = other.path()}).value();
  CHECK_EQ(HttpClient::create(server.https(), others)->get("/").error().code, Code::Denied);
  others.tls = nullptr;  // this machine's authorities
  CHECK_EQ(HttpClient::create(server.https(), others)->get("/").error().code, Code::Denied);
  world.server = io::TlsContext::for_server(world.authority.issue("elsewhere", "DNS:elsewhere")).value();
  CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").error().code, Code::Denied);
}

TEST_CASE("what speaks no TLS is Corrupt, what says nothing is Unavailable in time") {
  World world;
  Server server({[](int fd) {
                   send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
                   char byte;
                   while (recv(fd, &byte, 1, 0) > 0) continue;
                 },
                 [](int fd) {
                   char byte;
                   while (recv(fd, &byte, 1, 0) > 0) continue;
                 }});
  CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").error().code, Code::Corrupt);
  world.options.connect_timeout_ms = 100;
  CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").error().code, Code::Unavailable);
}

TEST_CASE("an answer until the end of the connection counts only when that ended as TLS says") {
  World world;
  constexpr std::string_view half = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhal";
  Server server({world.talk([&](Peer& peer) {
                   peer.read_request();
                   peer.say(half);
                 }),
                 world.talk([&](Peer& peer) {
                   peer.read_request();
                   peer.say(half);
                   peer.end();
                 })});
  CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").error().code, Code::Unavailable);
  CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").value().body, "hal");
}

TEST_CASE("an exchange is interrupted from another thread, before and inside TLS") {
  World world;
  Server server({[](int fd) {
                   char byte;
                   while (recv(fd, &byte, 1, 0) > 0) continue;
                 },
                 world.talk(until_end)});
  for (int i = 0; i < 2; ++i) {
    io::Interrupt bell = io::Interrupt::make().value();
    world.options.interrupt_fd = bell.fd();
    world.options.connect_timeout_ms = world.options.request_timeout_ms = 60'000;
    std::jthread other([&] {
      while (server.connections <= i) std::this_thread::yield();
      bell.ring();
    });
    CHECK_EQ(HttpClient::create(server.https(), world.options)->get("/").error().code, Code::Cancelled);
  }
}

TEST_CASE("a RESP server is asked, with and without TLS, until the connection breaks") {
  World world;
  Server server({[](int fd) {
                   char buffer[100];
                   CHECK_EQ(recv(fd, buffer, sizeof buffer, 0), 14);
                   send(fd, "+PO", 3, MSG_NOSIGNAL);
                   send(fd, "NG\r\n", 4, MSG_NOSIGNAL);
                   CHECK_EQ(recv(fd, buffer, sizeof buffer, 0), 14);
                 },
                 world.talk([](Peer& peer) {
                   std::string text;
                   while (text.size() < 14 && peer.read(text)) continue;
                   peer.say("-ERR no\r\n");
                   until_end(peer);
                 })});
  auto client = RespClient::connect(server.plain(), deadline_in(5'000)).value();
  CHECK_EQ(client->ask({"PING"}, deadline_in(5'000)).value().text, "PONG");
  CHECK_FALSE(client->is_stale());
  CHECK_EQ(client->ask({"PING"}, deadline_in(5'000)).error().code, Code::Unavailable);
  CHECK(client->is_stale());
  client = RespClient::connect(server.https(), deadline_in(5'000), {.tls = world.options.tls}).value();
  CHECK_EQ(client->ask({"PING"}, deadline_in(5'000)).value().text, "ERR no");
}

TEST_CASE("a RESP answer that is too large, or none, ends the connection") {
  auto talk = [](std::string answer) {
    return [answer](int fd) {
      char buffer[100];
      recv(fd, buffer, sizeof buffer, 0);
      send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      while (recv(fd, buffer, sizeof buffer, 0) > 0) continue;
    };
  };
  Server server({talk("$1000\r\n"), talk("HTTP/1.1 400\r\n\r\n"), talk("")});
  for (int i = 0; i < 2; ++i) {
    auto client = RespClient::connect(server.plain(), deadline_in(5'000)).value();
    CHECK_EQ(client->ask({"GET", "a"}, deadline_in(5'000), {.bulk_bytes_max = 999}).error().code, Code::Corrupt);
    CHECK(client->is_stale());
  }
  auto client = RespClient::connect(server.plain(), deadline_in(5'000)).value();
  CHECK_EQ(client->ask({"GET", "a"}, deadline_in(100)).error().code, Code::TimedOut);
}
