#include "contract/secrets.h"

#include <set>

#include "contract/header.h"
#include "contract/judge.h"
#include "crypto/box.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

constexpr size_t kKeyringBytesMax = 2 << 20;
constexpr size_t kBoxBytesMax = 1024;
constexpr size_t kFieldBytesMax = 2048;

Result<std::string> scope_text(const SecretScope& scope) {
  TRY(require_rule(kChainIdRule, scope.chain_id, "chain id"));
  TRY(require(scope.nonce.size() == kNonceSize, "contract nonce", "has not 16 bytes"));
  return scope.chain_id + "|" + scope.owner.hex() + "|" + to_hex(scope.nonce);
}

// No part but the last can hold a "|", so two places never give one text.
Result<std::string> associated_data(const SecretScope& scope, const SecretPlace& place) {
  std::string text = TRY(scope_text(scope));
  TRY(require_rule(kNameRule, place.workload, "workload"));
  TRY(require(!place.field.empty() && place.field.size() <= kFieldBytesMax, "field", "empty or too long"));
  return text + "|" + place.workload + "|" + place.field;
}

Status check_key(BytesView key) {
  return require(key.size() == crypto::kSymmetricKeySize, "secret key", "has not 32 bytes");
}

Status check_keyring(const pb::Keyring& keyring) {
  TRY(require(keyring.contract().size() == ContractId::kSize, "keyring.contract", "an id has 32 bytes"));
  TRY(require(keyring.generation() >= 1, "keyring.generation", "counts from 1"));
  TRY(require_sorted(keyring.boxes(), kKeyringBoxesMax, "keyring.boxes", [](auto& box) -> auto& { return box.node(); }));
  for (const pb::KeyBox& box : keyring.boxes()) {
    TRY(require(box.node().size() == NodeId::kSize, "keyring.boxes.node", "a key has 32 bytes"));
    TRY(require(!box.box().empty() && box.box().size() <= kBoxBytesMax, "keyring.boxes.box", "is not a box"));
  }
  return {};
}

}  // namespace

SecretScope secret_scope(std::string_view chain_id, const pb::ContractHeader& header) {
  PublicKey owner = PublicKey::from_bytes(header.owner()).value_or(PublicKey());
  return {std::string(chain_id), owner, header.nonce()};
}

std::string environment_field(std::string_view variable) { return "environment." + std::string(variable); }
std::string secret_file_field(std::string_view path) { return "secret_files." + std::string(path); }

Result<Bytes> encrypt_secret(BytesView key, const SecretScope& scope, const SecretPlace& place, BytesView value) {
  TRY(check_key(key));
  TRY(require(value.size() <= kSecretBytesMax, "secret", "more than " + std::to_string(kSecretBytesMax) + " bytes"));
  return crypto::encrypt(key, TRY(associated_data(scope, place)), value);
}

Result<Bytes> open_secret(BytesView key, const SecretScope& scope, const SecretPlace& place, BytesView box) {
  TRY(check_key(key));
  return crypto::decrypt(key, TRY(associated_data(scope, place)), box).with_context("secret " + place.workload + "." + place.field);
}

Bytes owner_secret_key(const crypto::SigningKey& owner, const SecretScope& scope, uint64_t generation) {
  return crypto::derive_key(owner.seed(), "mcloud/contract-secrets|" + scope.chain_id + "|" + to_hex(scope.nonce) + "|" +
                                              std::to_string(generation));
}

Result<pb::Keyring> make_keyring(const SecretScope& scope, BytesView key, uint64_t generation,
                                 std::span<const PublicKey> readers) {
  TRY(check_key(key));
  std::string context = "mcloud/keyring|" + TRY(scope_text(scope));
  pb::Keyring keyring;
  keyring.set_contract(contract_id(scope.owner, scope.nonce).bytes());
  keyring.set_generation(generation);
  for (const PublicKey& reader : std::set<PublicKey>(readers.begin(), readers.end())) {
    pb::KeyBox& box = *keyring.add_boxes();
    box.set_node(reader.bytes());
    box.set_box(TRY(crypto::seal_for(reader, context, key).with_context("key box for " + reader.short_hex())));
  }
  TRY(check_keyring(keyring));
  return keyring;
}

Result<pb::Keyring> decode_keyring(BytesView bytes) {
  auto keyring = TRY(wire::decode<pb::Keyring>(bytes, "keyring", kKeyringBytesMax));
  TRY(check_keyring(keyring));
  return keyring;
}

Result<Bytes> open_keyring(const SecretScope& scope, const pb::Keyring& keyring, const crypto::SigningKey& reader) {
  std::string context = "mcloud/keyring|" + TRY(scope_text(scope));
  if (keyring.contract() != contract_id(scope.owner, scope.nonce).view()) {
    return make_error(Code::Denied, "keyring: is another contract's");
  }
  for (const pb::KeyBox& box : keyring.boxes()) {
    if (box.node() != reader.public_key().view()) continue;
    Bytes key = TRY(crypto::open_sealed(reader, context, box.box()).with_context("keyring"));
    if (key.size() != crypto::kSymmetricKeySize) return make_error(Code::Denied, "keyring: not a key of 32 bytes");
    return key;
  }
  return make_error(Code::NotFound, "keyring: no box for " + reader.public_key().short_hex() + "; the owner can reseal");
}

}  // namespace mcloud::contract
