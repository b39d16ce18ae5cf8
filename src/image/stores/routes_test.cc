#include "image/stores/routes.h"

#include <doctest/doctest.h>

#include <thread>

#include "crypto/hash.h"
#include "image/stores/test_store.h"
#include "io/clock.h"
#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

uint64_t now_ms() { return io::SystemClock().monotonic_ms(); }

StoredBlock block_of(int number) { return encode_block("content of block " + std::to_string(number)); }
Bytes plain_of(int number) { return "content of block " + std::to_string(number); }

// Several stores in memory behind Routes, and what was told about them.
struct Stores {
  explicit Stores(size_t count, RoutesOptions options = {.hedge_ms = 20, .block_timeout_ms = 2'000}) {
    options.on_fault = [this](const std::string& store, const Error& error) {
      std::lock_guard lock(faults_mutex);
      faults.emplace_back(store, error);
    };
    std::vector<PlacedStore> placed;
    for (size_t i = 0; i < count; ++i) {
      states.push_back(std::make_shared<TestStoreState>());
      states.back()->name = "test://" + std::string(1, static_cast<char>('a' + i));
      placed.push_back({std::make_unique<TestStore>(states.back()), {{0x00, 0xff}}});
    }
    routes = make_routes(std::move(placed), options);
  }
  TestStoreState& operator[](size_t i) { return *states[i]; }
  void give(size_t store, const StoredBlock& block) {
    states[store]->set([&](TestStoreState& state) { state.blocks[block.ref.id] = block.bytes; });
  }
  Result<Bytes> fetch(int number) { return routes->fetch(block_of(number).ref, plain_of(number).size()); }
  std::vector<std::pair<std::string, Error>> told() {
    std::lock_guard lock(faults_mutex);
    return faults;
  }

  std::vector<std::shared_ptr<TestStoreState>> states;
  std::mutex faults_mutex;
  std::vector<std::pair<std::string, Error>> faults;
  std::unique_ptr<Routes> routes;
};

void fail(TestStoreState& store, Code code, const std::string& why) {
  store.set([&](TestStoreState& state) { state.failure = make_error(code, why); });
}
void heal(TestStoreState& store) {
  store.set([](TestStoreState& state) { state.failure.reset(); });
}
void hang(TestStoreState& store, bool hangs) {
  store.set([&](TestStoreState& state) { state.hangs = hangs; });
}

}  // namespace

TEST_CASE("a block that was put into a folder comes back, verified, and is not put twice") {
  testing::TemporaryFolder folder;
  std::vector<Route> where = {{0x00, 0xff, "dir://" + folder / "blocks"}};
  auto routes = Routes::open(where).value();
  CHECK(routes->put(block_of(1)).has_value());
  CHECK(routes->put(block_of(1)).has_value());
  CHECK(routes->flush().has_value());
  CHECK_EQ(routes->fetch(block_of(1).ref, plain_of(1).size()).value(), plain_of(1));
  CHECK_EQ(routes->fetch(block_of(2).ref, 1).error().code, Code::NotFound);
  StoreFigures figures = routes->figures().at(0);
  CHECK_EQ(figures.blocks, 1u);
  CHECK_EQ(figures.put_blocks, 1u);
  CHECK_EQ(figures.bytes, block_of(1).bytes.size());
  CHECK_EQ(figures.failures, 0u);
}

TEST_CASE("a URL that is none is refused when routes are opened, a store that is not there is not") {
  CHECK_EQ(Routes::open({{0, 255, "ftp://x"}}).error().code, Code::Invalid);
  auto routes = Routes::open({{0, 255, "dir:///no/such/folder"}}, {.block_timeout_ms = 100}).value();
  Error error = routes->fetch(block_of(1).ref, 1).error();
  CHECK_EQ(error.code, Code::Unavailable);
  CHECK_NE(error.message.find("dir:///no/such/folder: there is no folder"), std::string::npos);
}

TEST_CASE("one store that fails is passed over at once, and asked last from then on") {
  Stores stores(2);
  for (int i = 0; i < 20; ++i) stores.give(1, block_of(i));
  fail(stores[0], Code::Unavailable, "refused");
  for (int i = 0; i < 20; ++i) CHECK_EQ(stores.fetch(i).value(), plain_of(i));
  CHECK_EQ(stores[0].look(&TestStoreState::gets), 1u);
  auto figures = stores.routes->figures();
  CHECK(figures[0].is_failing);
  CHECK_EQ(figures[0].failures, 1u);
  CHECK_EQ(figures[1].blocks, 20u);
  CHECK_FALSE(figures[1].is_failing);
  REQUIRE_EQ(stores.told().size(), 1u);
  CHECK_EQ(stores.told()[0].first, "test://a");
  CHECK_EQ(stores.told()[0].second.message, "refused");
}

TEST_CASE("a store that does not answer holds a reader for the hedge and no longer, and only once") {
  Stores stores(2, {.hedge_ms = 50, .try_timeout_ms = 60'000, .block_timeout_ms = 60'000});
  for (int i = 0; i < 20; ++i) stores.give(1, block_of(i));
  hang(stores[0], true);
  uint64_t begin = now_ms();
  for (int i = 0; i < 20; ++i) CHECK(stores.fetch(i).has_value());
  CHECK_GE(now_ms() - begin, 50u);
  CHECK_LT(now_ms() - begin, 1'000u);
  CHECK_EQ(stores[0].look(&TestStoreState::gets), 1u);
}

TEST_CASE("at most four stores are asked at a time, however many are named") {
  Stores stores(12, {.hedge_ms = 1, .try_timeout_ms = 60'000, .block_timeout_ms = 200});
  for (size_t i = 0; i < 12; ++i) hang(stores[i], true);
  CHECK_EQ(stores.fetch(1).error().code, Code::TimedOut);
  size_t asked = 0;
  for (size_t i = 0; i < 12; ++i) asked += stores[i].look(&TestStoreState::gets);
  CHECK_EQ(asked, 4u);
}

TEST_CASE("routes are gone at once although a store hangs") {
  auto stores = std::make_unique<Stores>(2, RoutesOptions{.hedge_ms = 1, .try_timeout_ms = 60'000, .block_timeout_ms = 60'000});
  hang((*stores)[0], true);
  stores->give(1, block_of(1));
  CHECK(stores->fetch(1).has_value());
  uint64_t begin = now_ms();
  stores.reset();
  CHECK_LT(now_ms() - begin, 1'000u);
}

TEST_CASE("wrong bytes are told, counted and fetched elsewhere") {
  Stores stores(2);
  stores[0].set([](TestStoreState& state) { state.blocks[block_of(1).ref.id] = "lies"; });
  stores.give(1, block_of(1));
  CHECK_EQ(stores.fetch(1).value(), plain_of(1));
  auto figures = stores.routes->figures();
  CHECK_EQ(figures[0].wrong, 1u);
  CHECK_EQ(figures[0].blocks, 0u);
  REQUIRE_EQ(stores.told().size(), 1u);
  CHECK_EQ(stores.told()[0].second.code, Code::Corrupt);
}

TEST_CASE("only wrong copies are Corrupt, no copies are NotFound, and both are known at once") {
  Stores stores(2, {.block_timeout_ms = 60'000});
  CHECK_EQ(stores.fetch(1).error().code, Code::NotFound);
  stores[0].set([](TestStoreState& state) { state.blocks[block_of(1).ref.id] = "lies"; });
  Error error = stores.fetch(1).error();
  CHECK_EQ(error.code, Code::Corrupt);
  CHECK_NE(error.message.find("test://a: block "), std::string::npos);
  CHECK_NE(error.message.find("test://b: not here"), std::string::npos);
}

TEST_CASE("with one store down and the block nowhere else it is Unavailable, naming each store and its reason") {
  Stores stores(2, {.hedge_ms = 5, .block_timeout_ms = 200});
  fail(stores[0], Code::Unavailable, "connection refused");
  Error error = stores.fetch(1).error();
  CHECK_EQ(error.code, Code::Unavailable);
  CHECK_NE(error.message.find("test://a: connection refused"), std::string::npos);
  CHECK_NE(error.message.find("test://b: not here"), std::string::npos);
  // What said no is not asked again.
  CHECK_EQ(stores[1].look(&TestStoreState::gets), 1u);
  CHECK_GT(stores[0].look(&TestStoreState::gets), 2u);
}

TEST_CASE("stores that never answer end at the deadline, as TimedOut") {
  for (size_t count : {size_t{1}, size_t{3}}) {
    Stores stores(count, {.hedge_ms = 5, .try_timeout_ms = 30, .block_timeout_ms = 200});
    for (size_t i = 0; i < count; ++i) hang(stores[i], true);
    uint64_t begin = now_ms();
    CHECK_EQ(stores.fetch(1).error().code, Code::TimedOut);
    CHECK_GE(now_ms() - begin, 150u);
    CHECK_LT(now_ms() - begin, 1'000u);
  }
}

TEST_CASE("a reader waits for a store that comes back in time, and that is told") {
  for (size_t count : {size_t{1}, size_t{2}}) {
    Stores stores(count, {.hedge_ms = 5, .block_timeout_ms = 20'000});
    for (size_t i = 0; i < count; ++i) {
      stores.give(i, block_of(1));
      fail(stores[i], Code::Unavailable, "restarts");
    }
    std::jthread restart([&] {
      std::unique_lock lock(stores[0].mutex);
      stores[0].changed.wait(lock, [&] { return stores[0].gets >= 2; });
      stores[0].failure.reset();
    });
    CHECK_EQ(stores.fetch(1).value(), plain_of(1));
    CHECK_FALSE(stores.routes->figures()[0].is_failing);
    CHECK_EQ(stores.told().back().second.code, Code::Cancelled);
  }
}

TEST_CASE("a store that failed is looked at again beside a good one, and used again") {
  Stores stores(2, {.hedge_ms = 2'000, .block_timeout_ms = 20'000});
  stores.give(0, block_of(1));
  stores.give(1, block_of(1));
  fail(stores[0], Code::Unavailable, "restarts");
  CHECK(stores.fetch(1).has_value());
  CHECK(stores.routes->figures()[0].is_failing);
  heal(stores[0]);
  uint64_t begin = now_ms();
  while (stores.routes->figures()[0].is_failing && now_ms() - begin < 20'000) CHECK(stores.fetch(1).has_value());
  CHECK_FALSE(stores.routes->figures()[0].is_failing);
  CHECK_EQ(stores.told().back().first, "test://a");
}

TEST_CASE("stores are asked for the blocks of their range only") {
  testing::TemporaryFolder folder;
  std::vector<Route> where = {{0x00, 0x7f, "dir://" + folder / "low"}, {0x80, 0xff, "dir://" + folder / "high"}};
  auto routes = Routes::open(where).value();
  for (int i = 0; i < 40; ++i) CHECK(routes->put(block_of(i)).has_value());
  for (int i = 0; i < 40; ++i) {
    CHECK_EQ(routes->fetch(block_of(i).ref, plain_of(i).size()).value(), plain_of(i));
    std::string side = block_of(i).ref.id.data()[0] < 0x80 ? "low" : "high";
    std::string hex = block_of(i).ref.id.hex();
    CHECK(io::exists(folder / side + "/" + hex.substr(0, 2) + "/" + hex));
  }
  auto half = Routes::open({where[0]}).value();
  for (int i = 0; i < 40; ++i) {
    if (block_of(i).ref.id.data()[0] < 0x80) continue;
    CHECK_EQ(half->put(block_of(i)).error().code, Code::Invalid);
    CHECK_EQ(half->fetch(block_of(i).ref, 1).error().code, Code::NotFound);
  }
}

TEST_CASE("a block goes to every store that covers it, or the put fails") {
  Stores stores(3, {.block_timeout_ms = 100});
  CHECK(stores.routes->put(block_of(1)).has_value());
  for (size_t i = 0; i < 3; ++i) CHECK_EQ(stores[i].look(&TestStoreState::puts), 1u);
  fail(stores[1], Code::Exhausted, "disk full");
  Error error = stores.routes->put(block_of(2)).error();
  CHECK_EQ(error.message, "put block " + block_of(2).ref.id.hex() + ": test://b: disk full");
  CHECK_FALSE(stores.routes->flush().has_value());
  heal(stores[1]);
  CHECK(stores.routes->put(block_of(2)).has_value());
  CHECK(stores.routes->flush().has_value());
  CHECK_FALSE(stores.routes->figures()[1].is_failing);
}

TEST_CASE("many readers with one dead store, one that lies and one that is good all get right bytes") {
  Stores stores(3, {.hedge_ms = 10, .try_timeout_ms = 500, .block_timeout_ms = 20'000});
  for (int i = 0; i < 200; ++i) {
    stores.give(2, block_of(i));
    stores[1].set([&](TestStoreState& state) { state.blocks[block_of(i).ref.id] = "lies"; });
  }
  hang(stores[0], true);
  std::atomic<int> right = 0;
  std::vector<std::jthread> readers;
  for (int reader = 0; reader < 16; ++reader) {
    readers.emplace_back([&, reader] {
      for (int i = reader; i < 200; i += 16) right += stores.fetch(i).value() == plain_of(i);
    });
  }
  readers.clear();
  CHECK_EQ(right, 200);
  CHECK_EQ(stores.routes->figures()[2].blocks, 200u);
}

TEST_CASE("cancelled routes end a fetch that hangs, and those that come") {
  Stores stores(2, {.hedge_ms = 20, .try_timeout_ms = 60'000, .block_timeout_ms = 60'000});
  stores.give(0, block_of(1));
  hang(stores[0], true);
  hang(stores[1], true);
  uint64_t begin_ms = now_ms();
  std::jthread canceller([&] {
    std::unique_lock lock(stores[0].mutex);
    stores[0].changed.wait(lock, [&] { return stores[0].gets > 0; });
    lock.unlock();
    stores.routes->cancel();
  });
  CHECK_EQ(stores.fetch(1).error().code, Code::Cancelled);
  CHECK_EQ(stores.fetch(1).error().code, Code::Cancelled);
  CHECK(now_ms() - begin_ms < 10'000);
}
