#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "wire/client_socket.h"
#include "wire/http_client.h"
#include "wire/http_server.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

Endpoint endpoint_of(const HttpServer& server) {
  return Endpoint::parse("http://127.0.0.1:" + std::to_string(server.port())).value();
}

// A server whose every answer is a stream, handed to `streams` as it starts.
struct StreamingServer {
  explicit StreamingServer(HttpServer::Options options = {}) {
    server = HttpServer::start(options, [this](const HttpRequest&) -> HttpAnswer {
               HttpStreaming streaming;
               streaming.started = [this](std::shared_ptr<HttpStream> stream) { started.set_value(std::move(stream)); };
               return streaming;
             }).value();
  }

  std::unique_ptr<EventReader> open() { return EventReader::open(endpoint_of(*server), {}, {}).value(); }
  std::shared_ptr<HttpStream> stream() { return started.get_future().get(); }

  std::promise<std::shared_ptr<HttpStream>> started;
  std::unique_ptr<HttpServer> server;
};

template <typename Condition>
bool eventually(Condition condition) {
  uint64_t deadline_ms = now_ms() + 10'000;
  while (!condition()) {
    if (now_ms() > deadline_ms) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("what is written to a stream arrives, in order, from any thread") {
  StreamingServer server;
  auto reader = server.open();
  auto stream = server.stream();
  std::jthread writer([stream] {
    for (int i = 0; i < 1000; ++i) {
      CHECK(stream->write("data: " + std::to_string(i) + "\n\n"));
    }
    stream->close();
  });
  for (int i = 0; i < 1000; ++i) CHECK_EQ(reader->next(10'000).value().value().data, std::to_string(i));
  CHECK_EQ(reader->next(10'000).error().code, Code::Unavailable);
  writer.join();
  CHECK_FALSE(stream->is_open());
  CHECK_FALSE(stream->write("x"));
}

TEST_CASE("letting go of a stream ends it") {
  StreamingServer server;
  auto reader = server.open();
  server.stream().reset();
  server.started = {};
  CHECK_EQ(reader->next(10'000).error().code, Code::Unavailable);
}

TEST_CASE("a writer learns that its peer has gone") {
  StreamingServer server;
  auto reader = server.open();
  auto stream = server.stream();
  CHECK(stream->is_open());
  reader.reset();
  CHECK(eventually([&] { return !stream->is_open(); }));
  CHECK_FALSE(stream->write("x"));
}

TEST_CASE("a reader that does not read is cut off, and the writer never waits") {
  HttpServer::Options options;
  options.stream_backlog_bytes_max = 100'000;
  StreamingServer server(options);
  auto reader = server.open();
  auto stream = server.stream();
  std::string text = "data: " + std::string(10'000, 'x') + "\n\n";
  size_t written = 0;
  while (stream->write(text)) REQUIRE_LT(++written, 10'000u);
  CHECK_FALSE(stream->is_open());
  // What had been sent can still be read; then comes the end.
  Result<std::optional<ServerEvent>> event = reader->next(10'000);
  while (event.has_value()) event = reader->next(10'000);
  CHECK_EQ(event.error().code, Code::Unavailable);
}

TEST_CASE("one large write is fine") {
  HttpServer::Options options;
  options.stream_backlog_bytes_max = 1000;
  StreamingServer server(options);
  auto reader = server.open();
  auto stream = server.stream();
  CHECK(stream->write("data: " + std::string(5'000'000, 'x') + "\n\n"));
  CHECK_EQ(reader->next(10'000).value().value().data.size(), 5'000'000u);
}

TEST_CASE("streams that outlive their server are closed") {
  std::shared_ptr<HttpStream> stream;
  std::unique_ptr<EventReader> reader;
  {
    StreamingServer server;
    reader = server.open();
    stream = server.stream();
    server.started = {};
    CHECK(stream->write("data: last\n\n"));
  }
  CHECK_FALSE(stream->is_open());
  CHECK_FALSE(stream->write("x"));
  stream->close();
  static_cast<void>(reader->next(10'000));
  CHECK_EQ(reader->next(10'000).error().code, Code::Unavailable);
}

TEST_CASE("a server may end while streams are being written") {
  std::promise<void> go;
  std::jthread writer;
  {
    StreamingServer server;
    auto reader = server.open();
    writer = std::jthread([stream = server.stream(), &go] {
      go.set_value();
      while (stream->write("data: x\n\n")) continue;
    });
    go.get_future().wait();
  }
}
