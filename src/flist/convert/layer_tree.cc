#include "flist/convert/layer_tree.h"

#include <algorithm>

#include "image/path.h"
#include "image/unpacked/attributes.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;
using image::TarEntry;
using Walk = GrowingTree::Walk;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufsMetadata = ".wh..wh.";
constexpr auto kNone = GrowingTree::kNone;

Error corrupt(std::string why) { return make_error(Code::Corrupt, std::move(why)); }

bool any_name_starts(const std::string& path, std::string_view prefix) {
  return path.starts_with(prefix) || path.find("/" + std::string(prefix)) != std::string::npos;
}

bool is_device(const TarEntry& entry) {
  return entry.type == TarEntry::Type::CharacterDevice || entry.type == TarEntry::Type::BlockDevice;
}

Node::Type type_of(TarEntry::Type type) {
  switch (type) {
    case TarEntry::Type::Folder: return Node::Type::Folder;
    case TarEntry::Type::Link: return Node::Type::Link;
    case TarEntry::Type::Fifo: return Node::Type::Fifo;
    case TarEntry::Type::CharacterDevice: return Node::Type::CharacterDevice;
    case TarEntry::Type::BlockDevice: return Node::Type::BlockDevice;
    case TarEntry::Type::Socket: return Node::Type::Socket;
    case TarEntry::Type::File:
    case TarEntry::Type::HardLink:
    case TarEntry::Type::Other: break;
  }
  return Node::Type::File;
}

Node facts_of(const TarEntry& entry) {
  Node node;
  node.type = type_of(entry.type);
  node.mode = static_cast<uint16_t>(entry.mode & 07777);
  node.user = static_cast<uint32_t>(entry.user);
  node.group = static_cast<uint32_t>(entry.group);
  timespec modified = image::modified_time(entry);
  node.modified_s = modified.tv_sec;
  node.modified_ns = static_cast<uint32_t>(modified.tv_nsec);
  bool has_attributes = node.type == Node::Type::File || node.type == Node::Type::Folder;
  for (const auto& [name, value] : entry.attributes) {
    if (has_attributes && image::is_kept_attribute(name, value)) node.attributes[name] = value;
  }
  return node;
}

}  // namespace

void LayerTree::begin_layer() {
  written_.clear();
  parent_ = Parent();
}

Status LayerTree::add(const TarEntry& entry, image::TarReader& reader) {
  if (++entries_ > limits_.entries_max) {
    return make_error(Code::Exhausted, "the image has more than " + std::to_string(limits_.entries_max) + " entries");
  }
  std::string path = TRY(image::normal_path(entry.path));
  return add_checked(entry, reader, path).with_context("path \"" + path.substr(0, 200) + "\"");
}

Status LayerTree::add_checked(const TarEntry& entry, image::TarReader& reader, const std::string& path) {
  if (path.empty()) return add_root(entry);
  auto [folder, name] = image::split_last(path);
  if (name == kOpaque) return add_whiteout(folder, "");
  if (any_name_starts(path, kAufsMetadata)) return {};
  if (any_name_starts(folder, kWhiteout)) return corrupt("a whiteout is not a folder");
  if (name.starts_with(kWhiteout)) return add_whiteout(folder, std::string_view(name).substr(kWhiteout.size()));
  if (is_device(entry) && entry.device_major == 0 && entry.device_minor == 0) return {};
  TRY(image::check_attributes(entry));
  TRY(enter(folder));
  // GNU tar writes a file that it was given twice as a hard link to itself.
  if (entry.type == TarEntry::Type::HardLink && TRY(image::normal_path(entry.link_target)) == path) return {};
  if (entry.type == TarEntry::Type::Other) return make_error(Code::Unsupported, "an entry of unknown type");
  TRY(make_way(entry, name));
  switch (entry.type) {
    case TarEntry::Type::File: TRY(write_file(entry, reader, path, name)); break;
    case TarEntry::Type::Folder: TRY(write_folder(entry, name)); break;
    case TarEntry::Type::HardLink: TRY(write_hard_link(entry, name)); break;
    default: TRY(write_other(entry, name)); break;
  }
  written_.insert(key(parent_.folder, name));
  return {};
}

Status LayerTree::end_layer() {
  parent_ = Parent();
  return {};
}

Status LayerTree::add_root(const TarEntry& entry) {
  if (entry.type != TarEntry::Type::Folder) return corrupt("the root is not a folder");
  TRY(image::check_attributes(entry));
  return tree_.set_facts(GrowingTree::kRoot, facts_of(entry));
}

// `hidden` is the name that goes, or "" for all that lower layers have in the folder.
Status LayerTree::add_whiteout(const std::string& folder, std::string_view hidden) {
  if (hidden == "." || hidden == ".." || any_name_starts(folder, kWhiteout)) return corrupt("a malformed whiteout");
  NodeNumber target = GrowingTree::kRoot;
  if (TRY(tree_.find_folder(folder, target)) != Walk::Found) return {};
  parent_ = Parent();
  return hidden.empty() ? empty_lower(target, 0) : remove_lower(target, std::string(hidden), 0);
}

Status LayerTree::enter(const std::string& folder) {
  if (parent_.folder != kNone && parent_.path == folder) return {};
  parent_ = Parent{folder, TRY(tree_.make_folder(folder))};
  return {};
}

// What has the name goes, except a folder that stays a folder.
Status LayerTree::make_way(const TarEntry& entry, const std::string& name) {
  NodeNumber old = tree_.child(parent_.folder, name);
  if (old == kNone) return {};
  bool is_folder = tree_.at(old).type == Node::Type::Folder;
  if (is_folder && entry.type == TarEntry::Type::Folder) return {};
  written_.erase(key(parent_.folder, name));
  if (is_folder) {
    TRY(empty_lower(old, 0));
    if (!tree_.at(old).children.empty()) {
      return corrupt("a folder with entries of the same layer becomes something else");
    }
  }
  tree_.remove(parent_.folder, name);
  return {};
}

Status LayerTree::write_folder(const TarEntry& entry, const std::string& name) {
  NodeNumber old = tree_.child(parent_.folder, name);
  if (old != kNone) return tree_.set_facts(old, facts_of(entry));
  TRY(tree_.add(parent_.folder, name, facts_of(entry)));
  return {};
}

Status LayerTree::write_file(const TarEntry& entry, image::TarReader& reader, const std::string& path,
                             const std::string& name) {
  bytes_ += std::min(entry.bytes, limits_.bytes_max + 1);
  if (bytes_ > limits_.bytes_max) {
    return make_error(Code::Exhausted,
                      "the image unpacks to more than the allowed " + std::to_string(limits_.bytes_max) + " bytes");
  }
  FileCutter cutter(blocks_, path, entry.bytes);
  while (std::optional<image::TarPiece> piece = TRY(reader.next_piece())) TRY(cutter.add(piece->offset, piece->bytes));
  FileContent content = TRY(cutter.finish());
  Node node = facts_of(entry);
  node.bytes = entry.bytes;
  node.sha256 = std::move(content.sha256);
  TRY(tree_.add(parent_.folder, name, std::move(node), content.blocks));
  return {};
}

Status LayerTree::write_hard_link(const TarEntry& entry, const std::string& name) {
  auto [folder, target] = image::split_last(TRY(image::normal_path(entry.link_target)));
  NodeNumber above = GrowingTree::kRoot;
  bool is_there = TRY(tree_.find_folder(folder, above)) == Walk::Found;
  NodeNumber node = is_there ? tree_.child(above, target) : kNone;
  if (node == kNone || tree_.at(node).type == Node::Type::Folder) {
    return corrupt("a hard link to \"" + entry.link_target.substr(0, 200) + "\", which is not there or is a folder");
  }
  return tree_.add_name(parent_.folder, name, node);
}

Status LayerTree::write_other(const TarEntry& entry, const std::string& name) {
  Node node = facts_of(entry);
  if (node.type == Node::Type::Link) {
    if (entry.link_target.empty() || entry.link_target.size() > image::kPathBytesMax) {
      return corrupt("a link's target has 1 to 4095 bytes");
    }
    node.target = entry.link_target;
    node.mode = 0777;
  }
  if (is_device(entry)) {
    node.device_major = entry.device_major;
    node.device_minor = entry.device_minor;
  }
  TRY(tree_.add(parent_.folder, name, std::move(node)));
  return {};
}

Status LayerTree::remove_lower(NodeNumber folder, const std::string& name, uint64_t depth) {
  NodeNumber old = tree_.child(folder, name);
  if (old == kNone) return {};
  bool is_ours = written_.contains(key(folder, name));
  if (tree_.at(old).type == Node::Type::Folder) {
    TRY(empty_lower(old, depth + 1));
    // It stays while it holds something of this layer.
    if (!tree_.at(old).children.empty()) return {};
  }
  if (!is_ours) tree_.remove(folder, name);
  return {};
}

Status LayerTree::empty_lower(NodeNumber folder, uint64_t depth) {
  // Links can make a path deeper than the one in the archive.
  if (depth > image::kDepthMax) return make_error(Code::Exhausted, "folders are deeper than 256");
  std::vector<std::string> names;
  for (const auto& entry : tree_.at(folder).children) names.push_back(entry.first);
  looked_at_ += names.size();
  if (looked_at_ > 4 * limits_.entries_max) return make_error(Code::Exhausted, "whiteouts hide too much");
  for (const std::string& name : names) TRY(remove_lower(folder, name, depth));
  return {};
}

std::string LayerTree::key(NodeNumber folder, std::string_view name) {
  return std::to_string(folder) + "/" + std::string(name);
}

}  // namespace mcloud::flist
