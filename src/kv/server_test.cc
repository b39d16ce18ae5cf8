#include "kv/server.h"

#include <atomic>
#include <thread>

#include "kv/test_client.h"
#include "kv/test_sessions.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

ServerOptions redis_options() {
  ServerOptions options;
  options.service.dialect = Dialect::Redis;
  return options;
}

struct Fixture {
  explicit Fixture(const ServerOptions& options = redis_options()) : store(options.service), wanted(options) {
    start();
  }
  void start() {
    wanted.service.folder = store.folder.path();
    server = Server::start(*store.store, store.disk, store.clock, store.random, wanted).value();
  }
  TestClient connect() { return TestClient(server->port()); }
  // Time passes until `is_done`; the loops look at the clock some times a second.
  bool pass_until(uint64_t step_ms, const std::function<bool()>& is_done) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      store.clock.advance(step_ms);
      poll(nullptr, 0, 10);
    }
    return true;
  }
  SessionStore store;
  ServerOptions wanted;
  std::unique_ptr<Server> server;
};

}  // namespace

TEST_CASE("a pipeline of many requests is answered whole and in order, over both kinds of sockets") {
  ServerOptions options = redis_options();
  testing::TemporaryFolder folder;
  options.socket_path = folder / "kv.sock";
  Fixture fixture(options);
  TestClient tcp = fixture.connect(), local(options.socket_path);
  for (TestClient* client : {&tcp, &local}) {
    Bytes requests, replies;
    for (int i = 0; i < 10'000; i++) {
      std::string value = "value " + std::to_string(i);
      requests += wire::resp_request({"SET", "k", value}) + wire::resp_request({"GET", "k"});
      replies += "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    }
    std::jthread sender([&] { CHECK(client->send(requests)); });
    CHECK(client->receive(replies.size()) == replies);
  }
}

TEST_CASE("many clients that ask in one round are each answered with their own") {
  Fixture fixture;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 60; i++) clients.push_back(std::make_unique<TestClient>(fixture.server->port()));
  Bytes busy;  // meanwhile the others' requests gather
  for (int i = 0; i < 10'000; i++) busy += wire::resp_request({"SET", "busy", "x"});
  std::jthread sender([&] { CHECK(clients[0]->send(busy)); });
  for (size_t i = 1; i < clients.size(); i++) {
    std::string key = "k" + std::to_string(i), value(i * 400, static_cast<char>('a' + i % 26));
    Bytes requests = wire::resp_request({"SET", key, value}) + wire::resp_request({"GET", key});
    if (i % 3 == 0) requests += "GET " + key + "\r\n" + wire::resp_request({"PING"});
    REQUIRE(clients[i]->send(requests));
  }
  for (size_t i = 1; i < clients.size(); i++) {
    std::string value(i * 400, static_cast<char>('a' + i % 26));
    Bytes bulk = "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    Bytes wanted = "+OK\r\n" + bulk + (i % 3 == 0 ? bulk + "+PONG\r\n" : "");
    CHECK(clients[i]->receive(wanted.size()) == wanted);
  }
  CHECK_EQ(clients[0]->receive(50'000).size(), 50'000);
}

TEST_CASE("values of the largest size go in and out") {
  Fixture fixture;
  TestClient client = fixture.connect();
  std::string value(kValueBytesMax, 'v');
  CHECK_EQ(client.ask({"SET", "k", value}, 5), "+OK\r\n");
  Bytes wanted = "$8388608\r\n" + value + "\r\n";
  CHECK(client.ask({"GET", "k"}, wanted.size()) == wanted);
}

TEST_CASE("a client that sends its last and stops sending is answered first") {
  Fixture fixture;
  TestClient client = fixture.connect();
  client.say({"SET", "k", "v"});
  client.say({"GET", "k"});
  client.end_sending();
  CHECK_EQ(client.receive(100), "+OK\r\n$1\r\nv\r\n");
}

TEST_CASE("a client that never reads is held back, costs little, is ended, and stalls nobody") {
  ServerOptions options = redis_options();
  options.unread_ms = 5'000;
  Fixture fixture(options);
  TestClient good = fixture.connect(), bad = fixture.connect();
  std::string value(1 << 20, 'v');
  REQUIRE_EQ(good.ask({"SET", "k", value}, 5), "+OK\r\n");
  Bytes requests;
  for (int i = 0; i < 1000; i++) requests += wire::resp_request({"GET", "k"});
  bad.send(requests);
  // A gigabyte was asked for.
  for (int i = 0; i < 200; i++) REQUIRE_EQ(good.ask({"PING"}, 7), "+PONG\r\n");
  CHECK_LT(fixture.server->state().memory(), 8 << 20);
  ServerState& state = fixture.server->state();
  CHECK(fixture.pass_until(100, [&] { return state.counters().connections == 1; }));
  CHECK_EQ(good.ask({"PING"}, 7), "+PONG\r\n");
}

TEST_CASE("a request that does not go on ends its connection, and an idle one does not") {
  ServerOptions options = redis_options();
  options.half_request_ms = 5'000;
  Fixture fixture(options);
  TestClient idle = fixture.connect(), half = fixture.connect();
  REQUIRE_EQ(idle.ask({"PING"}, 7), "+PONG\r\n");
  REQUIRE(half.send("*2\r\n$3\r\nGET\r\n$10\r\nab"));
  ServerState& state = fixture.server->state();
  REQUIRE(fixture.pass_until(0, [&] { return state.counters().bytes_in >= 14 + 20; }));
  CHECK(fixture.pass_until(100, [&] { return state.counters().connections == 1; }));
  CHECK(half.is_closed());
  CHECK_EQ(idle.ask({"PING"}, 7), "+PONG\r\n");
}

TEST_CASE("half requests of many clients do not take more memory than is allowed, and others are served") {
  ServerOptions options = redis_options();
  options.service.memory_bytes_max = 8 << 20;
  Fixture fixture(options);
  std::vector<TestClient> bad;
  std::string part = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n" + std::string(3 << 20, 'x');
  for (int i = 0; i < 8; i++) {
    bad.push_back(fixture.connect());
    bad.back().send(part, MSG_DONTWAIT);
  }
  TestClient good = fixture.connect();
  for (int i = 0; i < 300; i++) REQUIRE_EQ(good.ask({"PING"}, 7), "+PONG\r\n");
  CHECK_LT(fixture.server->state().memory(), 24 << 20);
  // Who holds much and does not move is ended, so that a large request of somebody else gets through.
  std::string value(4 << 20, 'v');
  std::jthread sender([&] { CHECK(good.say({"SET", "large", value})); });
  std::string answer;
  std::jthread reader([&] { answer = good.receive(5); });
  CHECK(fixture.pass_until(10, [&] { return fixture.server->state().counters().writes >= 1; }));
  reader.join();
  CHECK_EQ(answer, "+OK\r\n");
}

TEST_CASE("large reads of many clients who do not read stay within the memory, and small ones are answered") {
  ServerOptions options = redis_options();
  options.service.memory_bytes_max = 16 << 20;
  Fixture fixture(options);
  TestClient good = fixture.connect();
  std::string value(8 << 20, 'v');
  REQUIRE_EQ(good.ask({"SET", "k", value}, 5), "+OK\r\n");
  std::vector<TestClient> bad;
  for (int i = 0; i < 3; i++) {
    bad.push_back(fixture.connect());
    bad.back().say({"GET", "k"});
  }
  for (int i = 0; i < 300; i++) REQUIRE_EQ(good.ask({"PING"}, 7), "+PONG\r\n");
  CHECK_LT(fixture.server->state().memory(), 64 << 20);
  Bytes wanted = "$8388608\r\n" + value + "\r\n", answer;
  std::jthread reader([&] { answer = good.ask({"GET", "k"}, wanted.size()); });
  CHECK(fixture.pass_until(10, [&] { return fixture.server->state().counters().connections == 1; }));
  reader.join();
  CHECK(answer == wanted);
}

TEST_CASE("connections are bounded and told so") {
  ServerOptions options = redis_options();
  options.connections_max = 2;
  Fixture fixture(options);
  TestClient one = fixture.connect(), two = fixture.connect();
  REQUIRE_EQ(one.ask({"PING"}, 7), "+PONG\r\n");
  REQUIRE_EQ(two.ask({"PING"}, 7), "+PONG\r\n");
  TestClient three = fixture.connect();
  CHECK_EQ(three.receive(1000), "-ERR max number of clients reached\r\n");
  one.end_sending();
  CHECK(one.is_closed());
  CHECK(fixture.pass_until(0, [&] { return fixture.server->state().counters().connections == 1; }));
  TestClient four = fixture.connect();
  CHECK_EQ(four.ask({"PING"}, 7), "+PONG\r\n");
}

TEST_CASE("clients on several loops that change one key and different namespaces lose nothing") {
  ServerOptions options = redis_options();
  options.threads = 3;
  Fixture fixture(options);
  constexpr int kClients = 6, kRounds = 300;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; i++) {
      clients.emplace_back([&] {
        TestClient client = fixture.connect();
        for (int round = 0; round < kRounds; round++) {
          // Two namespaces in one pipeline: the loops hold one writer at a time.
          client.send(wire::resp_request({"INCR", "n"}) + wire::resp_request({"SELECT", "1"}) +
                      wire::resp_request({"INCR", "m"}) + wire::resp_request({"SELECT", "0"}));
          Bytes answer;
          for (int lines = 0; lines < 4 && (answer.empty() || answer.back() != 0);) {
            Bytes byte = client.receive(1);
            if (byte.empty()) break;
            lines += byte == "\n" ? 1 : 0;
          }
        }
      });
    }
  }
  TestClient client = fixture.connect();
  CHECK_EQ(client.ask({"GET", "n"}, 10), "$4\r\n1800\r\n");
  CHECK_EQ(client.ask({"SELECT", "1"}, 5), "+OK\r\n");
  CHECK_EQ(client.ask({"GET", "m"}, 10), "$4\r\n1800\r\n");
}

TEST_CASE("clients of other loops see a transaction as a whole or not at all, however they read") {
  ServerOptions options = redis_options();
  options.threads = 3;
  Fixture fixture(options);
  constexpr int kKeys = 300;
  auto key = [](int i) { return "key" + std::to_string(i); };
  auto transaction = [&](const std::string& value) {
    Bytes bytes = wire::resp_request({"MULTI"});
    for (int i = 0; i < kKeys; i++) {
      bytes += wire::resp_request({"SET", key(i), "never to be seen"});
      bytes += wire::resp_request({"SET", key(i), value});
    }
    return bytes + wire::resp_request({"EXEC"});
  };
  const size_t answer = 5 + 2 * kKeys * 9 + 6 + 2 * kKeys * 5;
  TestClient first = fixture.connect();
  first.send(transaction("1000"));
  REQUIRE_EQ(first.receive(answer).size(), answer);
  std::atomic<bool> is_over = false;
  std::jthread writer([&] {
    TestClient client = fixture.connect();
    for (int value = 1001; !is_over; value++) {
      client.send(transaction(std::to_string(value)));
      if (client.receive(answer).size() != answer) return;
    }
  });
  // Also when a requirement below fails: the writer's thread is waited for.
  std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> over(&is_over, [](auto* flag) { *flag = true; });
  TestClient reader = fixture.connect();
  for (int i = 0; i < 3000; i++) {
    bool is_mget = i % 2 == 0;
    reader.send(is_mget ? wire::resp_request({"MGET", key(0), key(kKeys - 1)})
                        : wire::resp_request({"GET", key(0)}) + wire::resp_request({"GET", key(kKeys - 1)}));
    Bytes came = reader.receive(is_mget ? 24 : 20).substr(is_mget ? 4 : 0);
    REQUIRE_EQ(came.size(), 20);
    std::string one = came.substr(4, 4), other = came.substr(14, 4);
    REQUIRE_LE(one, other);  // the first is never newer than what is read after it
    if (is_mget) REQUIRE_EQ(one, other);
  }
}

TEST_CASE("what was acknowledged with durability always is there after the server has ended, and its port is free") {
  ServerOptions options = redis_options();
  options.service.defaults.durability = Durability::Always;
  Fixture fixture(options);
  {
    TestClient client = fixture.connect();
    for (int i = 0; i < 100; i++) REQUIRE_EQ(client.ask({"SET", std::to_string(i), "v"}, 5), "+OK\r\n");
    SpacePtr space = fixture.server->state().find("default");
    CHECK_EQ(space->store->durable_position(), space->store->figures().end);
  }
  fixture.wanted.port = fixture.server->port();
  fixture.server.reset();
  fixture.start();
  TestClient client = fixture.connect();
  CHECK_EQ(client.ask({"DBSIZE"}, 6), ":100\r\n");
}

TEST_CASE("an address that is taken, or no address, is an error that says so") {
  testing::TemporaryFolder folder;
  ServerOptions options = redis_options();
  options.socket_path = folder / "kv.sock";
  Fixture fixture(options);
  auto start = [&](const ServerOptions& wanted) {
    auto server =
        Server::start(*fixture.store.store, fixture.store.disk, fixture.store.clock, fixture.store.random, wanted);
    REQUIRE_FALSE(server.has_value());
    return server.error();
  };
  ServerOptions taken = redis_options();
  taken.port = fixture.server->port();
  CHECK_EQ(start(taken).code, Code::Conflict);
  ServerOptions socket = redis_options();
  socket.socket_path = options.socket_path;
  CHECK_EQ(start(socket).code, Code::Conflict);
  ServerOptions nowhere = redis_options();
  nowhere.host = "no such host";
  CHECK_EQ(start(nowhere).code, Code::Invalid);
}
