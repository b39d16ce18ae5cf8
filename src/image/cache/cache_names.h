// How the files of a content cache are called, and what its .have files say. Pure.
#pragma once

#include <optional>
#include <string>

#include "image/cache/block_bits.h"
#include "image/tree/tree.h"

namespace mcloud::image {

// A file of the cache, as its name below the folder says.
struct CacheName {
  enum class Kind { Whole, Part, Have };
  Kind kind = Kind::Whole;
  ContentId id;
  // Of one life of the content in the cache, never used twice: a .have that a crash left belongs to no later .part,
  // and a file can be removed while the next life of its content begins.
  uint64_t tag = 0;
  bool operator==(const CacheName&) const = default;
};

std::string file_name(const CacheName& name);
// nullopt for anything that file_name() does not make.
std::optional<CacheName> parse_file_name(std::string_view name);

//   0   8 bytes  "mchave1\n"
//   8   8        size of the content, little-endian
//   16           bits, block 0 is the lowest of the first byte; (blocks + 7) / 8 bytes
// It is written in place. Bits are only ever added to one file, and disks write sectors whole, so a mixture of an
// old and a new one claims nothing that was not true before it was written.
Bytes encode_have(uint64_t content_bytes, const BlockBits& bits);
inline constexpr size_t kHaveBytesMax = 1 << 20;
inline constexpr uint64_t kHaveDiskBytes = 4096;  // what one takes, about

struct Have {
  uint64_t content_bytes = 0;
  std::string_view bits;
};
// nullopt when torn, of another version or of another size.
std::optional<Have> parse_have(BytesView bytes);

inline uint32_t blocks_of(uint64_t bytes) { return static_cast<uint32_t>((bytes + kBlockBytes - 1) / kBlockBytes); }
// Plain bytes of one block; block < blocks_of(bytes).
inline uint64_t block_bytes(uint64_t bytes, uint32_t block) {
  return std::min<uint64_t>(kBlockBytes, bytes - block * kBlockBytes);
}

}  // namespace mcloud::image
