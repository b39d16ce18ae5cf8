// For tests: a folder of this machine as an image, its blocks in a store folder.
#pragma once

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>

#include "image/blocks/block.h"
#include "image/digest.h"
#include "image/stores/store.h"
#include "image/tree/index.h"

namespace mcloud::image {

class FolderImage {
 public:
  // Blocks go to `store`; with nullptr to blocks().
  explicit FolderImage(const std::string& folder, BlockStore* store = nullptr) : store_(store) { add(folder); }
  const Image& image() const { return image_; }
  // By id.
  const std::map<Hash, Bytes>& blocks() const { return blocks_; }
  // The index as a file; its digest.
  Result<std::string> write(const std::string& path) const {
    TRY(image_.check());
    Bytes index = write_index(image_);
    TRY(io::write_file(path, index, io::Durability::None));
    return image_digest(index).text();
  }

 private:
  NodeNumber add(const std::string& path) {
    struct stat facts {};
    ::lstat(path.c_str(), &facts);
    bool may_be_linked = !S_ISDIR(facts.st_mode) && facts.st_nlink > 1;
    if (may_be_linked && seen_.contains(facts.st_ino)) return seen_[facts.st_ino];
    auto number = static_cast<NodeNumber>(image_.tree.nodes.size());
    seen_[facts.st_ino] = number;
    image_.tree.nodes.push_back(node_of(path, facts));
    if (!S_ISDIR(facts.st_mode)) return number;
    for (const std::string& name : *io::list_folder(path)) {
      NodeNumber child = add(path + "/" + name);
      image_.tree.nodes[number].children[name] = child;
    }
    return number;
  }

  Node node_of(const std::string& path, const struct stat& facts) {
    Node node;
    node.mode = facts.st_mode & 07777;
    node.user = facts.st_uid;
    node.group = facts.st_gid;
    node.modified_s = facts.st_mtim.tv_sec;
    node.modified_ns = static_cast<uint32_t>(facts.st_mtim.tv_nsec);
    switch (facts.st_mode & S_IFMT) {
      case S_IFDIR: node.type = Node::Type::Folder; break;
      case S_IFLNK: node.type = Node::Type::Link; break;
      case S_IFIFO: node.type = Node::Type::Fifo; break;
      case S_IFSOCK: node.type = Node::Type::Socket; break;
      case S_IFCHR: node.type = Node::Type::CharacterDevice; break;
      case S_IFBLK: node.type = Node::Type::BlockDevice; break;
      default: node.type = Node::Type::File;
    }
    if (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode)) {
      node.device_major = major(facts.st_rdev);
      node.device_minor = minor(facts.st_rdev);
    }
    if (S_ISLNK(facts.st_mode)) {
      char target[4096];
      ssize_t bytes = ::readlink(path.c_str(), target, sizeof target);
      node.target = std::string(target, static_cast<size_t>(bytes));
    }
    if (S_ISREG(facts.st_mode)) fill(path, node);
    add_attributes(path, node);
    return node;
  }

  void fill(const std::string& path, Node& node) {
    Bytes all = *io::read_file(path, 4ull << 30);
    node.bytes = all.size();
    for (size_t at = 0; at < all.size(); at += kBlockBytes) {
      StoredBlock stored = encode_block(BytesView(all).substr(at, kBlockBytes));
      node.blocks.push_back(stored.ref);
      if (store_ != nullptr) {
        static_cast<void>(store_->put(stored.ref.id, stored.bytes, 10'000).has_value());
      } else {
        blocks_[stored.ref.id] = stored.bytes;
      }
    }
  }

  static void add_attributes(const std::string& path, Node& node) {
    char names[4096];
    ssize_t bytes = ::llistxattr(path.c_str(), names, sizeof names);
    for (ssize_t at = 0; at < bytes; at += static_cast<ssize_t>(std::string_view(names + at).size()) + 1) {
      char value[4096];
      ssize_t length = ::lgetxattr(path.c_str(), names + at, value, sizeof value);
      std::string content(value, static_cast<size_t>(std::max<ssize_t>(length, 0)));
      if (is_kept_attribute(names + at, content)) node.attributes[names + at] = content;
    }
  }

  BlockStore* store_;
  Image image_;
  std::map<ino_t, NodeNumber> seen_;
  std::map<Hash, Bytes> blocks_;
};

}  // namespace mcloud::image
