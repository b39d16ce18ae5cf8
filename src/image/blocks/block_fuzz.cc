// Blocks of strangers: any bytes as what a store sent, and any bytes as what is sealed inside a right block.
#include <cstdint>
#include <cstdlib>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "image/blocks/block.h"

using namespace mcloud;
using namespace mcloud::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  uint64_t plain_bytes = 0;
  for (int i = 0; i < 3 && !bytes.empty(); ++i, bytes.remove_prefix(1)) {
    plain_bytes = plain_bytes << 8 | static_cast<unsigned char>(bytes.front());
  }
  BlockRef ref{crypto::blake2b(bytes), crypto::blake2b("key")};
  if (decode_block(ref, bytes, plain_bytes).has_value()) std::abort();  // sealed by luck: no

  Bytes stored = crypto::aes256_gcm_seal(ref.key.view(), ref.key.view().substr(0, 12), bytes);
  ref.id = crypto::blake2b(stored);
  auto plain = decode_block(ref, stored, plain_bytes);
  if (plain.has_value() && plain->size() != plain_bytes) std::abort();

  if (bytes.empty() || bytes.size() > kBlockBytes) return 0;
  StoredBlock block = encode_block(bytes);
  auto back = decode_block(block.ref, block.bytes, bytes.size());
  if (!back.has_value() || *back != bytes || block.bytes.size() > kStoredBytesMax) std::abort();
  return 0;
}
