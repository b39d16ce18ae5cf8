#include "image/blocks/block.h"

#include "base/check.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "image/blocks/compression.h"

namespace mcloud::image {
namespace {

BytesView nonce_of(const Hash& key) { return key.view().substr(0, crypto::kGcmNonceSize); }

Hash key_of(BytesView plain, const OwnerSecret& secret) {
  Hash plain_hash = crypto::blake2b(plain);
  return secret.has_value() ? crypto::blake2b_keyed(*secret, plain_hash.view()) : plain_hash;
}

Result<Bytes> open(const BlockRef& ref, BytesView stored, uint64_t plain_bytes) {
  if (plain_bytes == 0 || plain_bytes > kBlockBytes) {
    return make_error(Code::Corrupt, "it would hold " + std::to_string(plain_bytes) +
                                         " bytes; a block holds 1 to " + std::to_string(kBlockBytes));
  }
  if (stored.size() > kStoredBytesMax) {
    return make_error(Code::Corrupt, "it has " + std::to_string(stored.size()) + " bytes; at most " +
                                         std::to_string(kStoredBytesMax) + " can be a block");
  }
  Hash id = crypto::blake2b(stored);
  if (id != ref.id) return make_error(Code::Corrupt, "its bytes are those of " + id.hex());
  Result<Bytes> packed = crypto::aes256_gcm_open(ref.key.view(), nonce_of(ref.key), stored);
  if (!packed.has_value()) return make_error(Code::Corrupt, "the key does not open it");
  return decompress(*packed, plain_bytes);
}

}  // namespace

StoredBlock encode_block(BytesView plain, const OwnerSecret& secret) {
  CHECK(!plain.empty() && plain.size() <= kBlockBytes);
  CHECK(!secret.has_value() || secret->size() == 32);
  StoredBlock block;
  block.ref.key = key_of(plain, secret);
  // One key seals one message: the key follows from the plain bytes, so a nonce that follows from the key is sound.
  block.bytes = crypto::aes256_gcm_seal(block.ref.key.view(), nonce_of(block.ref.key), compress(plain));
  block.ref.id = crypto::blake2b(block.bytes);
  return block;
}

Result<Bytes> decode_block(const BlockRef& ref, BytesView stored, uint64_t plain_bytes) {
  Result<Bytes> plain = open(ref, stored, plain_bytes);
  if (plain.has_value()) return plain;
  return plain.error().with_context("block " + ref.id.hex());
}

const Hash& zero_block_key() {
  static const Hash key = crypto::blake2b(Bytes(kBlockBytes, '\0'));
  return key;
}

}  // namespace mcloud::image
