#include "image/mount/fuse_device.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace mcloud::image {
namespace {

constexpr size_t kSpliceBytesMin = 32 << 10;

// A pipe and memory of a thread: replies leave any thread, so each has its own, made when first used.
struct Scratch {
  Scratch() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    out = io::Fd(ends[0]);
    in = io::Fd(ends[1]);
    // One page more than the largest reply for the header, one for an offset inside a page.
    int size = ::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(2 * kReadBytesMax));
    if (size < 0) size = ::fcntl(in.get(), F_SETPIPE_SZ, static_cast<int>(kReadBytesMax));
    if (size < 0) size = ::fcntl(in.get(), F_GETPIPE_SZ);
    pages = size > 0 ? static_cast<size_t>(size) / 4096 : 0;
  }
  bool fits(size_t bytes) const { return in.is_open() && bytes / 4096 + 3 <= pages; }
  // Whatever went wrong in the middle leaves bytes in the pipe: a new one is cheaper than to know how many.
  void renew() { *this = Scratch(); }

  io::Fd out, in;
  size_t pages = 0;
  std::vector<char> memory;
};

Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

fuse::OutHeader header_of(uint64_t unique, int error_number, size_t body_bytes) {
  return {static_cast<uint32_t>(sizeof(fuse::OutHeader) + body_bytes), -error_number, unique};
}

bool notify(int fd, int32_t kind, std::string_view body) {
  fuse::OutHeader header = header_of(0, 0, body.size());
  header.error = kind;
  struct iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(body.data()), body.size()}};
  return ::writev(fd, parts, 2) == static_cast<ssize_t>(header.bytes);
}

}  // namespace

Result<size_t> FuseDevice::next(char* buffer, size_t bytes) const {
  while (true) {
    ssize_t got = ::read(fd_, buffer, bytes);
    if (got >= static_cast<ssize_t>(sizeof(fuse::InHeader))) return static_cast<size_t>(got);
    if (got >= 0) return make_error(Code::Corrupt, "a FUSE request of " + std::to_string(got) + " bytes");
    // ENOENT: the request was interrupted before it could be read.
    if (errno == EINTR || errno == ENOENT || errno == EAGAIN) continue;
    return errno == ENODEV || errno == ECONNABORTED ? make_error(Code::Unavailable, "the mount is gone")
                                                    : errno_error(errno, "read a FUSE request");
  }
}

bool FuseDevice::reply(uint64_t unique, std::string_view body, std::string_view more) const {
  fuse::OutHeader header = header_of(unique, 0, body.size() + more.size());
  struct iovec parts[3] = {{&header, sizeof header},
                           {const_cast<char*>(body.data()), body.size()},
                           {const_cast<char*>(more.data()), more.size()}};
  return ::writev(fd_, parts, 3) == static_cast<ssize_t>(header.bytes);
}

bool FuseDevice::reply_error(uint64_t unique, int error_number) const {
  fuse::OutHeader header = header_of(unique, error_number, 0);
  return ::write(fd_, &header, sizeof header) == static_cast<ssize_t>(sizeof header);
}

bool FuseDevice::reply_file(uint64_t unique, int file, uint64_t offset, size_t bytes) const {
  bool answered = false;
  if (bytes >= kSpliceBytesMin && scratch().fits(bytes)) {
    bool is_there = splice_file(unique, file, offset, bytes, answered);
    if (answered) return is_there;
  }
  return copy_file(unique, file, offset, bytes);
}

// Header and pages go through a pipe: the kernel copies once, from the file's pages to the reader's.
bool FuseDevice::splice_file(uint64_t unique, int file, uint64_t offset, size_t bytes, bool& answered) const {
  Scratch& mine = scratch();
  fuse::OutHeader header = header_of(unique, 0, bytes);
  if (::write(mine.in.get(), &header, sizeof header) != static_cast<ssize_t>(sizeof header)) {
    mine.renew();
    return false;
  }
  size_t filled = 0;
  loff_t at = static_cast<loff_t>(offset);
  while (filled < bytes) {
    ssize_t moved = ::splice(file, &at, mine.in.get(), nullptr, bytes - filled, SPLICE_F_NONBLOCK);
    if (moved <= 0) {
      mine.renew();
      return false;
    }
    filled += static_cast<size_t>(moved);
  }
  answered = true;
  ssize_t sent = ::splice(mine.out.get(), nullptr, fd_, nullptr, header.bytes, 0);
  if (sent == static_cast<ssize_t>(header.bytes)) return true;
  bool is_gone = errno == ENOENT;
  mine.renew();
  if (!is_gone) answered = false;
  return false;
}

bool FuseDevice::copy_file(uint64_t unique, int file, uint64_t offset, size_t bytes) const {
  std::vector<char>& memory = scratch().memory;
  if (memory.size() < bytes) memory.resize(bytes);
  size_t filled = 0;
  while (filled < bytes) {
    ssize_t got = ::pread(file, memory.data() + filled, bytes - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return reply_error(unique, EIO);
    filled += static_cast<size_t>(got);
  }
  return reply(unique, {memory.data(), bytes});
}

Result<int> FuseDevice::open_backing(int file) const {
  fuse::BackingMap map{file, 0, 0};
  int id = ::ioctl(fd_, fuse::kBackingOpen, &map);
  if (id <= 0) return errno_error(errno, "give a cached file to the kernel");
  return id;
}

void FuseDevice::close_backing(int id) const {
  uint32_t value = static_cast<uint32_t>(id);
  ::ioctl(fd_, fuse::kBackingClose, &value);
}

void FuseDevice::forget_entry(uint64_t parent, std::string_view name) const {
  fuse::InvalidateEntryOut out{parent, static_cast<uint32_t>(name.size()), 0};
  std::string body(reinterpret_cast<const char*>(&out), sizeof out);
  body.append(name).push_back('\0');
  notify(fd_, fuse::kInvalidateEntry, body);  // ENOENT: it did not know the name
}

void FuseDevice::forget_node(uint64_t node) const {
  fuse::InvalidateNodeOut out{node, 0, 0};
  notify(fd_, fuse::kInvalidateNode, {reinterpret_cast<const char*>(&out), sizeof out});
}

Status FuseDevice::resend() const {
  if (!notify(fd_, fuse::kResend, {})) return errno_error(errno, "have unanswered requests sent again");
  return {};
}

}  // namespace mcloud::image
