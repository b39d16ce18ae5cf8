// Identifiers are types: a node's id can never be passed where a contract's id is meant.
//
// All are 32 bytes. A Hash is BLAKE2b-256. A PublicKey is Ed25519; people and nodes *are* their
// public key on the ledger, so a signature needs no lookup to be checked. A ContractId is the hash
// of owner and nonce (contract/header.h).
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace mcloud {

template <typename Tag>
class Id32 {
 public:
  static constexpr size_t kSize = 32;

  Id32() = default;  // all zero: "none"
  explicit Id32(const std::array<uint8_t, kSize>& bytes) : bytes_(bytes) {}

  // Invalid unless exactly 32 bytes.
  static Result<Id32> from_bytes(BytesView bytes) {
    if (bytes.size() != kSize) {
      return make_error(Code::Invalid, std::string(Tag::kName) + " has " + std::to_string(bytes.size()) +
                                           " bytes instead of 32");
    }
    Id32 id;
    std::memcpy(id.bytes_.data(), bytes.data(), kSize);
    return id;
  }
  static Result<Id32> from_hex(std::string_view text) { return from_bytes(TRY(mcloud::from_hex(text))); }

  BytesView view() const { return {reinterpret_cast<const char*>(bytes_.data()), kSize}; }
  Bytes bytes() const { return Bytes(view()); }
  std::string hex() const { return to_hex(view()); }
  std::string short_hex() const { return to_hex(view().substr(0, 4)); }  // for people; never a key
  const uint8_t* data() const { return bytes_.data(); }
  uint8_t* data() { return bytes_.data(); }
  bool is_none() const { return *this == Id32(); }

  auto operator<=>(const Id32&) const = default;

 private:
  std::array<uint8_t, kSize> bytes_{};
};

struct HashTag { static constexpr const char* kName = "hash"; };
struct PublicKeyTag { static constexpr const char* kName = "public key"; };
struct ContractIdTag { static constexpr const char* kName = "contract id"; };

using Hash = Id32<HashTag>;
using PublicKey = Id32<PublicKeyTag>;  // a person, a node or a validator
using NodeId = PublicKey;
using ContractId = Id32<ContractIdTag>;

}  // namespace mcloud

template <typename Tag>
struct std::hash<mcloud::Id32<Tag>> {
  size_t operator()(const mcloud::Id32<Tag>& id) const noexcept {
    size_t value;
    std::memcpy(&value, id.data(), sizeof value);
    return value;
  }
};
