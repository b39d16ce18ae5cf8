#include "wire/http_server.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "io/file.h"
#include "wire/client_socket.h"
#include "wire/http_client.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

// Answers with what it was asked.
HttpAnswer echo(const HttpRequest& request) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.target + " " + request.body;
  response.headers["x-peer"] = request.peer;
  return response;
}

std::unique_ptr<HttpServer> serve(HttpHandler handler, HttpServer::Options options = {}) {
  return HttpServer::start(options, std::move(handler)).value();
}

Endpoint endpoint_of(const HttpServer& server) {
  return Endpoint::parse("http://127.0.0.1:" + std::to_string(server.port())).value();
}

std::unique_ptr<HttpClient> client_of(const HttpServer& server, HttpClient::Options options = {}) {
  return HttpClient::create(endpoint_of(server), options);
}

// Sends bytes as they are and returns all that comes back until the end.
std::string talk(const HttpServer& server, std::string_view bytes) {
  uint64_t deadline_ms = now_ms() + 10'000;
  ClientSocket socket = ClientSocket::connect(endpoint_of(server), deadline_ms).value();
  while (!bytes.empty()) {
    auto step = socket.send(bytes, deadline_ms);
    if (step.event != ClientSocket::Event::Moved || step.bytes == 0) break;
    bytes.remove_prefix(step.bytes);
  }
  std::string out;
  char buffer[4096];
  while (true) {
    auto step = socket.receive(buffer, sizeof buffer, deadline_ms);
    if (step.event != ClientSocket::Event::Moved) {
      CHECK(step.event == ClientSocket::Event::Ended);
      return out;
    }
    out.append(buffer, step.bytes);
  }
}

}  // namespace

TEST_CASE("requests are answered over one kept connection") {
  auto server = serve(echo);
  auto client = client_of(*server);
  std::string peer;
  for (int i = 0; i < 100; ++i) {
    HttpResponse response = client->post_json("/x?n=" + std::to_string(i), "body").value();
    CHECK_EQ(response.status, 200);
    CHECK_EQ(response.content_type, "text/plain");
    CHECK_EQ(response.body, "POST /x?n=" + std::to_string(i) + " body");
    if (i == 0) peer = response.headers.at("x-peer");
    CHECK_EQ(response.headers.at("x-peer"), peer);
  }
  CHECK(peer.starts_with("127.0.0.1:"));
}

TEST_CASE("large bodies go both ways") {
  HttpServer::Options options;
  options.body_bytes_max = 20 << 20;
  auto server = serve(echo, options);
  std::string body(10 << 20, 'x');
  CHECK_EQ(client_of(*server)->post_json("/", body).value().body.size(), body.size() + 7);
}

TEST_CASE("a handler's error becomes an answer, and what it throws becomes 500") {
  auto server = serve([](const HttpRequest& request) -> HttpAnswer {
    if (request.target == "/throw") throw std::runtime_error("defect");
    return error_response(make_error(Code::NotFound, "no such thing"));
  });
  auto client = client_of(*server);
  HttpResponse response = client->get("/").value();
  CHECK_EQ(response.status, 404);
  CHECK_EQ(error_of_response(response).message, "no such thing");
  CHECK_EQ(client->get("/throw").value().status, 500);
}

TEST_CASE("pipelined requests are answered in their order") {
  auto server = serve(echo);
  std::string answers = talk(*server,
                             "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                             "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  size_t first = answers.find("GET /1");
  size_t second = answers.find("GET /2");
  size_t third = answers.find("GET /3");
  CHECK_LT(first, second);
  CHECK_LT(second, third);
  CHECK_NE(third, std::string::npos);
}

TEST_CASE("bad requests get a 4xx with JSON, and the connection ends") {
  HttpServer::Options options;
  options.body_bytes_max = 1000;
  options.head_bytes_max = 1000;
  auto server = serve(echo, options);
  CHECK(talk(*server, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  std::string too_large =
      talk(*server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x'));
  CHECK(too_large.starts_with("HTTP/1.1 413 "));
  CHECK_NE(
      too_large.find(R"({"error":{"code":"invalid","message":"the body of the request is larger than 1000 bytes"}})"),
      std::string::npos);
  CHECK(talk(*server, "GET / HTTP/1.1\r\nX: " + std::string(2000, 'x')).starts_with("HTTP/1.1 431 "));
}

TEST_CASE("a client that sends too much still hears why") {
  HttpServer::Options options;
  options.body_bytes_max = 1000;
  auto server = serve(echo, options);
  auto client = client_of(*server);
  CHECK_EQ(client->post_json("/", std::string(8 << 20, 'x')).value().status, 413);
  CHECK_EQ(client->post_json("/", "x").value().status, 200);
}

TEST_CASE("HEAD gets the head only, HTTP/1.0 gets the end of the connection") {
  auto server = serve(echo);
  HttpRequest head;
  head.method = "HEAD";
  auto client = client_of(*server);
  CHECK_EQ(client->send(head).value().body, "");
  CHECK_EQ(client->get("/").value().body, "GET / ");
  CHECK(talk(*server, "GET /old HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nGET /old "));
}

TEST_CASE("leave to send a body is given") {
  auto server = serve(echo);
  std::string answer = talk(*server,
                            "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n"
                            "Content-Length: 2\r\n\r\nok");
  CHECK(answer.ends_with("POST / ok"));
}

TEST_CASE("an idle connection is closed, an unfinished request is told so") {
  HttpServer::Options options;
  options.idle_timeout_ms = 50;
  options.request_timeout_ms = 50;
  auto server = serve(echo, options);
  CHECK_EQ(talk(*server, ""), "");
  CHECK(talk(*server, "GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  // The client does not notice: it opens another.
  auto client = client_of(*server);
  CHECK(client->get("/").has_value());
  // When later connections have been idle for too long, so has this one.
  for (int i = 0; i < 2; ++i) CHECK_EQ(talk(*server, ""), "");
  CHECK(client->post_json("/", "").has_value());
}

TEST_CASE("connections past the bound are told to come back") {
  HttpServer::Options options;
  options.connections_max = 2;
  auto server = serve(echo, options);
  auto first = client_of(*server);
  auto second = client_of(*server);
  CHECK_EQ(first->get("/").value().status, 200);
  CHECK_EQ(second->get("/").value().status, 200);
  CHECK_EQ(client_of(*server)->get("/").value().status, 503);
  CHECK_EQ(first->get("/").value().status, 200);
}

TEST_CASE("a slow handler does not hold the others up") {
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future().share();
  HttpServer::Options options;
  options.workers = 2;
  auto server = serve(
      [open](const HttpRequest& request) -> HttpAnswer {
        if (request.target == "/slow") open.wait();
        return echo(request);
      },
      options);
  auto slow = std::async(std::launch::async, [&] { return client_of(*server)->get("/slow"); });
  auto client = client_of(*server);
  for (int i = 0; i < 10; ++i) CHECK(client->get("/").has_value());
  gate.set_value();
  CHECK(slow.get().has_value());
}

TEST_CASE("a unix socket is for its owner only and replaces what a killed server left") {
  std::string folder = "/tmp/mcloud-wire-test-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  HttpServer::Options options;
  options.host = "";
  options.unix_path = folder + "/socket";
  Endpoint endpoint = Endpoint::parse("unix:" + options.unix_path).value();
  {
    auto server = serve(echo, options);
    struct stat about{};
    REQUIRE_EQ(stat(options.unix_path.c_str(), &about), 0);
    CHECK_EQ(about.st_mode & 0777, 0600u);
    CHECK_EQ(HttpClient::create(endpoint, {})->get("/").value().headers.at("x-peer"), "unix");
    CHECK_EQ(HttpServer::start(options, echo).error().code, Code::Conflict);
    CHECK_EQ(HttpClient::create(endpoint, {})->get("/").value().status, 200);
    REQUIRE_EQ(link(options.unix_path.c_str(), (folder + "/left").c_str()), 0);
  }
  CHECK_FALSE(io::exists(options.unix_path));
  REQUIRE_EQ(rename((folder + "/left").c_str(), options.unix_path.c_str()), 0);
  CHECK(HttpServer::start(options, echo).has_value());
  REQUIRE(io::write_file(options.unix_path, "precious", io::Durability::None).has_value());
  CHECK_EQ(HttpServer::start(options, echo).error().code, Code::AlreadyExists);
  CHECK(io::remove_tree(folder).has_value());
}

TEST_CASE("an address that is taken or is none is an error") {
  auto server = serve(echo);
  HttpServer::Options options;
  options.port = server->port();
  CHECK_EQ(HttpServer::start(options, echo).error().code, Code::Conflict);
  options.host = "no-address";
  CHECK_EQ(HttpServer::start(options, echo).error().code, Code::Invalid);
}

TEST_CASE("a server ends with its connections, idle, unfinished or in a handler") {
  auto server = serve(echo);
  Endpoint endpoint = endpoint_of(*server);
  auto idle = client_of(*server);
  CHECK(idle->get("/").has_value());
  uint64_t deadline_ms = now_ms() + 10'000;
  ClientSocket unfinished = ClientSocket::connect(endpoint, deadline_ms).value();
  unfinished.send("GET / HT", deadline_ms);
  server.reset();
  CHECK_EQ(idle->get("/").error().code, Code::Unavailable);
  char byte;
  CHECK(unfinished.receive(&byte, 1, deadline_ms).event == ClientSocket::Event::Ended);
}

TEST_CASE("many clients at once are all served") {
  auto server = serve(echo);
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        auto client = client_of(*server);
        for (int k = 0; k < 100; ++k) answered += client->get("/").value().status == 200 ? 1 : 0;
      });
    }
  }
  CHECK_EQ(answered, 1600);
}
