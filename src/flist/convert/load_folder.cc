#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "flist/convert/sources.h"
#include "io/file.h"

namespace mcloud::flist {
namespace {

using image::Node;
using image::NodeNumber;

Result<std::vector<std::string>> names_in(int folder) {
  io::Fd copy(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.is_open()) return errno_error(errno, "list");
  DIR* list = fdopendir(copy.get());
  if (list == nullptr) return errno_error(errno, "list");
  copy.release();
  std::vector<std::string> out;
  while (dirent* entry = readdir(list)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  closedir(list);
  std::sort(out.begin(), out.end());
  return out;
}

Result<Node::Type> type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return Node::Type::File;
    case S_IFDIR: return Node::Type::Folder;
    case S_IFLNK: return Node::Type::Link;
    case S_IFIFO: return Node::Type::Fifo;
    case S_IFCHR: return Node::Type::CharacterDevice;
    case S_IFBLK: return Node::Type::BlockDevice;
    case S_IFSOCK: return Node::Type::Socket;
    default: return make_error(Code::Unsupported, "is of an unknown type");
  }
}

Result<Node> facts_of(const struct stat& facts) {
  Node node;
  node.type = TRY(type_of(facts.st_mode));
  node.mode = facts.st_mode & 07777;
  if (facts.st_uid > image::kUserIdMax || facts.st_gid > image::kUserIdMax) {
    return make_error(Code::Unsupported, "owner " + std::to_string(facts.st_uid) + ":" + std::to_string(facts.st_gid) +
                                             ": ids above 65535 are not offered");
  }
  node.user = facts.st_uid;
  node.group = facts.st_gid;
  node.modified_s = facts.st_mtim.tv_sec;
  node.modified_ns = static_cast<uint32_t>(facts.st_mtim.tv_nsec);
  if (node.type == Node::Type::CharacterDevice || node.type == Node::Type::BlockDevice) {
    node.device_major = major(facts.st_rdev);
    node.device_minor = minor(facts.st_rdev);
  }
  return node;
}

Status read_attributes(int fd, Node& node) {
  Bytes names(image::kAttributeBytesMax, '\0');
  ssize_t size = ::flistxattr(fd, names.data(), names.size());
  if (size < 0 && errno == EOPNOTSUPP) return {};
  if (size < 0) return errno_error(errno, "list attributes");
  Bytes value(image::kAttributeBytesMax, '\0');
  for (size_t at = 0; at < static_cast<size_t>(size); at += std::strlen(names.data() + at) + 1) {
    const char* name = names.data() + at;
    ssize_t bytes = ::fgetxattr(fd, name, value.data(), value.size());
    if (bytes < 0 && errno == ENODATA) continue;
    if (bytes < 0) return errno_error(errno, std::string("read attribute ") + name);
    std::string_view got(value.data(), static_cast<size_t>(bytes));
    if (image::is_kept_attribute(name, got)) node.attributes[name] = got;
  }
  return {};
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

Error changed() { return make_error(Code::Conflict, "changed while it was read"); }

class FolderWalk {
 public:
  explicit FolderWalk(Assembly& assembly) : assembly_(assembly) {}

  Status run(const std::string& path) {
    io::Fd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat facts {};
    if (!root.is_open() || ::fstat(root.get(), &facts) != 0) return errno_error(errno, "open");
    device_ = facts.st_dev;
    Node node = TRY(facts_of(facts));
    TRY(read_attributes(root.get(), node));
    TRY(assembly_.tree().set_facts(GrowingTree::kRoot, node));
    return add_below(root.get(), GrowingTree::kRoot, "", 0);
  }

 private:
  Status add_below(int fd, NodeNumber folder, const std::string& path, uint64_t depth) {
    if (depth >= image::kDepthMax) return make_error(Code::Exhausted, path.substr(0, 200) + ": is deeper than 256 folders");
    for (const std::string& name : TRY(names_in(fd).with_context(path))) {
      std::string here = path.empty() ? name : path + "/" + name;
      TRY(add(fd, folder, name, here, depth));
    }
    return {};
  }

  // What is below a folder names its own path in errors.
  Status add(int above, NodeNumber folder, const std::string& name, const std::string& path, uint64_t depth) {
    struct stat facts {};
    if (::fstatat(above, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return errno_error(errno, "look up " + path);
    Node node = TRY(facts_of(facts).with_context(path));
    if (node.type == Node::Type::Socket) return {};
    // An overlay takes a device 0:0 for a whiteout.
    if (node.type == Node::Type::CharacterDevice && facts.st_rdev == 0) return {};
    if (node.type == Node::Type::Folder) return add_folder(above, folder, name, path, std::move(node), facts, depth);
    auto known = numbers_.find({facts.st_dev, facts.st_ino});
    if (known != numbers_.end()) return assembly_.tree().add_name(folder, name, known->second).with_context(path);
    NodeNumber number = TRY(add_leaf(above, folder, name, path, std::move(node), facts).with_context(path));
    if (facts.st_nlink > 1) numbers_[{facts.st_dev, facts.st_ino}] = number;
    return {};
  }

  Status add_folder(int above, NodeNumber parent, const std::string& name, const std::string& path, Node node,
                    const struct stat& facts, uint64_t depth) {
    if (facts.st_dev != device_) {
      TRY(assembly_.tree().add(parent, name, std::move(node)).with_context(path));
      return {};
    }
    io::Fd fd(::openat(above, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.is_open()) return errno_error(errno, "open " + path);
    TRY(read_attributes(fd.get(), node).with_context(path));
    NodeNumber number = TRY(assembly_.tree().add(parent, name, std::move(node)).with_context(path));
    return add_below(fd.get(), number, path, depth + 1);
  }

  Result<NodeNumber> add_leaf(int above, NodeNumber folder, const std::string& name, const std::string& path, Node node,
                              const struct stat& facts) {
    BlockRange blocks;
    if (node.type == Node::Type::File) {
      io::Fd fd(::openat(above, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (!fd.is_open()) return errno_error(errno, "open");
      TRY(read_attributes(fd.get(), node));
      FileContent content = TRY(read_content(fd.get(), path, facts));
      node.bytes = static_cast<uint64_t>(facts.st_size);
      node.sha256 = std::move(content.sha256);
      blocks = content.blocks;
    } else if (node.type == Node::Type::Link) {
      Bytes target(image::kPathBytesMax + 1, '\0');
      ssize_t size = ::readlinkat(above, name.c_str(), target.data(), target.size());
      if (size < 0) return errno_error(errno, "read link");
      node.target = target.substr(0, static_cast<size_t>(size));
      node.mode = 0777;
    }
    return assembly_.tree().add(folder, name, std::move(node), blocks);
  }

  Result<FileContent> read_content(int fd, const std::string& path, const struct stat& before) {
    uint64_t bytes = static_cast<uint64_t>(before.st_size);
    bytes_ += bytes;
    if (bytes_ > assembly_.options().limits.bytes_max) {
      return make_error(Code::Exhausted, "the image has more than the allowed " +
                                             std::to_string(assembly_.options().limits.bytes_max) + " bytes");
    }
    FileCutter cutter(assembly_.blocks(), path, bytes);
    for (uint64_t at = 0; at < bytes;) {
      off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // a hole up to the end
      off_t hole = data < 0 ? -1 : ::lseek(fd, data, SEEK_HOLE);
      if (hole < 0) return errno_error(errno, "read");
      at = static_cast<uint64_t>(data);
      TRY(read_range(fd, at, std::min(static_cast<uint64_t>(hole), bytes), cutter));
    }
    struct stat after {};
    if (::fstat(fd, &after) != 0 || !is_same(before, after)) return changed();
    return cutter.finish();
  }

  Status read_range(int fd, uint64_t& at, uint64_t end, FileCutter& cutter) {
    while (at < end) {
      ssize_t got = ::pread(fd, buffer_.data(), std::min<uint64_t>(buffer_.size(), end - at), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error(errno, "read");
      if (got == 0) return changed();
      TRY(cutter.add(at, BytesView(buffer_.data(), static_cast<size_t>(got))));
      at += static_cast<uint64_t>(got);
    }
    return {};
  }

  Assembly& assembly_;
  dev_t device_ = 0;
  std::map<std::pair<dev_t, ino_t>, NodeNumber> numbers_;  // of what has several names
  uint64_t bytes_ = 0;
  Bytes buffer_ = Bytes(image::kBlockBytes, '\0');
};

}  // namespace

Status load_folder(const std::string& path, Assembly& assembly) {
  return FolderWalk(assembly).run(path).with_context("folder " + path.substr(0, 300));
}

}  // namespace mcloud::flist
