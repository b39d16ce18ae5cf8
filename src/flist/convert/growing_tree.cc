#include "flist/convert/growing_tree.h"

#include <cstddef>

#include "image/path.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;

constexpr int kLinksMax = 40;                          // as Linux
constexpr uint64_t kMetadataBytesMax = 256 << 20;      // held in memory
constexpr uint64_t kStepsPerEntry = 64;                // a path of real images has a tenth of that

// The names of a path, last first, onto `names`.
void push_names(std::string_view path, std::vector<std::string_view>& names) {
  while (!path.empty()) {
    size_t slash = path.rfind('/');
    std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (!name.empty() && name != ".") names.push_back(name);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
}

uint64_t metadata_bytes_of(const Node& node) {
  uint64_t bytes = node.target.size();
  for (const auto& [name, value] : node.attributes) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

GrowingTree::GrowingTree(const image::UnpackLimits& limits) : limits_(limits), nodes_(1) {
  nodes_[kRoot].node.type = Node::Type::Folder;
  nodes_[kRoot].node.mode = 0755;
  nodes_[kRoot].names = 1;
}

Status GrowingTree::count(size_t metadata_bytes) {
  metadata_bytes_ += metadata_bytes;
  if (++entries_ > limits_.entries_max) {
    return make_error(Code::Exhausted, "the image has more than " + std::to_string(limits_.entries_max) + " entries");
  }
  if (metadata_bytes_ > kMetadataBytesMax) {
    return make_error(Code::Exhausted, "the image has more than 256 MiB of names, links and attributes");
  }
  return {};
}

Result<GrowingTree::Walk> GrowingTree::find_folder(std::string_view path, NodeNumber& folder) {
  std::vector<std::string_view> waiting;
  push_names(path, waiting);
  folder = kRoot;
  for (int links = 0; !waiting.empty();) {
    std::string_view name = waiting.back();
    waiting.pop_back();
    if (++steps_ > kStepsPerEntry * limits_.entries_max) {
      return make_error(Code::Exhausted, "paths and links lead around too much");
    }
    if (name == "..") {
      folder = nodes_[folder].parent;
      continue;
    }
    NodeNumber next = child(folder, name);
    if (next == kNone) return Walk::Missing;
    const Node& node = nodes_[next].node;
    if (node.type == Node::Type::Link) {
      if (++links > kLinksMax) return Walk::NotFolder;
      if (node.target.starts_with('/')) folder = kRoot;
      push_names(node.target, waiting);
      steps_ += waiting.size();
    } else if (node.type == Node::Type::Folder) {
      folder = next;
    } else {
      return Walk::NotFolder;
    }
  }
  return Walk::Found;
}

Result<NodeNumber> GrowingTree::make_folder(const std::string& path) {
  NodeNumber folder = kRoot;
  Walk walk = TRY(find_folder(path, folder));
  if (walk == Walk::Found) return folder;
  if (walk == Walk::NotFolder) {
    return make_error(Code::Corrupt, "its folder \"" + path.substr(0, 200) + "\" is not a folder");
  }
  for (size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    std::string here = path.substr(0, slash);
    walk = TRY(find_folder(here, folder));
    if (walk != Walk::Found) {
      auto [above, name] = image::split_last(here);
      walk = TRY(find_folder(above, folder));
      if (walk != Walk::Found || child(folder, name) != kNone) {  // there, and leads nowhere
        return make_error(Code::Corrupt, "its folder \"" + here.substr(0, 200) + "\" cannot be made");
      }
      Node made;
      made.type = Node::Type::Folder;
      made.mode = 0755;
      folder = TRY(add(folder, name, std::move(made)));
    }
    if (slash == std::string::npos) return folder;
  }
}

NodeNumber GrowingTree::child(NodeNumber folder, std::string_view name) const {
  const auto& children = nodes_[folder].node.children;
  auto found = children.find(std::string(name));
  return found == children.end() ? kNone : found->second;
}

Result<NodeNumber> GrowingTree::add(NodeNumber folder, const std::string& name, Node node, BlockRange blocks) {
  TRY(count(name.size() + metadata_bytes_of(node)));
  NodeNumber number = static_cast<NodeNumber>(nodes_.size());
  nodes_.push_back({std::move(node), folder, 1, blocks});
  nodes_[folder].node.children[name] = number;
  return number;
}

Status GrowingTree::add_name(NodeNumber folder, const std::string& name, NodeNumber node) {
  TRY(count(name.size()));
  ++nodes_[node].names;
  nodes_[folder].node.children[name] = node;
  return {};
}

void GrowingTree::remove(NodeNumber folder, const std::string& name) {
  NodeNumber number = child(folder, name);
  if (number == kNone) return;
  nodes_[folder].node.children.erase(name);
  if (--nodes_[number].names == 0) nodes_[number].node = Node();  // nobody can name it any more
}

void GrowingTree::remove_all(NodeNumber folder, const std::string& name) {
  std::vector<std::pair<NodeNumber, std::string>> waiting = {{folder, name}};
  while (!waiting.empty()) {
    auto [above, here] = waiting.back();
    NodeNumber number = child(above, here);
    bool is_full = number != kNone && !nodes_[number].node.children.empty();
    if (is_full) {
      for (const auto& entry : nodes_[number].node.children) waiting.emplace_back(number, entry.first);
    } else {
      remove(above, here);
      waiting.pop_back();
    }
  }
}

Result<bool> GrowingTree::remove_path(const std::string& path) {
  auto [above, name] = image::split_last(path);
  NodeNumber folder = kRoot;
  if (TRY(find_folder(above, folder)) != Walk::Found) return false;
  if (name != "*") {
    bool is_there = child(folder, name) != kNone;
    remove_all(folder, name);
    return is_there;
  }
  std::vector<std::string> names;
  for (const auto& entry : nodes_[folder].node.children) names.push_back(entry.first);
  for (const std::string& one : names) remove_all(folder, one);
  return true;
}

Status GrowingTree::set_facts(NodeNumber number, const Node& from) {
  metadata_bytes_ += metadata_bytes_of(from);
  if (metadata_bytes_ > kMetadataBytesMax) {
    return make_error(Code::Exhausted, "the image has more than 256 MiB of names, links and attributes");
  }
  Node& node = nodes_[number].node;
  node.mode = from.mode;
  node.user = from.user;
  node.group = from.group;
  node.modified_s = from.modified_s;
  node.modified_ns = from.modified_ns;
  node.attributes = from.attributes;
  return {};
}

// Their old numbers in the order of the new ones, which is that of the index: breadth first, names in order.
std::vector<NodeNumber> GrowingTree::number() const {
  std::vector<bool> is_known(nodes_.size());
  std::vector<NodeNumber> order = {kRoot};
  for (size_t i = 0; i < order.size(); ++i) {
    for (const auto& entry : nodes_[order[i]].node.children) {
      if (is_known[entry.second]) continue;
      is_known[entry.second] = true;
      order.push_back(entry.second);
    }
  }
  return order;
}

Result<image::Tree> GrowingTree::finish(const std::vector<image::BlockRef>& refs) const {
  std::vector<NodeNumber> order = number();
  std::vector<NodeNumber> renamed(nodes_.size(), kNone);
  for (size_t i = 0; i < order.size(); ++i) renamed[order[i]] = static_cast<NodeNumber>(i);
  image::Tree tree;
  tree.nodes.reserve(order.size());
  for (NodeNumber old : order) {
    Node node = nodes_[old].node;
    for (auto& entry : node.children) entry.second = renamed[entry.second];
    const BlockRange& range = nodes_[old].blocks;
    auto first = refs.begin() + static_cast<std::ptrdiff_t>(range.first);
    if (range.count > 0) node.blocks.assign(first, first + range.count);
    tree.nodes.push_back(std::move(node));
  }
  TRY(tree.check());
  return tree;
}

}  // namespace mcloud::flist
