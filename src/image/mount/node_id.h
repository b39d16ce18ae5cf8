// Inside this shelf: how nodes of images are numbered in the one mount: slot of the image and number in its index.
// Stable for the life of the mount, whichever process serves; st_ino is the same number. Pure.
#pragma once

#include <cstdint>

#include "image/mount/fuse_abi.h"
#include "image/tree/index.h"

namespace mcloud::image {

// Slot 0 has one node only: the mount's root folder (1), which lists the images. Images have slots from 1.
struct NodePlace {
  uint32_t slot = 0;
  NodeNumber node = 0;
  bool operator==(const NodePlace&) const = default;
};

inline uint64_t node_id(uint32_t slot, NodeNumber node) { return uint64_t{slot} << 32 | (node + 1); }
inline NodePlace node_of(uint64_t id) { return {static_cast<uint32_t>(id >> 32), static_cast<uint32_t>(id) - 1}; }

// What stat shows of a node. `shift` is added to user and group: for containers of kernels that have no idmapped
// FUSE mounts. Access and change times are the modification time.
fuse::Attributes attributes_of(const IndexNode& node, uint64_t id, uint32_t shift = 0);
fuse::Attributes attributes_of_root(uint32_t images);
// The upper bits of st_mode.
uint32_t mode_bits(Node::Type type);

// A reply to READDIR or READDIRPLUS that grows up to the size that was asked for.
class FolderReply {
 public:
  explicit FolderReply(size_t bytes_max) : bytes_max_(bytes_max) {}
  // False when it does not fit any more. `next` is the offset to go on from.
  bool add(std::string_view name, uint64_t inode, uint32_t mode, uint64_t next);
  // READDIRPLUS; an entry whose node is 0 tells nothing but the name ("." and "..").
  bool add_plus(std::string_view name, const fuse::EntryOut& entry, uint64_t inode, uint32_t mode, uint64_t next);
  const std::string& bytes() const { return bytes_; }

 private:
  void append(std::string_view name, uint64_t inode, uint32_t mode, uint64_t next);

  size_t bytes_max_;
  std::string bytes_;
};

}  // namespace mcloud::image
