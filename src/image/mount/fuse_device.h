// Inside this shelf: the descriptor of /dev/fuse. Mounting, the first handshake, replies and notifications.
// Thread-safe: each call is one message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "image/mount/fuse_abi.h"
#include "io/file.h"

namespace mcloud::image {

// What the kernel and we agreed on; for the life of the mount.
struct Negotiated {
  uint32_t minor = 0;
  bool has_passthrough = false;
  bool has_resend = false;
  bool has_idmap = false;
};

// Mounts a fresh FUSE file system on `folder`: read-only, no devices, for everybody, permissions checked by the
// kernel. Needs CAP_SYS_ADMIN. Not blocking: nobody has to serve yet.
Result<io::Fd> mount_fuse(const std::string& folder);
// Answers INIT, the first request of every mount. At most `timeout_ms`. Unsupported when the kernel is too old.
Result<Negotiated> negotiate(int fuse_fd, uint64_t timeout_ms);
// Our answer to what the kernel offers; pure.
fuse::InitOut answer_init(const fuse::InitIn& offered);
Negotiated negotiated_by(const fuse::InitIn& offered);

// Is there a FUSE mount on `folder` in our mount namespace? From /proc/self/mountinfo: asks no server.
Result<bool> is_fuse_mount(const std::string& folder);
// As is_fuse_mount, from the text; pure. `folder` as the kernel writes it, without octal escapes.
bool names_fuse_mount(std::string_view mountinfo, std::string_view folder);
// Lazily, all that are stacked on `folder`; none is fine.
Status unmount_all(const std::string& folder);

class FuseDevice {
 public:
  explicit FuseDevice(int fd) : fd_(fd) {}  // borrowed
  int fd() const { return fd_; }

  // The next request, into at least kRequestBytesMax bytes. Blocks. Unavailable when the mount is gone.
  Result<size_t> next(char* buffer, size_t bytes) const;
  // False when the request is gone (its process died, it was answered already).
  bool reply(uint64_t unique, std::string_view body, std::string_view more = {}) const;
  bool reply_error(uint64_t unique, int error_number) const;
  // Bytes of a file, without copying them through our memory when there are many. False as above; an error of
  // the file itself is answered as EIO.
  bool reply_file(uint64_t unique, int file, uint64_t offset, size_t bytes) const;

  // The id of the open file in the kernel; it lives until close_backing or the end of the mount.
  Result<int> open_backing(int file) const;
  void close_backing(int id) const;

  // What the kernel remembers of a name, or of a node's attributes and bytes. May wait for lookups in `parent`:
  // never from a thread that serves.
  void forget_entry(uint64_t parent, std::string_view name) const;
  void forget_node(uint64_t node) const;
  // All requests that were read and not answered come again, marked with fuse::kResendBit.
  Status resend() const;

 private:
  bool splice_file(uint64_t unique, int file, uint64_t offset, size_t bytes, bool& answered) const;
  bool copy_file(uint64_t unique, int file, uint64_t offset, size_t bytes) const;

  int fd_;
};

inline constexpr size_t kRequestBytesMax = 16 << 10;
inline constexpr size_t kReadBytesMax = 1 << 20;  // one READ: 256 pages

}  // namespace mcloud::image
