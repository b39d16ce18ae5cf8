#include "cli/image_path.h"

#include <algorithm>
#include <deque>
#include <map>

namespace mcloud::cli {
namespace {

using image::Index;
using image::IndexNode;
using image::Node;
using image::NodeNumber;

constexpr int kLinksMax = 40;  // as the kernel

void split_before(std::deque<std::string>& parts, std::string_view path) {
  std::vector<std::string> found;
  while (!path.empty()) {
    size_t end = std::min(path.find('/'), path.size());
    if (end > 0) found.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  parts.insert(parts.begin(), found.begin(), found.end());
}

std::map<std::string, NodeNumber> paths_of(const Index& index) {
  std::map<std::string, NodeNumber> paths;
  walk(index, 0, "", [&](const std::string& path, NodeNumber node) { paths.emplace(path, node); });
  return paths;
}

bool has_equal_attributes(const Index& a, NodeNumber left, const Index& b, NodeNumber right) {
  if (a.attributes(left) != b.attributes(right)) return false;
  for (uint32_t i = 0; i < a.attributes(left); ++i) {
    if (a.attribute(left, i) != b.attribute(right, i)) return false;
  }
  return true;
}

std::vector<std::string> differences(const Index& a, NodeNumber left, const Index& b, NodeNumber right,
                                     const DiffOptions& options) {
  IndexNode before = a.node(left), after = b.node(right);
  if (before.type != after.type) return {"type"};
  std::vector<std::string> what;
  bool is_file = before.type == Node::Type::File;
  if (is_file && !(a.content(left) == b.content(right))) what.emplace_back("content");
  if (before.type == Node::Type::Link && a.target(left) != b.target(right)) what.emplace_back("target");
  if (before.device_major != after.device_major || before.device_minor != after.device_minor) what.emplace_back("device");
  if (before.mode != after.mode) what.emplace_back("mode");
  if (before.user != after.user || before.group != after.group) what.emplace_back("owner");
  bool is_earlier = before.modified_s != after.modified_s || before.modified_ns != after.modified_ns;
  if (is_earlier && !options.ignores_times) what.emplace_back("time");
  if (!has_equal_attributes(a, left, b, right)) what.emplace_back("attributes");
  return what;
}

}  // namespace

Result<NodeNumber> find_path(const Index& index, std::string_view path, LastLink last) {
  std::deque<std::string> parts;
  split_before(parts, path);
  std::vector<NodeNumber> folders = {0};  // from the root to where we stand
  int links = 0;
  while (!parts.empty()) {
    std::string part = std::move(parts.front());
    parts.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      if (folders.size() > 1) folders.pop_back();
      continue;
    }
    auto entry = index.find(folders.back(), part);
    if (!entry) return make_error(Code::NotFound, "the image has no " + std::string(path) + " (" + part + " is not there)");
    bool follows = entry->type == Node::Type::Link && (!parts.empty() || last == LastLink::Follow);
    if (follows) {
      if (++links > kLinksMax) return make_error(Code::Invalid, std::string(path) + ": its links go in circles");
      std::string_view target = index.target(entry->node);
      if (target.starts_with('/')) folders.resize(1);
      split_before(parts, target);
      continue;
    }
    if (parts.empty()) return entry->node;
    if (entry->type != Node::Type::Folder) return make_error(Code::Invalid, std::string(path) + ": " + part + " is no folder");
    folders.push_back(entry->node);
  }
  return folders.back();
}

void walk(const Index& index, NodeNumber folder, const std::string& path, const Visit& visit) {
  uint32_t count = index.node(folder).count;
  for (uint32_t i = 0; i < count; ++i) {
    image::IndexEntry entry = index.entry(folder, i);
    std::string below = path.empty() ? std::string(entry.name) : path + "/" + std::string(entry.name);
    visit(below, entry.node);
    if (entry.type == Node::Type::Folder) walk(index, entry.node, below, visit);
  }
}

std::string mode_text(const IndexNode& node) {
  constexpr std::string_view kTypes = "?d-lpcbs";
  std::string out(1, kTypes[static_cast<size_t>(node.type)]);
  for (int shift : {6, 3, 0}) {
    out += node.mode >> shift & 4 ? 'r' : '-';
    out += node.mode >> shift & 2 ? 'w' : '-';
    out += node.mode >> shift & 1 ? 'x' : '-';
  }
  auto special = [&](size_t at, unsigned bit, char with, char without) {
    if (node.mode & bit) out[at] = out[at] == 'x' ? with : without;
  };
  special(3, 04000, 's', 'S');
  special(6, 02000, 's', 'S');
  special(9, 01000, 't', 'T');
  return out;
}

std::string_view type_word(Node::Type type) {
  switch (type) {
    case Node::Type::Folder: return "folder";
    case Node::Type::File: return "file";
    case Node::Type::Link: return "link";
    case Node::Type::Fifo: return "fifo";
    case Node::Type::CharacterDevice: return "character-device";
    case Node::Type::BlockDevice: return "block-device";
    case Node::Type::Socket: return "socket";
  }
  return "unknown";
}

std::string extent_text(const Index& index, NodeNumber number) {
  IndexNode node = index.node(number);
  switch (node.type) {
    case Node::Type::File: return std::to_string(node.bytes);
    case Node::Type::Link: return "-> " + std::string(index.target(number));
    case Node::Type::CharacterDevice:
    case Node::Type::BlockDevice: return std::to_string(node.device_major) + ":" + std::to_string(node.device_minor);
    default: return "";
  }
}

std::vector<ImageChange> image_changes(const Index& before, const Index& after, const DiffOptions& options) {
  std::map<std::string, NodeNumber> old_paths = paths_of(before), new_paths = paths_of(after);
  old_paths.emplace("", 0), new_paths.emplace("", 0);
  std::vector<ImageChange> changes;
  for (const auto& [path, node] : old_paths) {
    auto other = new_paths.find(path);
    if (other == new_paths.end()) {
      changes.push_back({ImageChange::Kind::Removed, path, {}});
      continue;
    }
    std::vector<std::string> what = differences(before, node, after, other->second, options);
    if (!what.empty()) changes.push_back({ImageChange::Kind::Changed, path, std::move(what)});
  }
  for (const auto& [path, node] : new_paths) {
    if (!old_paths.contains(path)) changes.push_back({ImageChange::Kind::Added, path, {}});
  }
  std::sort(changes.begin(), changes.end(), [](const ImageChange& a, const ImageChange& b) { return a.path < b.path; });
  return changes;
}

}  // namespace mcloud::cli
