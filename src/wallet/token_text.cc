#include "wallet/token_text.h"

#include "base/check.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "wire/canonical.h"

namespace mcloud::wallet {
namespace {

constexpr std::string_view kPrefix = "mcloud-token-1:";
constexpr size_t kTextBytesMax = 4096;
constexpr size_t kSumSize = 8;
constexpr size_t kTokenAt = kMeshSecretSize + kSumSize;

Bytes sum_of(BytesView secret, BytesView token) { return crypto::blake2b({secret, token}).bytes().substr(0, kSumSize); }

Status check_token(BytesView bytes) {
  auto token = TRY(wire::decode<pb::SignedJoinToken>(bytes, "join token", kTextBytesMax));
  TRY(wire::decode<pb::JoinToken>(token.token(), "join token", kTextBytesMax));
  const bool is_signed = token.signer().size() == PublicKey::kSize && token.signature().size() == 64;
  return is_signed ? Status() : make_error(Code::Invalid, "join token: it is not signed");
}

}  // namespace

Bytes mesh_secret(const crypto::SigningKey& farm_owner, std::string_view farm) {
  return crypto::derive_key(farm_owner.seed(), "mcloud/mesh/" + std::string(farm));
}

std::string token_text(const pb::SignedJoinToken& token, BytesView mesh_secret) {
  CHECK(mesh_secret.size() == kMeshSecretSize);
  const Bytes encoded = wire::encode(token);
  Bytes bytes(mesh_secret);
  bytes += sum_of(mesh_secret, encoded);
  bytes += encoded;
  std::string text(kPrefix);
  text += to_base64(bytes);
  crypto::wipe(bytes);
  return text;
}

Result<CarriedToken> parse_token_text(std::string_view text) {
  if (text.size() > kTextBytesMax) return make_error(Code::Invalid, "join token: longer than 4096 characters");
  CarriedToken carried;
  if (!text.starts_with(kPrefix)) {
    carried.token = TRY(from_base64(text).with_context("join token: it begins with neither " + std::string(kPrefix) +
                                                       " nor is it base64"));
    TRY(check_token(carried.token));
    return carried;
  }
  Bytes bytes = TRY(from_base64(text.substr(kPrefix.size())).with_context("join token"));
  if (bytes.size() <= kTokenAt) return make_error(Code::Invalid, "join token: it is cut short");
  carried.mesh_secret = bytes.substr(0, kMeshSecretSize);
  carried.token = bytes.substr(kTokenAt);
  const bool is_whole = bytes.substr(kMeshSecretSize, kSumSize) == sum_of(carried.mesh_secret, carried.token);
  crypto::wipe(bytes);
  if (!is_whole) return make_error(Code::Corrupt, "join token: it was damaged on its way; copy it again, whole");
  TRY(check_token(carried.token));
  return carried;
}

}  // namespace mcloud::wallet
