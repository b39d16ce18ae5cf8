#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "io/file.h"
#include "io/folder_reader.h"

namespace mcloud::io {
namespace {

constexpr int kDepthMax = 64;          // folders open at once
constexpr size_t kNamesAtOnce = 4096;  // bounds memory in a folder of millions

// The kernel refuses to cross a mount, bind mounts included: the tree may hold one that an earlier,
// killed process left there, and what lies below it is somebody else's.
Fd open_within(int parent, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV;
  int fd = static_cast<int>(syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how));
  if (fd < 0 && errno == ENOTDIR) errno = EPERM;  // a file that unlink(2) was not allowed to remove
  return Fd(fd);
}

Error entry_error(const std::string& name) {
  if (errno == EXDEV || errno == EBUSY) {
    return make_error(Code::Unavailable, "remove " + name + ": something is mounted there");
  }
  return errno_error(errno, "remove " + name);
}

class Remover {
 public:
  explicit Remover(int root) : root_(root) {}

  Status remove(int parent, const std::string& name, int depth) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return entry_error(name);
    if (depth > kDepthMax) return move_up(parent, name);
    Fd fd = open_within(parent, name);
    if (!fd.is_open()) return entry_error(name);
    TRY(empty(FolderReader(std::move(fd)), depth).with_context(name));
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return entry_error(name);
    return {};
  }

  // Asks for names again until none is left: removing while reading may skip some, and move_up() adds some.
  Status empty(FolderReader folder, int depth) {
    while (true) {
      auto names = TRY(folder.names(kNamesAtOnce));
      if (names.empty()) return {};
      for (const std::string& name : names) TRY(remove(folder.fd(), name, depth + 1));
    }
  }

 private:
  // A tree deeper than we hold descriptors for continues as a child of its root.
  Status move_up(int parent, const std::string& name) {
    std::string fresh = ".deep-" + std::to_string(++moved_);
    if (::renameat2(parent, name.c_str(), root_, fresh.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno == EEXIST) return move_up(parent, name);
    return entry_error(name);
  }

  int root_;
  uint64_t moved_ = 0;
};

}  // namespace

Status remove_tree(const std::string& path) {
  std::string whole = path;
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  size_t slash = whole.find_last_of('/');
  std::string name = slash == std::string::npos ? whole : whole.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return make_error(Code::Invalid, "remove \"" + path + "\": the path does not end in a name");
  }
  // Opened from its parent, so that a path that is itself a mount point is refused before it is emptied.
  std::string parent_path = slash == std::string::npos ? "." : slash == 0 ? "/" : whole.substr(0, slash);
  Fd parent(::open(parent_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open()) return errno == ENOENT ? Status() : Status(errno_error(errno, "open " + parent_path));
  if (::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return entry_error(path);
  Fd root = open_within(parent.get(), name);
  if (!root.is_open()) return errno == ENOENT ? Status() : Status(entry_error(path));

  Remover remover(root.get());
  TRY(remover.empty(FolderReader(std::move(root)), 0).with_context("remove " + path));
  if (::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return entry_error(path);
  return {};
}

}  // namespace mcloud::io
