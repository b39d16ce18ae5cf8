// A node of the state tree as it is stored: sixteen children under one nibble path.
//
// The tree is, by definition, a compact binary sparse Merkle tree over key hashes (docs/reference/ledger-tree.md):
//   hash of nothing            = 32 zero bytes
//   hash of one single leaf    = BLAKE2b(0x00 | key hash | value hash), at whatever depth
//   hash of two or more leaves = BLAKE2b(0x01 | hash of those with the next bit 0 | hash of those with it 1)
// Four levels of bits are stored together, so that a path has few nodes on disk; the hashes do not know.
#pragma once

#include <array>
#include <string>

#include "base/ids.h"

namespace mcloud::ledger::tree {

inline constexpr size_t kNibblesMax = 64;

struct Leaf {
  Hash key_hash;
  Hash value_hash;
};

Hash hash_of_key(BytesView key);
Hash hash_of_value(BytesView value);
Hash hash_of_leaf(const Leaf& leaf);
Hash hash_of_branch(const Hash& left, const Hash& right);

inline unsigned nibble_at(const Hash& key_hash, size_t depth) {
  unsigned byte = key_hash.data()[depth / 2];
  return depth % 2 == 0 ? byte >> 4 : byte & 15;
}
inline bool bit_at(const Hash& key_hash, size_t depth) {
  return (key_hash.data()[depth / 8] >> (7 - depth % 8) & 1) != 0;
}

struct Child {
  enum class Kind : uint8_t { Empty, Leaf, Branch };
  Kind kind = Kind::Empty;
  Hash first;   // Leaf: the key hash; Branch: the hash of what lies below
  Hash second;  // Leaf: the value hash

  static Child leaf(const Leaf& leaf) { return {Kind::Leaf, leaf.key_hash, leaf.value_hash}; }
  static Child branch(const Hash& hash) { return {Kind::Branch, hash, Hash()}; }
  Leaf as_leaf() const { return {first, second}; }
  Hash hash() const;
  bool operator==(const Child&) const = default;
};

struct Node {
  std::array<Child, 16> children;

  size_t count() const;              // children that are not empty
  const Child* single_leaf() const;  // when its only child is a leaf
  Hash hash() const;

  // What a proof needs of one node: from the node's root towards `nibble`, the other half at each bit,
  // until only one child or none is left.
  struct Path {
    std::array<Hash, 4> siblings;
    size_t length = 0;
    Child end;  // Empty or Leaf: the path ends here; Branch: it goes on in the next node
  };
  Path path(unsigned nibble) const;

  // u16be leaf bitmap | u16be branch bitmap (bit 15 = child 0) | per child in order: leaf: key hash,
  // value hash; branch: hash.
  Bytes encode() const;
  static Result<Node> decode(BytesView bytes);
};

// Where a node lies: its depth in nibbles and the nibbles before it, as the bytes of a key that sorts by
// depth: u8 depth | nibbles, high half first, padded with a zero.
Bytes node_path(size_t depth, const Hash& key_hash);

}  // namespace mcloud::ledger::tree
