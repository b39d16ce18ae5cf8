#include "ledger/tree/proof.h"

namespace mcloud::ledger::tree {
namespace {

Error malformed(std::string_view why) { return make_error(Code::Invalid, "proof: " + std::string(why)); }

Result<Hash> take_hash(BytesView& bytes) {
  if (bytes.size() < Hash::kSize) return malformed("it ends within a hash");
  Hash hash = TRY(Hash::from_bytes(bytes.substr(0, Hash::kSize)));
  bytes.remove_prefix(Hash::kSize);
  return hash;
}

// One bit per sibling, most significant first; padded with zeros.
Result<std::vector<Hash>> decode_siblings(BytesView bytes) {
  if (bytes.size() < 2) return malformed("the number of siblings is missing");
  size_t count = static_cast<size_t>(static_cast<uint8_t>(bytes[0])) << 8 | static_cast<uint8_t>(bytes[1]);
  bytes.remove_prefix(2);
  size_t bitmap_size = (count + 7) / 8;
  if (count > kSiblingsMax || bytes.size() < bitmap_size) return malformed("more siblings than bytes or than 256");
  BytesView bitmap = bytes.substr(0, bitmap_size);
  bytes.remove_prefix(bitmap_size);
  std::vector<Hash> siblings(count);
  for (size_t i = 0; i < bitmap_size * 8; ++i) {
    if ((bitmap[i / 8] >> (7 - i % 8) & 1) == 0) continue;
    if (i >= count) return malformed("a bit is set beyond the last sibling");
    siblings[i] = TRY(take_hash(bytes));
    if (siblings[i].is_none()) return malformed("an empty sibling is spelled out");
  }
  if (!bytes.empty()) return malformed("there are bytes after its end");
  // Where only one leaf is left the tree has no deeper levels, so the last sibling is never empty.
  if (count > 0 && siblings.back().is_none()) return malformed("it goes deeper than the tree");
  return siblings;
}

bool shares_prefix(const Hash& a, const Hash& b, size_t bits) {
  for (size_t i = 0; i < bits; ++i) {
    if (bit_at(a, i) != bit_at(b, i)) return false;
  }
  return true;
}

Hash fold(Hash hash, const Hash& key_hash, const std::vector<Hash>& siblings) {
  for (size_t i = siblings.size(); i-- > 0;) {
    hash = bit_at(key_hash, i) ? hash_of_branch(siblings[i], hash) : hash_of_branch(hash, siblings[i]);
  }
  return hash;
}

// The hash at the end of the path, if the proof says what the caller claims.
Result<Hash> claimed_end(const Proof& proof, const Hash& key_hash, const std::optional<Bytes>& value) {
  if (value.has_value() != (proof.kind == Proof::Kind::Present)) {
    return make_error(Code::Denied, value.has_value() ? "a value came with a proof of absence"
                                                      : "an absent key came with a proof of inclusion");
  }
  switch (proof.kind) {
    case Proof::Kind::Present: return hash_of_leaf({key_hash, hash_of_value(*value)});
    case Proof::Kind::AbsentEmpty: return Hash();
    case Proof::Kind::AbsentOther: break;
  }
  if (proof.other.key_hash == key_hash) return make_error(Code::Denied, "the key itself was given as another one");
  if (!shares_prefix(proof.other.key_hash, key_hash, proof.siblings.size())) {
    return make_error(Code::Denied, "the other key does not lie on the path");
  }
  return hash_of_leaf(proof.other);
}

}  // namespace

Bytes Proof::encode() const {
  Bytes out(1, static_cast<char>(kind));
  if (kind == Kind::AbsentOther) {
    out += other.key_hash.view();
    out += other.value_hash.view();
  }
  out += static_cast<char>(siblings.size() >> 8);
  out += static_cast<char>(siblings.size() & 255);
  Bytes bitmap((siblings.size() + 7) / 8, '\0');
  for (size_t i = 0; i < siblings.size(); ++i) {
    if (!siblings[i].is_none()) bitmap[i / 8] = static_cast<char>(bitmap[i / 8] | 0x80 >> i % 8);
  }
  out += bitmap;
  for (const Hash& sibling : siblings) {
    if (!sibling.is_none()) out += sibling.view();
  }
  return out;
}

Result<Proof> Proof::decode(BytesView bytes) {
  if (bytes.size() > kProofBytesMax) return malformed("longer than any proof can be");
  if (bytes.empty() || static_cast<uint8_t>(bytes[0]) > 2) return malformed("its kind is not 0, 1 or 2");
  Proof proof;
  proof.kind = static_cast<Kind>(bytes[0]);
  bytes.remove_prefix(1);
  if (proof.kind == Kind::AbsentOther) {
    proof.other.key_hash = TRY(take_hash(bytes));
    proof.other.value_hash = TRY(take_hash(bytes));
  }
  proof.siblings = TRY(decode_siblings(bytes));
  return proof;
}

Result<Proof> prove(const NodeReader& nodes, BytesView key) {
  Proof proof;
  Hash key_hash = hash_of_key(key);
  for (size_t depth = 0; depth < kNibblesMax; ++depth) {
    std::optional<Bytes> stored = TRY(nodes.get_node(node_path(depth, key_hash)));
    if (!stored.has_value()) {
      if (depth == 0) return proof;  // the empty tree
      return make_error(Code::Corrupt, "the state tree lacks the node at depth " + std::to_string(depth) + " towards " +
                                           key_hash.short_hex());
    }
    Node node = TRY(Node::decode(*stored));
    Node::Path path = node.path(nibble_at(key_hash, depth));
    proof.siblings.insert(proof.siblings.end(), path.siblings.begin(),
                          path.siblings.begin() + static_cast<std::ptrdiff_t>(path.length));
    if (path.end.kind == Child::Kind::Branch) continue;
    if (path.end.kind == Child::Kind::Leaf) {
      bool own = path.end.first == key_hash;
      proof.kind = own ? Proof::Kind::Present : Proof::Kind::AbsentOther;
      if (!own) proof.other = path.end.as_leaf();
    }
    return proof;
  }
  return make_error(Code::Corrupt, "the state tree has no end towards " + key_hash.short_hex());
}

Status verify_proof(const Hash& state_hash, BytesView key, const std::optional<Bytes>& value, BytesView proof_bytes) {
  Result<Proof> proof = Proof::decode(proof_bytes);
  if (!proof.has_value()) return make_error(Code::Denied, proof.error().message);
  Hash key_hash = hash_of_key(key);
  Hash end = TRY(claimed_end(*proof, key_hash, value));
  if (fold(end, key_hash, proof->siblings) != state_hash) {
    return make_error(Code::Denied, "the proof of a key does not lead to the state hash");
  }
  return {};
}

}  // namespace mcloud::ledger::tree
