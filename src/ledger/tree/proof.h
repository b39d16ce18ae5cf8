// Proofs against a state hash: that a key has this value, or that it is not there. Checked by clients that
// trust nothing but the hash. Format, byte by byte: docs/reference/ledger-tree.md.
#pragma once

#include <optional>
#include <vector>

#include "ledger/tree/node.h"
#include "ledger/tree/node_store.h"

namespace mcloud::ledger::tree {

// More than 128 siblings need two keys whose hashes share 128 bits.
inline constexpr size_t kSiblingsMax = 256;
inline constexpr size_t kProofBytesMax = 1 + 64 + 2 + kSiblingsMax / 8 + kSiblingsMax * 32;

struct Proof {
  enum class Kind : uint8_t {
    Present = 0,      // the path ends in the key's own leaf
    AbsentEmpty = 1,  // the path ends where nothing is
    AbsentOther = 2,  // the path ends in the only leaf of this prefix, which is another key's
  };
  Kind kind = Kind::AbsentEmpty;
  Leaf other;                  // AbsentOther
  std::vector<Hash> siblings;  // from the root downwards, one per bit; zero = empty

  Bytes encode() const;
  // Invalid unless exactly what encode() writes.
  static Result<Proof> decode(BytesView bytes);
};

// Of inclusion when the key is there, of absence otherwise. Corrupt when a node is missing.
Result<Proof> prove(const NodeReader& nodes, BytesView key);

// Denied unless `proof` shows that under `state_hash` the key has `value` (nullopt: is not there). Pure; any bytes
// may come in.
Status verify_proof(const Hash& state_hash, BytesView key, const std::optional<Bytes>& value, BytesView proof);

}  // namespace mcloud::ledger::tree
