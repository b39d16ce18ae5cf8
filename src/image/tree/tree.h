// A file tree as a value: what a converter makes, what a `.fl` file and an index hold. Pure.
//
// Node 0 is the root folder. A node that is no folder may have several names (hard links). Every child
// number points at a node, every node but the root has at least one name, a folder has exactly one: check()
// says so, and whoever makes a Tree from bytes of strangers calls it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"

namespace mcloud::image {

// Content of a file is cut into blocks of this size (plain); the last one is what remains.
inline constexpr uint64_t kBlockBytes = 512 << 10;

struct BlockRef {
  Hash id;   // BLAKE2b-256 of the stored bytes: what a store is asked for, what proves them
  Hash key;  // decrypts them; BLAKE2b-256 of the plain bytes, or for private images keyed by the owner's secret
  bool operator==(const BlockRef&) const = default;
};

using NodeNumber = uint32_t;

struct Node {
  enum class Type : uint8_t { Folder = 1, File, Link, Fifo, CharacterDevice, BlockDevice, Socket };
  Type type = Type::File;
  uint16_t mode = 0;        // the lower 12 bits
  uint32_t user = 0;
  uint32_t group = 0;
  int64_t modified_s = 0;
  uint32_t modified_ns = 0;
  uint32_t device_major = 0;  // devices
  uint32_t device_minor = 0;
  uint64_t bytes = 0;         // File
  std::vector<BlockRef> blocks;  // File: (bytes + kBlockBytes - 1) / kBlockBytes of them
  Bytes sha256;                  // File: 32 bytes, of the whole content; "" = not known (a foreign `.fl`)
  std::string target;            // Link
  std::map<std::string, std::string> attributes;  // extended; names as on Linux ("user.x", "security.capability")
  std::map<std::string, NodeNumber> children;     // Folder; names are 1..255 bytes, no '/', no NUL, not "." or ".."
  bool operator==(const Node&) const = default;
};

// Attributes that an image may carry: "user.*" but not overlayfs' own, and file capabilities that name no
// machine's user namespace. Converters drop others, check() refuses them.
bool is_kept_attribute(std::string_view name, BytesView value);

struct Tree {
  std::vector<Node> nodes;
  // Corrupt naming the first thing that is not as said above, Exhausted what is beyond image/limits.h.
  // Fields that a type does not have are empty.
  Status check() const;
  bool operator==(const Tree&) const = default;
};

// An image without its place: what the digest covers.
struct Image {
  Tree tree;
  std::string config;                // the OCI config document as its author wrote it; "" = none (a folder)
  std::vector<std::string> origin;   // digests it was made of: "manifest sha256:...", "layer sha256:...", lowest first
  // The tree's check(), and the bounds of the rest.
  Status check() const;
  bool operator==(const Image&) const = default;
};

// Names what a file holds, without reading it: BLAKE2b-256 over "mcloud content 1", the size (u64, little-endian),
// and each block's id and key. Equal content under one secret has one ContentId in all images; nobody can claim another's.
using ContentId = Hash;
ContentId content_id(uint64_t bytes, const std::vector<BlockRef>& blocks);

// Where blocks lie: those whose id begins with a byte in [first, last].
struct Route {
  uint8_t first = 0x00;
  uint8_t last = 0xff;
  std::string url;
  bool operator==(const Route&) const = default;
};

}  // namespace mcloud::image
