#include "wire/http_client.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "io/file.h"
#include "wire/client_socket.h"
#include "wire/http_server.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

// A server that misbehaves as told: each connection gets the next of its functions.
class RawServer {
 public:
  using Talk = std::function<void(int fd)>;
  explicit RawServer(std::vector<Talk> talks)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), talks_(std::move(talks)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    REQUIRE_EQ(listen(listener_.get(), 16), 0);
    REQUIRE_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint = Endpoint::parse("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))).value();
    thread_ = std::jthread([this] {
      for (const Talk& talk : talks_) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (poll(&waiting, 1, 10'000) <= 0) return;
        {
          io::Fd fd(accept(listener_.get(), nullptr, nullptr));
          ++connections;
          talk(fd.get());
        }
        ++closed;
      }
    });
  }

  Endpoint endpoint;
  std::atomic<int> connections = 0;
  std::atomic<int> closed = 0;

 private:
  io::Fd listener_;
  std::vector<Talk> talks_;
  std::jthread thread_;
};

// Reads the head of a request (and what came with it).
std::string read_request(int fd) {
  std::string text;
  char buffer[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, 10'000) <= 0) break;
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

void say(int fd, std::string_view text) { (void)!send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

void answer(int fd) {
  read_request(fd);
  say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

// Until the client lets go.
void wait_for_end(int fd) {
  char byte;
  pollfd waiting{fd, POLLIN, 0};
  while (poll(&waiting, 1, 10'000) > 0 && recv(fd, &byte, 1, 0) > 0) continue;
}

HttpClient::Options quick() {
  HttpClient::Options options;
  options.connect_timeout_ms = 200;
  options.request_timeout_ms = 200;
  return options;
}

HttpRequest events_request() {
  HttpRequest request;
  request.target = "/events?from=1";
  return request;
}

}  // namespace

TEST_CASE("nobody there is Unavailable, at once") {
  Endpoint endpoint;
  {
    RawServer server({});
    endpoint = server.endpoint;
  }
  uint64_t before = now_ms();
  Error error = HttpClient::create(endpoint, {})->get("/a?secret=1").error();
  CHECK_EQ(error.code, Code::Unavailable);
  CHECK_EQ(error.message, "GET /a at " + endpoint.text + ": connect to " + endpoint.text + ": Connection refused");
  CHECK_LT(now_ms() - before, 1000u);
  Endpoint absent = Endpoint::parse("unix:/no/such/socket").value();
  CHECK_EQ(HttpClient::create(absent, {})->get("/").error().code, Code::Unavailable);
  Endpoint unknown = Endpoint::parse("http://no-such-host.invalid").value();
  CHECK_EQ(HttpClient::create(unknown, quick())->get("/").error().code, Code::Unavailable);
}

TEST_CASE("localhost is found by its name") {
  RawServer server({answer});
  Endpoint endpoint = Endpoint::parse("http://localhost:" + std::to_string(server.endpoint.port)).value();
  CHECK_EQ(HttpClient::create(endpoint, {})->get("/").value().body, "ok");
}

TEST_CASE("silence ends at the deadline, before and in the middle of an answer") {
  RawServer server({[](int fd) {
                      read_request(fd);
                      wait_for_end(fd);
                    },
                    [](int fd) {
                      read_request(fd);
                      say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
                      wait_for_end(fd);
                    }});
  auto client = HttpClient::create(server.endpoint, quick());
  for (int i = 0; i < 2; ++i) {
    uint64_t before = now_ms();
    CHECK_EQ(client->get("/").error().code, Code::TimedOut);
    CHECK_GE(now_ms() - before, 200u);
    CHECK_LT(now_ms() - before, 2000u);
  }
}

TEST_CASE("an answer that drips without end ends at the deadline") {
  RawServer server({[](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1'000'000 && send(fd, "1\r\nx\r\n", 6, MSG_NOSIGNAL) > 0; ++i) continue;
  }});
  HttpClient::Options options = quick();
  uint64_t before = now_ms();
  CHECK_FALSE(HttpClient::create(server.endpoint, options)->get("/").has_value());
  CHECK_LT(now_ms() - before, 5000u);
}

TEST_CASE("a body past the bound is refused") {
  RawServer server({[](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  }});
  HttpClient::Options options = quick();
  options.body_bytes_max = 999;
  CHECK_EQ(HttpClient::create(server.endpoint, options)->get("/").error().code, Code::Exhausted);
}

TEST_CASE("an answer cut short is not taken for a whole one") {
  RawServer server({[](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  }});
  CHECK_EQ(HttpClient::create(server.endpoint, quick())->get("/").error().code, Code::Unavailable);
}

TEST_CASE("a GET is repeated once when a kept connection turns out closed") {
  RawServer server({[](int fd) {
                      answer(fd);
                      read_request(fd);  // and goes away without a word
                    },
                    answer});
  auto client = HttpClient::create(server.endpoint, quick());
  CHECK(client->get("/").has_value());
  CHECK_EQ(client->get("/").value().body, "ok");
  CHECK_EQ(server.connections, 2);
}

TEST_CASE("a POST that was sent is never repeated") {
  RawServer server({[](int fd) {
                      answer(fd);
                      read_request(fd);
                    },
                    answer});
  auto client = HttpClient::create(server.endpoint, quick());
  CHECK(client->get("/").has_value());
  CHECK_EQ(client->post_json("/", "{}").error().code, Code::Unavailable);
  CHECK_EQ(server.connections, 1);
  CHECK(client->post_json("/", "{}").has_value());
}

TEST_CASE("a POST goes over a new connection when the kept one is seen to be closed") {
  RawServer server({answer, answer});
  auto client = HttpClient::create(server.endpoint, quick());
  CHECK(client->get("/").has_value());
  while (server.closed < 1) std::this_thread::yield();
  CHECK(client->post_json("/", "{}").has_value());
}

TEST_CASE("events are read, and the end of the stream is told") {
  RawServer server({[](int fd) {
    CHECK_NE(read_request(fd).find("accept: text/event-stream\r\n"), std::string::npos);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    say(fd, "7\r\nevent: \r\n9\r\nblock\nid:\r\n3\r\n 7\n\r\n9\r\ndata: a\n\n\r\n");
    say(fd, "0\r\n\r\n");
  }});
  auto reader = EventReader::open(server.endpoint, events_request(), quick()).value();
  ServerEvent event = reader->next(5000).value().value();
  CHECK_EQ(event.name, "block");
  CHECK_EQ(event.id, "7");
  CHECK_EQ(event.data, "a");
  CHECK_EQ(reader->next(5000).error().code, Code::Unavailable);
}

TEST_CASE("silence and keep-alives are told apart") {
  std::promise<void> gate;
  RawServer server({[&](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n");
    gate.get_future().wait();
    wait_for_end(fd);
  }});
  auto reader = EventReader::open(server.endpoint, events_request(), quick()).value();
  // The comment may have come along with the head.
  static_cast<void>(reader->next(100));
  CHECK_EQ(reader->next(30).error().code, Code::TimedOut);
  gate.set_value();
}

TEST_CASE("an endless flow of comments does not hold the reader past its time") {
  std::atomic<bool> done = false;
  RawServer server({[&](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    while (!done && send(fd, ":\n", 2, MSG_NOSIGNAL) > 0) continue;
  }});
  auto reader = EventReader::open(server.endpoint, events_request(), quick()).value();
  uint64_t before = now_ms();
  auto event = reader->next(100);
  CHECK(event.has_value());
  CHECK_FALSE(event->has_value());
  CHECK_LT(now_ms() - before, 2000u);
  done = true;
}

TEST_CASE("a refusal to stream is the error in the answer") {
  RawServer server({[](int fd) {
                      read_request(fd);
                      say(fd,
                          "HTTP/1.1 404 Not Found\r\nContent-Length: 48\r\n\r\n"
                          R"({"error":{"code":"not-found","message":"no x"}} )");
                    },
                    answer});
  Error error = EventReader::open(server.endpoint, events_request(), quick()).error();
  CHECK_EQ(error.code, Code::NotFound);
  CHECK_EQ(error.message, "follow /events at " + server.endpoint.text + ": no x");
  CHECK_EQ(EventReader::open(server.endpoint, events_request(), quick()).error().code, Code::Invalid);
}

TEST_CASE("a reader is cancelled from another thread") {
  RawServer server({[](int fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    wait_for_end(fd);
  }});
  auto reader = EventReader::open(server.endpoint, events_request(), quick()).value();
  std::jthread other([&] { reader->cancel(); });
  CHECK_EQ(reader->next(60'000).error().code, Code::Cancelled);
  CHECK_EQ(reader->next(60'000).error().code, Code::Cancelled);
}
