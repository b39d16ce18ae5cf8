#include "ledger/tree/tree.h"

#include <algorithm>
#include <span>
#include <vector>

namespace mcloud::ledger::tree {
namespace {

struct Change {
  Hash key_hash;
  std::optional<Hash> value_hash;  // nullopt = erased
};
using ChangeSpan = std::span<const Change>;

std::vector<Change> sorted_by_hash(const Overlay::Changes& changes) {
  std::vector<Change> sorted;
  sorted.reserve(changes.size());
  for (const auto& [key, value] : changes) {
    Change change{hash_of_key(key), std::nullopt};
    if (value.has_value()) change.value_hash = hash_of_value(*value);
    sorted.push_back(change);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Change& a, const Change& b) { return a.key_hash < b.key_hash; });
  return sorted;
}

// The changes that go on with one nibble, taken off the front.
ChangeSpan take_nibble(ChangeSpan& changes, size_t depth) {
  unsigned nibble = nibble_at(changes.front().key_hash, depth);
  size_t count = 1;
  while (count < changes.size() && nibble_at(changes[count].key_hash, depth) == nibble) ++count;
  ChangeSpan taken = changes.first(count);
  changes = changes.subspan(count);
  return taken;
}

class Updater {
 public:
  explicit Updater(NodeStore& nodes) : nodes_(nodes) {}

  Result<Node> load(size_t depth, const Hash& key_hash) const {
    std::optional<Bytes> bytes = TRY(nodes_.get_node(node_path(depth, key_hash)));
    if (!bytes.has_value()) {
      return make_error(Code::Corrupt, "the state tree lacks the node at depth " + std::to_string(depth) + " towards " +
                                           key_hash.short_hex());
    }
    return Node::decode(*bytes);
  }

  // Applies changes to the node at `depth` and says what its parent is to hold.
  Result<Child> apply_to_node(Node node, size_t depth, ChangeSpan changes) {
    const Hash& towards = changes.front().key_hash;
    for (ChangeSpan rest = changes; !rest.empty();) {
      unsigned nibble = nibble_at(rest.front().key_hash, depth);
      ChangeSpan below = take_nibble(rest, depth);
      node.children[nibble] = TRY(apply(node.children[nibble], depth + 1, below));
    }
    // The root's node stays even over a single leaf: it has no parent to hold it.
    const Child* single = depth == 0 ? nullptr : node.single_leaf();
    if (single != nullptr || node.count() == 0) {
      nodes_.erase_node(node_path(depth, towards));
      return single != nullptr ? *single : Child();
    }
    nodes_.put_node(node_path(depth, towards), node.encode());
    return Child::branch(node.hash());
  }

 private:
  // What stands at `depth` after the changes, when `child` stood there before. All changes share the path.
  Result<Child> apply(const Child& child, size_t depth, ChangeSpan changes) {
    if (child.kind == Child::Kind::Branch) {
      return apply_to_node(TRY(load(depth, changes.front().key_hash)), depth, changes);
    }
    std::vector<Change> leaves;
    leaves.reserve(changes.size() + 1);
    bool replaced = false;
    for (const Change& change : changes) {
      replaced = replaced || change.key_hash == child.first;
      if (change.value_hash.has_value()) leaves.push_back(change);
    }
    if (child.kind == Child::Kind::Leaf && !replaced) {
      Change kept{child.first, child.second};
      auto after = std::find_if(leaves.begin(), leaves.end(),
                                [&](const Change& change) { return kept.key_hash < change.key_hash; });
      leaves.insert(after, kept);
    }
    return build(depth, leaves);
  }

  Result<Child> build(size_t depth, ChangeSpan leaves) {
    if (leaves.empty()) return Child();
    if (leaves.size() == 1) return Child::leaf({leaves.front().key_hash, *leaves.front().value_hash});
    return apply_to_node(Node(), depth, leaves);
  }

  NodeStore& nodes_;
};

}  // namespace

Result<Hash> update(NodeStore& nodes, const Overlay::Changes& changes) {
  if (changes.empty()) return root(nodes);
  std::vector<Change> sorted = sorted_by_hash(changes);
  std::optional<Bytes> stored = TRY(nodes.get_node(node_path(0, Hash())));
  Node node;
  if (stored.has_value()) node = TRY(Node::decode(*stored));
  Child top = TRY(Updater(nodes).apply_to_node(std::move(node), 0, sorted));
  return top.hash();
}

Result<Hash> root(const NodeReader& nodes) {
  std::optional<Bytes> stored = TRY(nodes.get_node(node_path(0, Hash())));
  if (!stored.has_value()) return Hash();
  Node node = TRY(Node::decode(*stored));
  return node.hash();
}

}  // namespace mcloud::ledger::tree
