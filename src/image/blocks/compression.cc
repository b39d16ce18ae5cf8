#include "image/blocks/compression.h"

#include <snappy.h>

namespace mcloud::image {

Bytes compress(BytesView plain) {
  Bytes out;
  snappy::Compress(plain.data(), plain.size(), &out);
  return out;
}

Result<Bytes> decompress(BytesView packed, uint64_t plain_bytes) {
  size_t said = 0;
  if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &said)) {
    return make_error(Code::Corrupt, "the compressed bytes do not say how many they become");
  }
  if (said != plain_bytes) {
    return make_error(Code::Corrupt, "the compressed bytes become " + std::to_string(said) + " bytes instead of " +
                                         std::to_string(plain_bytes));
  }
  Bytes out(plain_bytes, '\0');
  if (!snappy::RawUncompress(packed.data(), packed.size(), out.data())) {
    return make_error(Code::Corrupt, "the compressed bytes are damaged");
  }
  return out;
}

}  // namespace mcloud::image
