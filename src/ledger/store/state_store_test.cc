#include "ledger/store/state_store.h"

#include <doctest/doctest.h>

#include <set>

#include "io/file.h"
#include "ledger/store/snapshot.h"
#include "ledger/tree/proof.h"
#include "ledger/tree/tree.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

std::unique_ptr<StateStore> open(const std::string& folder) {
  Result<std::unique_ptr<StateStore>> store = StateStore::open(folder);
  REQUIRE_MESSAGE(store.has_value(), (store.has_value() ? "" : store.error().message));
  return std::move(*store);
}

Hash commit(StateStore& store, uint64_t height, Overlay::Changes values) {
  tree::NodeChanges nodes(store.nodes());
  Hash hash = *tree::update(nodes, values);
  REQUIRE(store.commit({height, hash, std::move(values), nodes.take_changes()}).has_value());
  return hash;
}

Overlay::Changes some_changes(testing::SimulatedRandom& random) {
  Overlay::Changes changes;
  for (int i = 0; i < 40; ++i) {
    Bytes key = "key/" + std::to_string(random.below(500));
    changes[key] = random.chance(25) ? std::nullopt : std::optional<Bytes>(random.bytes(20));
  }
  return changes;
}

std::vector<Bytes> keys_under(const StateView& view, BytesView prefix, BytesView after = "") {
  std::vector<Bytes> keys;
  REQUIRE(view.each(prefix, after,
                    [&](BytesView key, BytesView) {
                      keys.push_back(Bytes(key));
                      return true;
                    })
              .has_value());
  return keys;
}

}  // namespace

TEST_CASE("a state is there after being closed and opened, with its height and hash") {
  testing::TemporaryFolder folder;
  Hash hash;
  {
    auto store = open(folder.path());
    CHECK(store->view() == nullptr);
    commit(*store, 0, {{"a", "1"}, {"b", "2"}});
    hash = commit(*store, 1, {{"b", std::nullopt}, {"c", "3"}});
  }
  auto store = open(folder.path());
  CHECK(store->view()->height() == 1);
  CHECK(store->view()->state_hash() == hash);
  CHECK(store->view()->get("a")->value() == "1");
  CHECK_FALSE(store->view()->get("b")->has_value());
}

TEST_CASE("a view stays as it was while blocks are committed, and so do its proofs") {
  testing::TemporaryFolder folder;
  testing::SimulatedRandom random(3);
  auto store = open(folder.path());
  commit(*store, 0, some_changes(random));
  auto view = store->view();
  std::vector<Bytes> keys = keys_under(*view, "");
  std::map<Bytes, Bytes> values;
  for (const Bytes& key : keys) values[key] = view->get(key)->value();
  for (uint64_t height = 1; height < 30; ++height) commit(*store, height, some_changes(random));
  CHECK(keys_under(*view, "") == keys);
  for (const auto& [key, value] : values) {
    CHECK(view->get(key)->value() == value);
    CHECK(tree::verify_proof(view->state_hash(), key, value, tree::prove(*view, key)->encode()).has_value());
  }
}

TEST_CASE("the last views can be had by their height, older ones are gone") {
  testing::TemporaryFolder folder;
  auto store = open(folder.path());
  for (uint64_t height = 0; height < kRecentViews + 10; ++height) {
    commit(*store, height, {{"height", std::to_string(height)}});
  }
  CHECK(store->view_at(kRecentViews)->get("height")->value() == std::to_string(kRecentViews));
  CHECK(store->view_at(9) == nullptr);
  CHECK(store->view_at(10) != nullptr);
  CHECK(store->view_at(kRecentViews + 10) == nullptr);
}

TEST_CASE("listing keeps to the prefix and begins after the given key") {
  testing::TemporaryFolder folder;
  auto store = open(folder.path());
  commit(*store, 0, {{"a/1", "x"}, {"a/2", "x"}, {"a/3", "x"}, {"a", "x"}, {"b/1", "x"}, {"a0", "x"}});
  CHECK(keys_under(*store->view(), "a/") == std::vector<Bytes>{"a/1", "a/2", "a/3"});
  CHECK(keys_under(*store->view(), "a/", "a/1") == std::vector<Bytes>{"a/2", "a/3"});
  CHECK(keys_under(*store->view(), "a/", "a/3").empty());
  CHECK(keys_under(*store->view(), "a/", "a").size() == 3);
  CHECK(keys_under(*store->view(), "", "").size() == 6);
}

TEST_CASE("what was written last may be lost, but never a part of a block") {
  testing::TemporaryFolder source;
  testing::SimulatedRandom random(5);
  std::map<uint64_t, Hash> hashes;
  {
    auto store = open(source.path());
    for (uint64_t height = 0; height < 6; ++height) hashes[height] = commit(*store, height, some_changes(random));
  }
  // The write-ahead log, cut anywhere as by a loss of power.
  std::string log;
  for (const std::string& name : *io::list_folder(source.path())) {
    if (name.ends_with(".log")) log = name;
  }
  Bytes whole = *io::read_file(source / log);
  REQUIRE(whole.size() > 10'000);
  std::set<uint64_t> heights;
  for (int i = 0; i < 25; ++i) {
    testing::TemporaryFolder folder;
    for (const std::string& name : *io::list_folder(source.path())) {
      Bytes bytes = *io::read_file(source / name);
      if (name == log) bytes.resize(random.below(whole.size() + 1));
      REQUIRE(io::write_file(folder / name, bytes, io::Durability::None).has_value());
    }
    auto store = open(folder.path());
    if (store->view() == nullptr) continue;
    heights.insert(store->view()->height());
    CHECK(store->view()->state_hash() == hashes[store->view()->height()]);
  }
  CHECK(heights.size() > 2);
}

TEST_CASE("a snapshot holds every entry, and every damage to it is noticed or harmless") {
  testing::TemporaryFolder folder;
  auto store = open(folder / "state");
  Hash hash = commit(*store, 7, {{"a", "1"}, {"b/c", "some value"}, {"b/d", ""}, {"e", "5"}});
  REQUIRE(write_snapshot(*store->view(), folder / "snapshot").has_value());
  SnapshotContent content = read_snapshot(folder / "snapshot").value();
  CHECK(content.height == 7);
  CHECK(content.state_hash == hash);
  tree::MemoryNodes nodes;
  CHECK(tree::update(nodes, content.values).value() == hash);

  Bytes whole = *io::read_file(folder / "snapshot");
  for (size_t size = 0; size < whole.size(); ++size) {
    REQUIRE(io::write_file(folder / "cut", whole.substr(0, size), io::Durability::None).has_value());
    REQUIRE(read_snapshot(folder / "cut").error().code == Code::Corrupt);
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    REQUIRE(io::write_file(folder / "damaged", damaged, io::Durability::None).has_value());
    Result<SnapshotContent> read = read_snapshot(folder / "damaged");
    if (!read.has_value()) continue;
    tree::MemoryNodes other;
    bool is_same = tree::update(other, read->values).value() == read->state_hash;
    CHECK((!is_same || read->height != 7));
  }
}
