// Blocks as they lie in stores, in the public `.fl` format: BLAKE2b-256 of the plain bytes is the key, then
// Snappy (raw), then AES-256-GCM with nonce = the key's first 12 bytes and the tag appended; BLAKE2b-256 of
// that is the id. Equal plain bytes give equal stored bytes, so everybody's public blocks are shared. Pure.
#pragma once

#include <optional>

#include "image/tree/tree.h"

namespace mcloud::image {

// With a secret (32 bytes) the key is BLAKE2b-256 keyed by it over the plain hash: then ids tell nobody who
// holds which public file. nullopt: convergent, as the public tools write.
using OwnerSecret = std::optional<Bytes>;

struct StoredBlock {
  BlockRef ref;
  Bytes bytes;
};

// `plain` has 1 to kBlockBytes bytes. About 0.3 GB/s.
StoredBlock encode_block(BytesView plain, const OwnerSecret& secret = std::nullopt);

// Verifies the id over `stored`, then decrypts and decompresses to exactly `plain_bytes` bytes.
// Corrupt naming the id and what does not match.
Result<Bytes> decode_block(const BlockRef& ref, BytesView stored, uint64_t plain_bytes);

// Bytes beyond which no store's answer can be a block.
inline constexpr uint64_t kStoredBytesMax = kBlockBytes + kBlockBytes / 6 + 64;

// The key of a convergent block of kBlockBytes zeros: a reader leaves a hole and asks no store.
const Hash& zero_block_key();

}  // namespace mcloud::image
