#include "image/mount/node_id.h"

#include <sys/stat.h>

namespace mcloud::image {
namespace {

// The kernel's 32-bit form of a device number.
uint32_t device_number(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

size_t padded(size_t bytes) { return (bytes + 7) / 8 * 8; }

void set_times(fuse::Attributes& out, int64_t seconds, uint32_t nanoseconds) {
  out.accessed_s = out.modified_s = out.changed_s = static_cast<uint64_t>(seconds);
  out.accessed_ns = out.modified_ns = out.changed_ns = nanoseconds;
}

}  // namespace

uint32_t mode_bits(Node::Type type) {
  switch (type) {
    case Node::Type::Folder: return S_IFDIR;
    case Node::Type::File: return S_IFREG;
    case Node::Type::Link: return S_IFLNK;
    case Node::Type::Fifo: return S_IFIFO;
    case Node::Type::CharacterDevice: return S_IFCHR;
    case Node::Type::BlockDevice: return S_IFBLK;
    case Node::Type::Socket: return S_IFSOCK;
  }
  return S_IFREG;
}

fuse::Attributes attributes_of(const IndexNode& node, uint64_t id, uint32_t shift) {
  fuse::Attributes out{};
  out.inode = id;
  out.size = node.type == Node::Type::Folder ? 4096 : node.bytes;
  out.sectors = (out.size + 511) / 512;
  set_times(out, node.modified_s, node.modified_ns);
  out.mode = mode_bits(node.type) | (node.mode & 07777);
  out.links = node.links;
  out.user = node.user + shift;
  out.group = node.group + shift;
  bool is_device = node.type == Node::Type::CharacterDevice || node.type == Node::Type::BlockDevice;
  if (is_device) out.device = device_number(node.device_major, node.device_minor);
  out.block_bytes = 4096;
  return out;
}

fuse::Attributes attributes_of_root(uint32_t images) {
  fuse::Attributes out{};
  out.inode = fuse::kRootId;
  out.size = 4096;
  out.sectors = 8;
  out.mode = S_IFDIR | 0755;
  out.links = 2 + images;
  out.block_bytes = 4096;
  return out;
}

bool FolderReply::add(std::string_view name, uint64_t inode, uint32_t mode, uint64_t next) {
  if (bytes_.size() + sizeof(fuse::FolderEntry) + padded(name.size()) > bytes_max_) return false;
  append(name, inode, mode, next);
  return true;
}

bool FolderReply::add_plus(std::string_view name, const fuse::EntryOut& entry, uint64_t inode, uint32_t mode,
                           uint64_t next) {
  if (bytes_.size() + sizeof entry + sizeof(fuse::FolderEntry) + padded(name.size()) > bytes_max_) return false;
  bytes_.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  append(name, inode, mode, next);
  return true;
}

void FolderReply::append(std::string_view name, uint64_t inode, uint32_t mode, uint64_t next) {
  fuse::FolderEntry entry{inode, next, static_cast<uint32_t>(name.size()), mode >> 12};
  bytes_.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  bytes_.append(name);
  bytes_.append(padded(name.size()) - name.size(), '\0');
}

}  // namespace mcloud::image
