#include "ledger/tree/node.h"

#include <span>

#include "crypto/hash.h"

namespace mcloud::ledger::tree {
namespace {

constexpr char kLeafDomain = 0;
constexpr char kBranchDomain = 1;

// The summary of some neighbouring children: empty, one leaf, or more (then it has been hashed).
struct Part {
  Child::Kind kind = Child::Kind::Empty;
  Hash hash;
};

Part join(const Part& left, const Part& right) {
  if (left.kind == Child::Kind::Empty && right.kind != Child::Kind::Branch) return right;
  if (right.kind == Child::Kind::Empty && left.kind != Child::Kind::Branch) return left;
  return {Child::Kind::Branch, hash_of_branch(left.hash, right.hash)};
}

Part summary(std::span<const Child> children) {
  if (children.size() == 1) return {children[0].kind, children[0].hash()};
  size_t half = children.size() / 2;
  return join(summary(children.first(half)), summary(children.last(half)));
}

unsigned bitmap_at(BytesView bytes, size_t offset) {
  return static_cast<unsigned>(static_cast<uint8_t>(bytes[offset])) << 8 | static_cast<uint8_t>(bytes[offset + 1]);
}

Hash take_hash(BytesView& bytes) {
  Hash hash;
  std::memcpy(hash.data(), bytes.data(), Hash::kSize);
  bytes.remove_prefix(Hash::kSize);
  return hash;
}

}  // namespace

Hash hash_of_key(BytesView key) { return crypto::blake2b(key); }
Hash hash_of_value(BytesView value) { return crypto::blake2b(value); }

Hash hash_of_leaf(const Leaf& leaf) {
  return crypto::blake2b({BytesView(&kLeafDomain, 1), leaf.key_hash.view(), leaf.value_hash.view()});
}

Hash hash_of_branch(const Hash& left, const Hash& right) {
  return crypto::blake2b({BytesView(&kBranchDomain, 1), left.view(), right.view()});
}

Hash Child::hash() const {
  switch (kind) {
    case Kind::Empty: return {};
    case Kind::Leaf: return hash_of_leaf(as_leaf());
    case Kind::Branch: return first;
  }
  return {};
}

size_t Node::count() const {
  size_t count = 0;
  for (const Child& child : children) count += child.kind != Child::Kind::Empty;
  return count;
}

const Child* Node::single_leaf() const {
  const Child* found = nullptr;
  for (const Child& child : children) {
    if (child.kind == Child::Kind::Empty) continue;
    if (child.kind == Child::Kind::Branch || found != nullptr) return nullptr;
    found = &child;
  }
  return found;
}

Hash Node::hash() const { return summary(children).hash; }

Node::Path Node::path(unsigned nibble) const {
  Path path;
  std::span<const Child> range(children);
  while (range.size() > 1) {
    const Child* only = nullptr;
    size_t present = 0;
    for (const Child& child : range) {
      if (child.kind == Child::Kind::Empty) continue;
      ++present;
      only = &child;
    }
    if (present == 0) return path;
    if (present == 1 && only->kind == Child::Kind::Leaf) {
      path.end = *only;
      return path;
    }
    size_t half = range.size() / 2;
    bool right = (nibble & half) != 0;
    path.siblings[path.length++] = summary(right ? range.first(half) : range.last(half)).hash;
    range = right ? range.last(half) : range.first(half);
  }
  path.end = range[0];
  return path;
}

Bytes Node::encode() const {
  unsigned leaves = 0;
  unsigned branches = 0;
  for (const Child& child : children) {
    leaves = leaves << 1 | (child.kind == Child::Kind::Leaf);
    branches = branches << 1 | (child.kind == Child::Kind::Branch);
  }
  Bytes out;
  out.reserve(4 + children.size() * 2 * Hash::kSize);
  for (unsigned bitmap : {leaves, branches}) {
    out += static_cast<char>(bitmap >> 8);
    out += static_cast<char>(bitmap & 255);
  }
  for (const Child& child : children) {
    if (child.kind == Child::Kind::Empty) continue;
    out += child.first.view();
    if (child.kind == Child::Kind::Leaf) out += child.second.view();
  }
  return out;
}

Result<Node> Node::decode(BytesView bytes) {
  if (bytes.size() < 4) return make_error(Code::Corrupt, "a tree node is shorter than its bitmaps");
  unsigned leaves = bitmap_at(bytes, 0);
  unsigned branches = bitmap_at(bytes, 2);
  size_t hashes = static_cast<size_t>(2 * __builtin_popcount(leaves) + __builtin_popcount(branches));
  if ((leaves & branches) != 0 || (leaves | branches) == 0 || bytes.size() != 4 + hashes * Hash::kSize) {
    return make_error(Code::Corrupt,
                      "a tree node has " + std::to_string(bytes.size()) + " bytes, which its bitmaps do not describe");
  }
  bytes.remove_prefix(4);
  Node node;
  for (unsigned i = 0; i < 16; ++i) {
    unsigned bit = 0x8000u >> i;
    if ((branches & bit) != 0) node.children[i] = Child::branch(take_hash(bytes));
    if ((leaves & bit) == 0) continue;
    Hash key_hash = take_hash(bytes);
    node.children[i] = Child::leaf({key_hash, take_hash(bytes)});
  }
  return node;
}

Bytes node_path(size_t depth, const Hash& key_hash) {
  Bytes path(1, static_cast<char>(depth));
  path += key_hash.view().substr(0, (depth + 1) / 2);
  if (depth % 2 != 0) path.back() = static_cast<char>(path.back() & 0xf0);
  return path;
}

}  // namespace mcloud::ledger::tree
