// For this room's tests: a file tree as lines of text, from a Tree or from a folder, so that two of them can be
// compared with everything that counts.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "crypto/hash.h"
#include "image/stores/routes.h"
#include "io/file.h"

namespace mcloud::flist {

// What is compared. The name of a path -> what is there.
using Description = std::map<std::string, std::string>;

struct Described {
  image::Node node;     // without children and blocks
  std::string content;  // SHA-256 of a file's bytes
  std::string same_as;  // the first name of what has several
};

inline std::string line_of(const Described& what) {
  const image::Node& node = what.node;
  auto number = [](auto value) { return std::to_string(value); };
  std::string out = number(static_cast<int>(node.type)) + " mode " + number(node.mode) + " owner " + number(node.user) +
                    ":" + number(node.group) + " time " + number(node.modified_s) + "." + number(node.modified_ns);
  if (node.type == image::Node::Type::File) out += " bytes " + number(node.bytes) + " sha256 " + what.content;
  if (node.type == image::Node::Type::Link) out += " to " + node.target;
  if (node.device_major + node.device_minor > 0) {
    out += " device " + number(node.device_major) + ":" + number(node.device_minor);
  }
  for (const auto& [name, value] : node.attributes) out += " " + name + "=" + to_hex(value);
  if (!what.same_as.empty()) out += " same as " + what.same_as;
  return out;
}

class TreeDescriber {
 public:
  TreeDescriber(const image::Tree& tree, image::Routes& blocks) : tree_(tree), blocks_(blocks) {}

  Description run() {
    count(0);
    describe(0, "");
    return std::move(out_);
  }

 private:
  void count(image::NodeNumber folder) {
    for (const auto& entry : tree_.nodes[folder].children) {
      if (++names_[entry.second] == 1) count(entry.second);
    }
  }

  void describe(image::NodeNumber number, const std::string& path) {
    Described what{tree_.nodes[number], "", ""};
    if (names_[number] > 1) what.same_as = first_.emplace(number, path).first->second;
    if (what.node.type == image::Node::Type::File) what.content = content(what.node);
    out_[path] = line_of(what);
    for (const auto& [name, child] : tree_.nodes[number].children) describe(child, path + "/" + name);
  }

  std::string content(const image::Node& file) {
    crypto::Sha256 hash;
    uint64_t left = file.bytes;
    for (const image::BlockRef& ref : file.blocks) {
      uint64_t plain = std::min(left, image::kBlockBytes);
      left -= plain;
      Result<Bytes> block = blocks_.fetch(ref, plain);
      REQUIRE_MESSAGE(block.has_value(), block.error().message);
      hash.update(*block);
    }
    Bytes sha256 = hash.finish();
    if (!file.sha256.empty()) CHECK_EQ(to_hex(file.sha256), to_hex(sha256));
    return to_hex(sha256);
  }

  const image::Tree& tree_;
  image::Routes& blocks_;
  std::map<image::NodeNumber, int> names_;
  std::map<image::NodeNumber, std::string> first_;
  Description out_;
};

inline Description describe(const image::Tree& tree, image::Routes& blocks) { return TreeDescriber(tree, blocks).run(); }

class FolderDescriber {
 public:
  explicit FolderDescriber(std::string root) : root_(std::move(root)) {}

  Description run() {
    describe("");
    return std::move(out_);
  }

 private:
  void describe(const std::string& path) {
    std::string place = root_ + path;
    struct stat facts {};
    REQUIRE_MESSAGE(lstat(place.c_str(), &facts) == 0, place);
    Described what;
    image::Node& node = what.node;
    node.mode = facts.st_mode & 07777;
    node.user = facts.st_uid;
    node.group = facts.st_gid;
    node.modified_s = facts.st_mtim.tv_sec;
    node.modified_ns = static_cast<uint32_t>(facts.st_mtim.tv_nsec);
    if (!S_ISDIR(facts.st_mode) && facts.st_nlink > 1) what.same_as = first_.emplace(facts.st_ino, path).first->second;
    read(place, facts, what);
    out_[path] = line_of(what);
    if (!S_ISDIR(facts.st_mode)) return;
    std::vector<std::string> names = io::list_folder(place).value();
    for (const std::string& name : names) describe(path + "/" + name);
  }

  void read(const std::string& place, const struct stat& facts, Described& what) {
    using Type = image::Node::Type;
    image::Node& node = what.node;
    if (S_ISDIR(facts.st_mode)) node.type = Type::Folder;
    if (S_ISFIFO(facts.st_mode)) node.type = Type::Fifo;
    if (S_ISSOCK(facts.st_mode)) node.type = Type::Socket;
    if (S_ISCHR(facts.st_mode)) node.type = Type::CharacterDevice;
    if (S_ISBLK(facts.st_mode)) node.type = Type::BlockDevice;
    if (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode)) {
      node.device_major = major(facts.st_rdev);
      node.device_minor = minor(facts.st_rdev);
    }
    if (S_ISREG(facts.st_mode)) {
      node.bytes = static_cast<uint64_t>(facts.st_size);
      what.content = to_hex(crypto::sha256(io::read_file(place, 256 << 20).value()));
    }
    if (S_ISLNK(facts.st_mode)) {
      node.type = Type::Link;
      char target[5000];
      ssize_t size = readlink(place.c_str(), target, sizeof target);
      node.target.assign(target, size > 0 ? static_cast<size_t>(size) : 0);
    }
    read_attributes(place, node);
  }

  static void read_attributes(const std::string& place, image::Node& node) {
    std::vector<char> names(64 << 10), value(64 << 10);
    ssize_t size = llistxattr(place.c_str(), names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
      std::string name = names.data() + at;
      at += static_cast<ssize_t>(name.size()) + 1;
      ssize_t bytes = lgetxattr(place.c_str(), name.c_str(), value.data(), value.size());
      REQUIRE(bytes >= 0);
      node.attributes[name] = std::string(value.data(), static_cast<size_t>(bytes));
    }
  }

  std::string root_;
  std::map<ino_t, std::string> first_;
  Description out_;
};

inline Description describe(const std::string& folder) { return FolderDescriber(folder).run(); }

// What differs, for people: at most ten lines.
inline std::string difference(const Description& a, const Description& b) {
  std::string out;
  int lines = 0;
  auto add = [&](const std::string& line) {
    if (++lines <= 10) out += line + "\n";
  };
  for (const auto& [path, line] : a) {
    auto found = b.find(path);
    if (found == b.end()) add("only left:  " + path + " " + line);
    else if (found->second != line) add(path + "\n  left:  " + line + "\n  right: " + found->second);
  }
  for (const auto& [path, line] : b) {
    if (!a.contains(path)) add("only right: " + path + " " + line);
  }
  return out;
}

}  // namespace mcloud::flist
