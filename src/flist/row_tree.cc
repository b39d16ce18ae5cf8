#include "flist/row_tree.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>

#include "image/limits.h"
#include "image/tree/names.h"

namespace mcloud::flist {
namespace {

using image::Node;

Error wrong(int64_t ino, const std::string& what) {
  return make_error(Code::Corrupt, "ino " + std::to_string(ino) + ": " + what);
}

std::optional<Node::Type> type_of(int64_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return Node::Type::Folder;
    case S_IFREG: return Node::Type::File;
    case S_IFLNK: return Node::Type::Link;
    case S_IFIFO: return Node::Type::Fifo;
    case S_IFCHR: return Node::Type::CharacterDevice;
    case S_IFBLK: return Node::Type::BlockDevice;
    case S_IFSOCK: return Node::Type::Socket;
    default: return std::nullopt;
  }
}

bool is_u32(int64_t number) { return number >= 0 && number <= std::numeric_limits<uint32_t>::max(); }

Result<Node> node_of(const InodeRow& row) {
  std::optional<Node::Type> type = type_of(row.mode);
  if (!type.has_value() || row.mode < 0 || row.mode > 0177777) {
    return wrong(row.ino, "mode " + std::to_string(row.mode) + " is no file type of Linux with 12 bits");
  }
  if (!is_u32(row.user) || !is_u32(row.group)) return wrong(row.ino, "uid or gid is no id");
  Node node{.type = *type,
            .mode = static_cast<uint16_t>(row.mode & 07777),
            .user = static_cast<uint32_t>(row.user),
            .group = static_cast<uint32_t>(row.group),
            .modified_s = row.modified_s};
  if (*type == Node::Type::File) {
    if (row.size < 0) return wrong(row.ino, "size " + std::to_string(row.size));
    node.bytes = static_cast<uint64_t>(row.size);
  }
  if (*type == Node::Type::CharacterDevice || *type == Node::Type::BlockDevice) {
    node.device_major = major(static_cast<dev_t>(row.device));
    node.device_minor = minor(static_cast<dev_t>(row.device));
  }
  return node;
}

}  // namespace

Status RowTree::add_inode(InodeRow row) {
  if (rows_.size() > image::kNamesMax) {
    return make_error(Code::Exhausted, "more than the allowed " + std::to_string(image::kNamesMax) + " names");
  }
  Node node = TRY(node_of(row));
  if (!inos_.empty() && row.ino <= inos_.back()) return wrong(row.ino, "is there twice, or out of order");
  inos_.push_back(row.ino);
  rows_.push_back({row.parent, std::move(row.name), std::move(node), rows_.size()});
  return {};
}

std::optional<size_t> RowTree::position(int64_t ino) const {
  auto found = std::ranges::lower_bound(inos_, ino);
  if (found == inos_.end() || *found != ino) return std::nullopt;
  return static_cast<size_t>(found - inos_.begin());
}

Result<RowTree::Row*> RowTree::row(int64_t ino) {
  std::optional<size_t> found = position(ino);
  if (!found.has_value()) return wrong(ino, "has no row in table inode");
  return &rows_[*found];
}

Result<RowTree::Row*> RowTree::first_row(int64_t ino) {
  Row* found = TRY(row(ino));
  if (&rows_[found->first] != found) return wrong(ino, "is a second name: what it names is said at its first");
  return found;
}

Status RowTree::add_target(int64_t ino, BytesView target) {
  Node& node = TRY(row(ino))->node;
  if (node.type != Node::Type::Link) return {};  // public tools may keep other things here
  if (!image::is_valid_target(target)) return wrong(ino, "a link's target has 1 to 4095 bytes, no NUL");
  node.target = target;
  return {};
}

Status RowTree::add_block(int64_t ino, BytesView id, BytesView key) {
  Node& node = TRY(row(ino))->node;
  if (node.type != Node::Type::File) return wrong(ino, "has a block and is no file");
  uint64_t allowed = (node.bytes + image::kBlockBytes - 1) / image::kBlockBytes;
  if (node.blocks.size() >= allowed) {
    return wrong(ino, std::to_string(node.bytes) + " bytes are " + std::to_string(allowed) + " blocks, and there are more");
  }
  if (id.size() != Hash::kSize || key.size() != Hash::kSize) return wrong(ino, "a block's id and key have 32 bytes");
  if (++blocks_ > image::kBlocksMax) return make_error(Code::Exhausted, "more blocks than allowed");
  node.blocks.push_back({TRY(Hash::from_bytes(id)), TRY(Hash::from_bytes(key))});
  return {};
}

Status RowTree::set_name(int64_t ino, BytesView name) {
  TRY(row(ino))->name = name;
  return {};
}

Status RowTree::add_second_name(int64_t ino, int64_t first) {
  Row* second = TRY(first_row(ino));
  Row* named = TRY(first_row(first));
  if (second <= named) return wrong(ino, "a second name comes after the first");
  if (named->node.type == Node::Type::Folder) return wrong(ino, "a folder has one name");
  if (!(named->node == second->node)) return wrong(ino, "says other things than its first name " + std::to_string(first));
  second->first = static_cast<size_t>(named - rows_.data());
  second->node = Node();
  return {};
}

Status RowTree::set_nanoseconds(int64_t ino, int64_t nanoseconds) {
  if (nanoseconds < 0 || nanoseconds >= 1'000'000'000) return wrong(ino, "nanoseconds: allowed are 0 to 999999999");
  TRY(first_row(ino))->node.modified_ns = static_cast<uint32_t>(nanoseconds);
  return {};
}

Status RowTree::set_sha256(int64_t ino, BytesView sha256) {
  Node& node = TRY(first_row(ino))->node;
  if (node.type != Node::Type::File || sha256.size() != 32) return wrong(ino, "a SHA-256 has 32 bytes and is a file's");
  node.sha256 = sha256;
  return {};
}

Status RowTree::add_attribute(int64_t ino, BytesView name, BytesView value) {
  Node& node = TRY(first_row(ino))->node;
  if (!image::is_kept_attribute(name, value) || value.size() > image::kAttributeBytesMax) {
    return wrong(ino, "attribute " + image::shown(name) + " is not one an image may carry");
  }
  if (!node.attributes.emplace(name, value).second) return wrong(ino, "attribute " + image::shown(name) + " is there twice");
  return {};
}

Result<image::Tree> RowTree::finish() {
  if (rows_.empty()) return make_error(Code::Corrupt, "no rows");
  std::vector<image::NodeNumber> numbers(rows_.size());
  image::NodeNumber next = 0;
  for (size_t i = 0; i < rows_.size(); ++i) numbers[i] = rows_[i].first == i ? next++ : numbers[rows_[i].first];
  if (inos_[0] != 1 || rows_[0].parent != 0) {
    return make_error(Code::Corrupt, "the root is ino 1 with parent 0, and no ino is smaller");
  }
  for (size_t i = 1; i < rows_.size(); ++i) {
    std::optional<size_t> parent = position(rows_[i].parent);
    bool has_folder = parent.has_value() && rows_[*parent].node.type == Node::Type::Folder;
    if (!has_folder || rows_[*parent].first != *parent) {
      return make_error(Code::Corrupt, image::shown(rows_[i].name) + ": its parent " + std::to_string(rows_[i].parent) +
                                           " is no folder");
    }
    if (!image::is_valid_name(rows_[i].name)) {
      return make_error(Code::Corrupt, "name " + image::shown(rows_[i].name) + ": 1 to 255 bytes, no '/', no NUL, not . or ..");
    }
    auto added = rows_[*parent].node.children.emplace(std::move(rows_[i].name), numbers[i]);
    if (!added.second) return make_error(Code::Corrupt, "name " + image::shown(added.first->first) + " is there twice");
  }
  image::Tree tree;
  tree.nodes.reserve(next);
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].first == i) tree.nodes.push_back(std::move(rows_[i].node));
  }
  TRY(tree.check());
  return tree;
}

}  // namespace mcloud::flist
