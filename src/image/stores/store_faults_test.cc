// Stores over real sockets that fail in every way we could think of.
#include <doctest/doctest.h>

#include <algorithm>

#include "crypto/hash.h"
#include "image/stores/routes.h"
#include "image/stores/test_server.h"
#include "io/clock.h"

using namespace mcloud;
using namespace mcloud::image;
using Mood = TestServer::Mood;
using Protocol = TestServer::Protocol;

namespace {

constexpr Protocol kBoth[] = {Protocol::Http, Protocol::Kv};
constexpr uint64_t kTime = 20'000;

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }
Bytes plain_of(int number) { return Bytes(60'000, 'x') + std::to_string(number); }
StoredBlock block_of(int number) { return encode_block(plain_of(number)); }

struct Told {
  std::mutex mutex;
  std::vector<std::pair<std::string, Error>> faults;
  std::function<void(const std::string&, const Error&)> ear() {
    return [this](const std::string& store, const Error& error) {
      std::lock_guard lock(mutex);
      faults.emplace_back(store, error);
    };
  }
  size_t count(Code code) {
    std::lock_guard lock(mutex);
    return static_cast<size_t>(std::ranges::count_if(faults, [&](const auto& one) { return one.second.code == code; }));
  }
};

RoutesOptions quick(Told& told) {
  RoutesOptions options;
  options.hedge_ms = 50;
  options.try_timeout_ms = 1'000;
  options.block_timeout_ms = kTime;
  options.on_fault = told.ear();
  return options;
}

Code code_of_get(BlockStore& store, const Hash& id, uint64_t timeout_ms = kTime) {
  auto got = store.get(id, timeout_ms);
  REQUIRE_FALSE(got.has_value());
  return got.error().code;
}

}  // namespace

TEST_CASE("a block is got over a kept connection, and asked for") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.give(block_of(1));
    auto store = open_store(server.url()).value();
    for (int i = 0; i < 3; ++i) CHECK(store->get(block_of(1).ref.id, kTime).value() == block_of(1).bytes);
    CHECK(store->has(block_of(1).ref.id, kTime).value());
    CHECK_FALSE(store->has(block_of(2).ref.id, kTime).value());
    CHECK_EQ(code_of_get(*store, block_of(2).ref.id), Code::NotFound);
    CHECK_EQ(server.connections, 1);
  }
}

TEST_CASE("kv takes blocks, a web server does not") {
  TestServer kv(Protocol::Kv), http(Protocol::Http);
  auto store = open_store(kv.url()).value();
  CHECK(store->put(block_of(1).ref.id, block_of(1).bytes, kTime).has_value());
  CHECK(kv.has(block_of(1).ref.id));
  store = open_store(http.url()).value();
  CHECK_EQ(store->put(block_of(1).ref.id, block_of(1).bytes, kTime).error().code, Code::Unsupported);
}

TEST_CASE("each way to fail has its code, and the store is well again afterwards") {
  struct Case {
    Mood mood;
    Code code;
  };
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.give(block_of(1));
    auto store = open_store(server.url()).value();
    for (Case one : {Case{Mood::Silent, Code::TimedOut}, Case{Mood::Resets, Code::Unavailable},
                     Case{Mood::Truncates, Code::Unavailable}, Case{Mood::Refuses, Code::Denied},
                     Case{Mood::Fails, Code::Unavailable}, Case{Mood::Nonsense, Code::Unavailable}}) {
      server.mood = one.mood;
      uint64_t timeout_ms = one.mood == Mood::Silent ? 100 : kTime;
      CHECK_EQ(code_of_get(*store, block_of(1).ref.id, timeout_ms), one.code);
      auto has = store->has(block_of(1).ref.id, timeout_ms);
      CHECK_EQ(has.has_value() ? Code::Internal : has.error().code, one.code);
      server.mood = Mood::Good;
      CHECK(store->get(block_of(1).ref.id, kTime).has_value());
    }
  }
}

TEST_CASE("an answer without end is bounded, and one that is larger than any block is Corrupt") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    auto store = open_store(server.url()).value();
    server.mood = Mood::Endless;
    CHECK_FALSE(store->get(block_of(1).ref.id, 2'000).has_value());
    server.mood = Mood::Good;
    StoredBlock huge{block_of(2).ref, Bytes(kStoredBytesMax + 1, 'h')};
    server.give(huge);
    CHECK_EQ(code_of_get(*store, huge.ref.id), Code::Corrupt);
  }
}

TEST_CASE("nobody there is Unavailable at once") {
  for (Protocol protocol : kBoth) {
    std::string url;
    {
      TestServer server(protocol);
      url = server.url();
    }
    uint64_t begin = now_ms();
    CHECK_EQ(code_of_get(*open_store(url).value(), block_of(1).ref.id), Code::Unavailable);
    CHECK_LT(now_ms() - begin, 2'000u);
  }
}

TEST_CASE("a server that closed its idle connections is asked again without an error") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.give(block_of(1));
    auto store = open_store(server.url()).value();
    for (int i = 0; i < 3; ++i) {
      CHECK(store->get(block_of(1).ref.id, kTime).has_value());
      server.restart();
    }
    CHECK(store->has(block_of(1).ref.id, kTime).value());
  }
}

TEST_CASE("many threads share a bounded number of connections") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    for (int i = 0; i < 20; ++i) server.give(block_of(i));
    auto store = open_store(server.url(), {.certificates = {}, .connections_max = 3}).value();
    std::atomic<int> right = 0;
    std::vector<std::jthread> threads;
    for (int t = 0; t < 12; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) right += store->get(block_of(i).ref.id, kTime).value() == block_of(i).bytes;
      });
    }
    threads.clear();
    CHECK_EQ(right, 240);
    CHECK_LE(server.connections, 3);
  }
}

TEST_CASE("when all connections are held by a silent server, callers end at their deadline") {
  TestServer server(Protocol::Kv);
  server.mood = Mood::Silent;
  auto store = open_store(server.url(), {.certificates = {}, .connections_max = 1}).value();
  std::jthread first([&] { static_cast<void>(store->get(block_of(1).ref.id, 1'000)); });
  while (server.requests < 1) std::this_thread::yield();
  CHECK_EQ(code_of_get(*store, block_of(1).ref.id, 50), Code::TimedOut);
}

TEST_CASE("a cancelled store ends its calls, those that run and those that come") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.mood = Mood::Silent;
    auto store = open_store(server.url()).value();
    std::jthread other([&] {
      while (server.requests < 1) std::this_thread::yield();
      store->cancel();
    });
    CHECK_EQ(code_of_get(*store, block_of(1).ref.id, 600'000), Code::Cancelled);
    other.join();
    CHECK_EQ(code_of_get(*store, block_of(1).ref.id, 600'000), Code::Cancelled);
  }
}

TEST_CASE("readers get right bytes at once while one of two stores fails in any way, and figures tell which") {
  for (Protocol protocol : kBoth) {
    for (Mood mood : {Mood::Silent, Mood::Resets, Mood::Lies, Mood::Truncates, Mood::Refuses, Mood::Fails, Mood::Nonsense}) {
      TestServer bad(protocol), good(protocol);
      bad.mood = mood;
      for (int i = 0; i < 10; ++i) {
        bad.give(block_of(i));
        good.give(block_of(i));
      }
      Told told;
      RoutesOptions options = quick(told);
      options.try_timeout_ms = kTime;
      auto routes = Routes::open({{0, 255, bad.url()}, {0, 255, good.url()}}, options).value();
      uint64_t begin = now_ms();
      for (int i = 0; i < 10; ++i) CHECK(routes->fetch(block_of(i).ref, plain_of(i).size()).value() == plain_of(i));
      CHECK_LT(now_ms() - begin, 2'000u);
      auto figures = routes->figures();
      CHECK_EQ(figures[0].name, bad.url());
      CHECK_EQ(figures[0].blocks, 0u);
      CHECK_EQ(figures[0].wrong, mood == Mood::Lies ? 1u : 0u);
      CHECK_EQ(figures[0].is_failing, mood != Mood::Silent);  // it may still answer: slow is no failure yet
      CHECK_EQ(told.faults.size(), mood == Mood::Silent ? 0u : 1u);
      CHECK_EQ(told.count(Code::Corrupt), mood == Mood::Lies ? 1u : 0u);
      CHECK_EQ(figures[1].blocks, 10u);
      CHECK_EQ(figures[1].failures, 0u);
      begin = now_ms();
      routes.reset();
      CHECK_LT(now_ms() - begin, 1'000u);
    }
  }
}

TEST_CASE("a store that lies alone is Corrupt, not bad data") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.give(block_of(1));
    server.mood = Mood::Lies;
    Told told;
    auto routes = Routes::open({{0, 255, server.url()}}, quick(told)).value();
    CHECK_EQ(routes->fetch(block_of(1).ref, plain_of(1).size()).error().code, Code::Corrupt);
    CHECK_EQ(told.count(Code::Corrupt), 1u);
    CHECK_EQ(routes->figures()[0].wrong, 1u);
  }
}

TEST_CASE("a reader waits out a store that goes away and comes back on its port") {
  for (Protocol protocol : kBoth) {
    TestServer server(protocol);
    server.give(block_of(1));
    Told told;
    auto routes = Routes::open({{0, 255, server.url()}}, quick(told)).value();
    CHECK(routes->fetch(block_of(1).ref, plain_of(1).size()).has_value());
    server.stop();
    std::jthread back([&] {
      while (!routes->figures()[0].is_failing) std::this_thread::yield();
      server.start();
    });
    CHECK(routes->fetch(block_of(1).ref, plain_of(1).size()).value() == plain_of(1));
    CHECK_FALSE(routes->figures()[0].is_failing);
    CHECK_EQ(told.count(Code::Unavailable), 1u);
    CHECK_EQ(told.count(Code::Cancelled), 1u);
    back.join();
  }
}

TEST_CASE("stores that come and go in turn are no error while one is there") {
  for (Protocol protocol : kBoth) {
    TestServer first(protocol), second(protocol);
    for (int i = 0; i < 4; ++i) {
      first.give(block_of(i));
      second.give(block_of(i));
    }
    Told told;
    auto routes = Routes::open({{0, 255, first.url()}, {0, 255, second.url()}}, quick(told)).value();
    for (int i = 0; i < 4; ++i) CHECK(routes->fetch(block_of(i).ref, plain_of(i).size()).has_value());
    first.stop();
    for (int i = 0; i < 4; ++i) CHECK(routes->fetch(block_of(i).ref, plain_of(i).size()).has_value());
    second.stop();
    first.start();
    for (int i = 0; i < 4; ++i) CHECK(routes->fetch(block_of(i).ref, plain_of(i).size()).has_value());
    second.start();
  }
}

TEST_CASE("a password is in no message, whatever a server says") {
  TestServer server(Protocol::Kv);
  const std::string url = server.url("me:s3cr%2ft@", "/blocks");
  Told told;
  RoutesOptions options = quick(told);
  options.block_timeout_ms = 200;
  options.try_timeout_ms = 100;
  auto store = open_store(url).value();
  auto routes = Routes::open({{0, 255, url}}, options).value();
  std::string all = store->name();
  for (Mood mood : {Mood::Refuses, Mood::Fails, Mood::Resets, Mood::Silent, Mood::Truncates, Mood::Nonsense, Mood::Lies}) {
    server.mood = mood;
    server.give(block_of(1));
    auto got = store->get(block_of(1).ref.id, 100);
    if (!got.has_value()) all += got.error().message;
    all += routes->fetch(block_of(1).ref, plain_of(1).size()).error().message;
    server.restart();
  }
  server.mood = Mood::Refuses;
  all += routes->put(block_of(2)).error().message;
  for (const auto& [name, error] : told.faults) all += name + error.message;
  all += routes->figures()[0].name;
  CHECK_EQ(all.find("s3cr"), std::string::npos);
  CHECK_NE(all.find("SELECT: the server says: Access denied 'SELECT' 'blocks' '*'"), std::string::npos);
}
