// For tests: whole servers on real sockets and disks, which follow each other.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>

#include "kv/replication/replication.h"
#include "kv/server.h"
#include "kv/test_client.h"
#include "kv/test_sessions.h"

namespace mcloud::kv {

// A server with its store, which can be ended and started again.
struct Node {
  explicit Node(ServerOptions wanted) : options(std::move(wanted)) {
    options.service.dialect = Dialect::Redis;
    options.service.folder = folder / "kv";
    start();
  }
  explicit Node(bool is_managed = false) : Node(ServerOptions{.service = {.is_managed = is_managed}}) {}
  void start() {
    store = Store::open(disk, clock, {.folder = folder / "kv", .segment_bytes = 1 << 20,
                                      .defaults = options.service.defaults})
                .value();
    server = Server::start(*store, disk, clock, random, options).value();
    options.port = server->port();
    options.tls_port = server->tls_port();
  }
  void stop() {
    server.reset();
    store.reset();
  }
  TestClient client() { return TestClient(server->port()); }
  std::string port() { return std::to_string(options.port); }
  std::string ask(const std::vector<std::string_view>& words) {
    TestClient one = client();
    REQUIRE(one.say(words));
    one.end_sending();
    return one.receive(16 << 20);
  }
  std::string get(const std::string& key) { return ask({"GET", key}); }
  Position end() { return store->find("default")->figures().end; }

  testing::TemporaryFolder folder;
  io::SystemDisk disk;
  io::SystemClock clock;
  io::SystemRandom random;
  ServerOptions options;
  std::unique_ptr<Store> store;
  std::unique_ptr<Server> server;
};

// Until it holds, twenty seconds at most.
inline bool eventually(const std::function<bool()>& holds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

inline std::string bulk(const std::string& value) { return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n"; }

}  // namespace mcloud::kv
