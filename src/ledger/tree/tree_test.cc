#include "ledger/tree/tree.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "ledger/tree/proof.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::ledger;
using namespace mcloud::ledger::tree;

namespace {

using Values = std::map<Bytes, Bytes>;

// The definition in node.h, word for word.
Hash naive(std::vector<Leaf> leaves, size_t bit) {
  if (leaves.empty()) return {};
  if (leaves.size() == 1) return hash_of_leaf(leaves[0]);
  auto middle =
      std::partition(leaves.begin(), leaves.end(), [&](const Leaf& leaf) { return !bit_at(leaf.key_hash, bit); });
  return hash_of_branch(naive({leaves.begin(), middle}, bit + 1), naive({middle, leaves.end()}, bit + 1));
}

Hash naive(const Values& values) {
  std::vector<Leaf> leaves;
  for (const auto& [key, value] : values) leaves.push_back({hash_of_key(key), hash_of_value(value)});
  return naive(std::move(leaves), 0);
}

void change(Values& values, const Overlay::Changes& changes) {
  for (const auto& [key, value] : changes) {
    if (value.has_value()) {
      values[key] = *value;
    } else {
      values.erase(key);
    }
  }
}

Overlay::Changes random_changes(testing::SimulatedRandom& random, size_t count, uint64_t keys) {
  Overlay::Changes changes;
  for (size_t i = 0; i < count; ++i) {
    Bytes key = "key " + std::to_string(random.below(keys));
    changes[key] = random.chance(40) ? std::nullopt : std::optional<Bytes>(random.bytes(random.below(50)));
  }
  return changes;
}

Hash must(Result<Hash> hash) {
  REQUIRE_MESSAGE(hash.has_value(), (hash.has_value() ? "" : hash.error().message));
  return *hash;
}

}  // namespace

TEST_CASE("the root of the empty tree is 32 zero bytes") {
  MemoryNodes nodes;
  CHECK(must(root(nodes)) == Hash());
  CHECK(must(update(nodes, {})) == Hash());
  CHECK(must(update(nodes, {{"absent", std::nullopt}})) == Hash());
  CHECK(nodes.nodes().empty());
}

TEST_CASE("a state hash is pinned: it may never change") {
  MemoryNodes nodes;
  CHECK(must(update(nodes, {{"a", "1"}})).hex() == hash_of_leaf({hash_of_key("a"), hash_of_value("1")}).hex());
  Overlay::Changes changes;
  for (int i = 0; i < 100; ++i) changes["key " + std::to_string(i)] = "value " + std::to_string(i);
  CHECK(must(update(nodes, changes)).hex() == "85736e5f3d2b3e2526b4cfd12bfac86c021ac8bef6cf79b829b5b5c5afef87d1");
}

TEST_CASE("any series of changes gives the hash of a naive recomputation") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    testing::SimulatedRandom random(seed);
    MemoryNodes nodes;
    Values values;
    for (int step = 0; step < 30; ++step) {
      Overlay::Changes changes = random_changes(random, 1 + random.below(60), 20 + seed * 20);
      Hash hash = must(update(nodes, changes));
      change(values, changes);
      REQUIRE(hash == naive(values));
      REQUIRE(must(root(nodes)) == hash);
    }
  }
}

TEST_CASE("order and grouping of changes do not matter, nor what was there in between") {
  testing::SimulatedRandom random(7);
  Overlay::Changes changes;
  for (int i = 0; i < 300; ++i) changes["key " + std::to_string(i)] = random.bytes(20);
  MemoryNodes at_once;
  Hash expected = must(update(at_once, changes));

  std::vector<std::pair<Bytes, std::optional<Bytes>>> shuffled(changes.begin(), changes.end());
  for (size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[random.below(i)]);
  MemoryNodes one_by_one;
  must(update(one_by_one, {{"visitor", "here"}}));
  Hash hash;
  for (const auto& [key, value] : shuffled) hash = must(update(one_by_one, {{key, value}}));
  CHECK(hash != expected);
  CHECK(must(update(one_by_one, {{"visitor", std::nullopt}})) == expected);
  CHECK(one_by_one.nodes() == at_once.nodes());
}

TEST_CASE("erasing what was added restores the previous root and leaves no node behind") {
  testing::SimulatedRandom random(9);
  MemoryNodes nodes;
  Overlay::Changes base;
  for (int i = 0; i < 50; ++i) base["base " + std::to_string(i)] = random.bytes(8);
  Hash before = must(update(nodes, base));
  auto stored = nodes.nodes();
  Overlay::Changes added;
  Overlay::Changes erased;
  for (int i = 0; i < 200; ++i) {
    added["added " + std::to_string(i)] = "x";
    erased["added " + std::to_string(i)] = std::nullopt;
  }
  CHECK(must(update(nodes, added)) != before);
  CHECK(must(update(nodes, erased)) == before);
  CHECK(nodes.nodes() == stored);
  for (auto& [key, value] : base) value = std::nullopt;
  CHECK(must(update(nodes, base)) == Hash());
  CHECK(nodes.nodes().empty());
}

TEST_CASE("a missing or damaged node is an error, not another hash") {
  MemoryNodes nodes;
  Overlay::Changes changes;
  for (int i = 0; i < 500; ++i) changes["key " + std::to_string(i)] = "v";
  must(update(nodes, changes));
  auto stored = nodes.nodes();
  size_t refused = 0;
  for (const auto& [path, bytes] : stored) {
    MemoryNodes damaged = nodes;
    damaged.put_node(path, bytes.substr(1));
    refused += !update(damaged, changes).has_value();
    if (path.size() == 1) continue;  // without its root the tree is the empty one
    damaged.erase_node(path);
    Result<Hash> hash = update(damaged, changes);
    REQUIRE_FALSE(hash.has_value());
    CHECK(hash.error().code == Code::Corrupt);
  }
  CHECK(refused == stored.size());
}

TEST_CASE("a node decodes to what was encoded") {
  testing::SimulatedRandom random(3);
  for (int i = 0; i < 200; ++i) {
    Node node;
    for (Child& child : node.children) {
      Hash a = *Hash::from_bytes(random.bytes(32));
      Hash b = *Hash::from_bytes(random.bytes(32));
      if (random.chance(30))
        child = Child::leaf({a, b});
      else if (random.chance(30))
        child = Child::branch(a);
    }
    if (node.count() == 0) continue;
    Result<Node> back = Node::decode(node.encode());
    REQUIRE(back.has_value());
    CHECK(back->children == node.children);
  }
}
