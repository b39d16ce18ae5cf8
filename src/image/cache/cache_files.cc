#include "image/cache/cache_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace mcloud::image {
namespace {

// Few files are synced one by one (0.4 ms each); for many one syncfs is far cheaper (10 us each), at the price of
// writing out what others have dirty on this disk.
constexpr size_t kSyncsMax = 8;

Error file_error(int number, std::string_view doing, std::string_view name) {
  Error error = errno_error(number, "cache: " + std::string(doing) + " " + std::string(name));
  if (number == EROFS || number == EFBIG) error.code = Code::Exhausted;
  return error;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

class FolderFiles final : public CacheFiles {
 public:
  explicit FolderFiles(io::Fd folder) : folder_(std::move(folder)) {}

  Result<std::vector<CacheFile>> list(uint8_t number) override {
    std::string name = to_hex({reinterpret_cast<const char*>(&number), 1});
    std::vector<CacheFile> out;
    int fd = ::openat(folder_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return out;
      return file_error(errno, "open", name);
    }
    std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(fd));
    while (const dirent* entry = ::readdir(folder.get())) {
      struct stat about{};
      if (::fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode)) continue;
      out.push_back({.name = name + "/" + entry->d_name,
                     .bytes = static_cast<uint64_t>(about.st_size),
                     .disk_bytes = static_cast<uint64_t>(about.st_blocks) * 512,
                     .used_ns = about.st_mtim.tv_sec * 1'000'000'000 + about.st_mtim.tv_nsec});
    }
    return out;
  }

  Result<io::Fd> create(const std::string& name, uint64_t bytes) override {
    io::Fd fd(open_at(name, O_RDWR | O_CREAT | O_EXCL));
    if (!fd.is_open() && errno == ENOENT) {
      if (::mkdirat(folder_.get(), name.substr(0, 2).c_str(), 0700) != 0 && errno != EEXIST) {
        return file_error(errno, "make folder for", name);
      }
      fd = io::Fd(open_at(name, O_RDWR | O_CREAT | O_EXCL));
    }
    if (!fd.is_open()) return file_error(errno, "create", name);
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
      int number = errno;
      ::unlinkat(folder_.get(), name.c_str(), 0);
      return file_error(number, "size", name);
    }
    return fd;
  }

  Result<io::Fd> open(const std::string& name, uint64_t bytes) override {
    io::Fd fd(open_at(name, O_RDWR));
    if (!fd.is_open() && errno == EROFS) fd = io::Fd(open_at(name, O_RDONLY));
    if (!fd.is_open()) return file_error(errno, "open", name);
    struct stat about{};
    if (::fstat(fd.get(), &about) != 0) return file_error(errno, "stat", name);
    if (!S_ISREG(about.st_mode) || static_cast<uint64_t>(about.st_size) != bytes) {
      return make_error(Code::Corrupt, "cache: " + name + " has " + std::to_string(about.st_size) +
                                           " bytes instead of " + std::to_string(bytes));
    }
    return fd;
  }

  Status write(const std::string& name, int fd, uint64_t offset, BytesView bytes) override {
    while (!bytes.empty()) {
      ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      // A descriptor that could only be opened to read: the disk is read-only.
      if (written < 0) return file_error(errno == EBADF ? EROFS : errno, "write", name);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Status sync(const std::vector<std::string>& names) override {
    if (names.size() > kSyncsMax) return sync_all();
    for (const std::string& name : names) {
      io::Fd fd(open_at(name, O_RDONLY));
      if (!fd.is_open()) return sync_all();  // too many open files say nothing about this one
      if (::fdatasync(fd.get()) != 0) return file_error(errno, "sync", name);
    }
    return {};
  }

  Result<Bytes> read(const std::string& name, size_t bytes_max) override {
    io::Fd fd(open_at(name, O_RDONLY));
    if (!fd.is_open()) return file_error(errno, "open", name);
    struct stat about{};
    if (::fstat(fd.get(), &about) != 0) return file_error(errno, "stat", name);
    if (static_cast<uint64_t>(about.st_size) > bytes_max) return file_error(EFBIG, "read", name);
    Bytes out(static_cast<size_t>(about.st_size), '\0');
    size_t got = 0;
    while (got < out.size()) {
      ssize_t count = ::pread(fd.get(), out.data() + got, out.size() - got, static_cast<off_t>(got));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return file_error(errno, "read", name);
      if (count == 0) break;
      got += static_cast<size_t>(count);
    }
    out.resize(got);
    return out;
  }

  Status put(const std::string& name, BytesView bytes) override {
    io::Fd fd(open_at(name, O_WRONLY | O_CREAT));
    if (!fd.is_open()) return file_error(errno, "open", name);
    return write(name, fd.get(), 0, bytes);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::renameat(folder_.get(), from.c_str(), folder_.get(), to.c_str()) != 0) {
      return file_error(errno, "rename", from);
    }
    return {};
  }

  Status remove(const std::string& name) override {
    if (::unlinkat(folder_.get(), name.c_str(), 0) != 0 && errno != ENOENT) return file_error(errno, "remove", name);
    return {};
  }

  Status touch(const std::string& name, int64_t used_ns) override {
    timespec time{.tv_sec = used_ns / 1'000'000'000, .tv_nsec = used_ns % 1'000'000'000};
    timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, time};
    if (::utimensat(folder_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      return file_error(errno, "touch", name);
    }
    return {};
  }

  uint64_t free_bytes() override {
    struct statvfs about{};
    if (::fstatvfs(folder_.get(), &about) != 0 || (about.f_flag & ST_RDONLY) != 0) return 0;
    return static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
  }

 private:
  int open_at(const std::string& name, int flags) const {
    return ::openat(folder_.get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600);
  }

  Status sync_all() const {
    if (::syncfs(folder_.get()) != 0) return file_error(errno, "sync", "the disk");
    return {};
  }

  io::Fd folder_;
};

}  // namespace

Result<std::unique_ptr<CacheFiles>> open_cache_folder(const std::string& folder) {
  if (!io::exists(folder)) TRY(io::make_folders(folder, 0700));
  io::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return file_error(errno, "open", folder);
  // It holds set-uid files' content of strangers. On a read-only disk it stays as it is.
  if (::fchmod(fd.get(), 0700) != 0 && errno != EROFS) return file_error(errno, "set mode of", folder);
  // On the folder itself, so that a read-only disk can be locked too.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return make_error(Code::Conflict, "cache: " + folder + " is used by another process; each needs its own folder");
    }
    return file_error(errno, "lock", folder);
  }
  return std::make_unique<FolderFiles>(std::move(fd));
}

}  // namespace mcloud::image
