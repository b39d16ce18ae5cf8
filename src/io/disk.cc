#include "io/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/file.h"
#include "io/mapping.h"

namespace mcloud::io {
namespace {

// A disk that fails or is read-only is not a rule that the caller broke: it may come back.
Error disk_error(std::string_view doing, const std::string& path) {
  int number = errno;
  Error error = errno_error(number, std::string(doing) + " " + path);
  if (number == EIO || number == EROFS) error.code = Code::Unavailable;
  return error;
}

class SystemFile final : public File {
 public:
  SystemFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status write(uint64_t offset, BytesView bytes) override {
    while (!bytes.empty()) {
      ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return disk_error("write", path_);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Result<size_t> read(uint64_t offset, char* to, size_t size) override {
    size_t done = 0;
    while (done < size) {
      ssize_t got = ::pread(fd_.get(), to + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return disk_error("read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<uint64_t> size() override {
    struct stat about{};
    if (::fstat(fd_.get(), &about) != 0) return disk_error("stat", path_);
    return static_cast<uint64_t>(about.st_size);
  }

  Status allocate(uint64_t size) override {
    uint64_t now = TRY(this->size());
    if (size <= now) return {};
    int failed = ::posix_fallocate(fd_.get(), static_cast<off_t>(now), static_cast<off_t>(size - now));
    if (failed != 0) {
      errno = failed;
      Error error = disk_error("allocate", path_);
      TRY(truncate(now));
      return error;
    }
    // Written zeros, not only reserved blocks: else every later sync converts extents and writes the journal, which
    // halves its rate.
    static const std::string zeros(1 << 20, '\0');
    for (uint64_t at = now; at < size; at += zeros.size()) {
      TRY(write(at, BytesView(zeros).substr(0, std::min<uint64_t>(zeros.size(), size - at))));
    }
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return disk_error("truncate", path_);
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return disk_error("fdatasync", path_);
    return {};
  }

  Result<std::unique_ptr<Mapping>> map(uint64_t size) override { return map_file(fd_.get(), size, path_); }

 private:
  Fd fd_;
  std::string path_;
};

class SystemLock final : public FileLock {
 public:
  explicit SystemLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

}  // namespace

Result<std::unique_ptr<File>> SystemDisk::open(const std::string& path, OpenMode mode) {
  int flags =
      O_CLOEXEC | (mode == OpenMode::Read ? O_RDONLY : O_RDWR) | (mode == OpenMode::Create ? O_CREAT | O_EXCL : 0);
  Fd fd(::open(path.c_str(), flags, 0600));
  if (!fd.is_open()) return disk_error("open", path);
  return std::make_unique<SystemFile>(std::move(fd), path);
}

Result<std::vector<std::string>> SystemDisk::list(const std::string& folder) {
  DIR* open_folder = ::opendir(folder.c_str());
  if (open_folder == nullptr) return disk_error("list", folder);
  std::vector<std::string> names;
  errno = 0;  // the only way to tell the end from a failure
  while (dirent* entry = ::readdir(open_folder)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    errno = 0;
  }
  int failed = errno;
  ::closedir(open_folder);
  errno = failed;
  if (failed != 0) return disk_error("list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

Status SystemDisk::make_folder(const std::string& path) { return make_folders(path, 0700); }

Status SystemDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return disk_error("rename to " + to + " from", from);
  return {};
}

Status SystemDisk::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0 && errno != ENOENT) return disk_error("remove", path);
  return {};
}

Status SystemDisk::sync_folder(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return disk_error("open", path);
  if (::fsync(fd.get()) != 0) return disk_error("fsync", path);
  return {};
}

Result<uint64_t> SystemDisk::free_bytes(const std::string& path) {
  struct statvfs about{};
  if (::statvfs(path.c_str(), &about) != 0) return disk_error("statvfs", path);
  return static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
}

Result<std::unique_ptr<FileLock>> SystemDisk::lock(const std::string& path) {
  return std::make_unique<SystemLock>(TRY(lock_file(path)));
}

}  // namespace mcloud::io
