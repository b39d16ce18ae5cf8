#include "io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "io/clock.h"
#include "io/folder_reader.h"

namespace mcloud::io {
namespace {

constexpr std::string_view kUnfinishedPrefix = ".new-";

Error path_error(std::string_view doing, const std::string& path) {
  return errno_error(errno, std::string(doing) + " " + path);
}

Status write_all(int fd, BytesView bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return path_error("write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

std::string parent_of(const std::string& path) {
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_folder(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return path_error("open", folder);
  if (::fsync(fd.get()) != 0) return path_error("fsync", folder);
  return {};
}

// The sibling at `path`: created, written, given its mode and made durable.
Status write_sibling(const std::string& path, BytesView bytes, Durability durability, unsigned mode) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600));
  if (!fd.is_open()) return path_error("create", path);
  TRY(write_all(fd.get(), bytes, path));
  if (::fchmod(fd.get(), mode) != 0) return path_error("chmod", path);
  if (durability == Durability::Fsync && ::fsync(fd.get()) != 0) return path_error("fsync", path);
  return {};
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

// After close(2) the number is free even when it reports an error; trying again could close another's.
void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Bytes> read_file(const std::string& path, size_t bytes_max) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return path_error("open", path);
  struct stat about{};
  if (::fstat(fd.get(), &about) != 0) return path_error("stat", path);
  if (S_ISDIR(about.st_mode)) return make_error(Code::Invalid, "read " + path + ": it is a folder");

  const Error too_large =
      make_error(Code::Exhausted, "read " + path + ": larger than " + std::to_string(bytes_max) + " bytes");
  if (S_ISREG(about.st_mode) && static_cast<uint64_t>(about.st_size) > bytes_max) return too_large;
  // Files of /proc and /sys say size 0: what counts is what read(2) gives.
  size_t step = std::clamp<size_t>(static_cast<size_t>(about.st_size) + 1, 4096, size_t{1} << 20);
  Bytes out;
  while (true) {
    size_t used = out.size();
    out.resize(used + step);
    ssize_t got = ::read(fd.get(), out.data() + used, step);
    out.resize(used + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return path_error("read", path);
    if (got == 0) return out;
    if (out.size() > bytes_max) return too_large;
  }
}

Status write_file(const std::string& path, BytesView bytes, Durability durability, unsigned mode) {
  const std::string folder = parent_of(path);
  const std::string sibling = folder + "/" + std::string(kUnfinishedPrefix) + to_hex(SystemRandom().bytes(8));
  Status written = write_sibling(sibling, bytes, durability, mode);
  if (written.has_value() && ::rename(sibling.c_str(), path.c_str()) != 0) written = path_error("replace", path);
  if (!written.has_value()) {
    ::unlink(sibling.c_str());
    return std::move(written).with_context("write " + path);
  }
  if (durability == Durability::Fsync) TRY(sync_folder(folder));
  return {};
}

Status make_folders(const std::string& path, unsigned mode) {
  if (path.empty()) return make_error(Code::Invalid, "make folder: the path is empty");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) != 0) {
      // Any errno may hide that the folder is there already: EEXIST, EROFS, EACCES.
      Error error = path_error("make folder", part);
      struct stat about{};
      if (::stat(part.c_str(), &about) != 0) return error;
      if (!S_ISDIR(about.st_mode)) {
        return make_error(Code::AlreadyExists, "make folder " + part + ": something else has this name");
      }
    }
    if (end == std::string::npos) return {};
  }
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return path_error("list", path);
  auto names = TRY(FolderReader(std::move(fd)).names(SIZE_MAX).with_context("list " + path));
  std::erase_if(names, [](const std::string& name) { return name.starts_with(kUnfinishedPrefix); });
  std::sort(names.begin(), names.end());
  return names;
}

bool exists(const std::string& path) {
  struct stat about{};
  return ::lstat(path.c_str(), &about) == 0;
}

Result<Fd> lock_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open()) return path_error("open", path);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return make_error(Code::Conflict, "lock " + path + ": another process holds it");
    return path_error("lock", path);
  }
  return fd;
}

}  // namespace mcloud::io
