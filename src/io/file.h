// Whole files and folders, with errors that name the path. Blocking; keep off a loop's thread when
// the disk may be slow.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace mcloud::io {

// Owns a descriptor; closes it.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// Exhausted when the file has more than `bytes_max`.
Result<Bytes> read_file(const std::string& path, size_t bytes_max = 64 << 20);

enum class Durability { None, Fsync };
// Replaces `path` as a whole: write a sibling, (fsync,) rename, (fsync the folder). A crash leaves the
// old or the new content, never a mixture; it may leave a sibling named ".new-*", which list_folder()
// does not show. `mode` is exact (no umask). A link at `path` is replaced, not followed.
Status write_file(const std::string& path, BytesView bytes, Durability durability, unsigned mode = 0644);

Status make_folders(const std::string& path, unsigned mode = 0755);  // mkdir -p
// Removes a file or a tree without following links and without entering another mount (not even a bind
// mount of the same file system: Unavailable, nothing below it is touched); absent is fine.
Status remove_tree(const std::string& path);
// Names in a folder, sorted, without "." and "..". NotFound when there is no such folder.
Result<std::vector<std::string>> list_folder(const std::string& path);
bool exists(const std::string& path);  // a dangling link exists

// An exclusive advisory lock (flock) on `path`, created if absent. Conflict when somebody holds it.
Result<Fd> lock_file(const std::string& path);

}  // namespace mcloud::io
