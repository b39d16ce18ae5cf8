// Inside this shelf: what the kernel and a FUSE server say to each other, as far as we speak it.
//
// Written from the protocol (include/uapi/linux/fuse.h of Linux, 7.45), because the headers of Debian 12 (7.38) know
// neither passthrough nor resend nor idmapped mounts. Host byte order. Every message begins with InHeader or
// OutHeader; what follows is one struct below, names end with NUL.
#pragma once

#include <sys/ioctl.h>

#include <cstdint>

namespace mcloud::image::fuse {

inline constexpr uint32_t kMajor = 7;
inline constexpr uint32_t kMinor = 41;      // what we speak; the kernel takes the smaller of both
inline constexpr uint32_t kMinorMin = 31;   // below it something we rely on is not there (Linux 5.4)
inline constexpr uint64_t kRootId = 1;
inline constexpr uint64_t kResendBit = 1ull << 63;    // of InHeader::unique: sent again after a Resend

enum Operation : uint32_t {
  kLookup = 1, kForget = 2, kGetAttributes = 3, kSetAttributes = 4, kReadLink = 5, kSymbolicLink = 6, kMakeNode = 8,
  kMakeFolder = 9, kUnlink = 10, kRemoveFolder = 11, kRename = 12, kLink = 13, kOpen = 14, kRead = 15, kWrite = 16,
  kFileSystem = 17, kRelease = 18, kSync = 20, kSetXattr = 21, kGetXattr = 22, kListXattr = 23, kRemoveXattr = 24,
  kFlush = 25, kInit = 26, kOpenFolder = 27, kReadFolder = 28, kReleaseFolder = 29, kSyncFolder = 30, kAccess = 34,
  kCreate = 35, kInterrupt = 36, kDestroy = 38, kIoctl = 39, kPoll = 40, kBatchForget = 42, kAllocate = 43,
  kReadFolderPlus = 44, kRename2 = 45, kSeek = 46, kTemporaryFile = 51,
};

// Notifications: OutHeader with unique 0 and this in `error`.
enum Notification : int32_t { kInvalidateNode = 2, kInvalidateEntry = 3, kResend = 7 };

// Of INIT; bits from 32 on travel in flags2.
inline constexpr uint64_t kAsyncRead = 1ull << 0;
inline constexpr uint64_t kDoReadFolderPlus = 1ull << 13;
inline constexpr uint64_t kReadFolderPlusAuto = 1ull << 14;
inline constexpr uint64_t kParallelFolders = 1ull << 18;
inline constexpr uint64_t kMaxPages = 1ull << 22;
inline constexpr uint64_t kCacheLinks = 1ull << 23;
inline constexpr uint64_t kNoOpenFolder = 1ull << 24;
inline constexpr uint64_t kExplicitInvalidate = 1ull << 25;
inline constexpr uint64_t kInitExtended = 1ull << 30;
inline constexpr uint64_t kPassthrough = 1ull << 37;
inline constexpr uint64_t kHasResend = 1ull << 39;
inline constexpr uint64_t kAllowIdmap = 1ull << 40;

// Of OpenOut.
inline constexpr uint32_t kOpenKeepCache = 1 << 1;
inline constexpr uint32_t kOpenCacheFolder = 1 << 3;
inline constexpr uint32_t kOpenPassthrough = 1 << 7;

struct InHeader {
  uint32_t bytes;
  uint32_t operation;
  uint64_t unique;
  uint64_t node;
  uint32_t user, group, process;
  uint16_t extension_words, padding;
};
static_assert(sizeof(InHeader) == 40);

struct OutHeader {
  uint32_t bytes;
  int32_t error;  // 0 or a negative errno
  uint64_t unique;
};
static_assert(sizeof(OutHeader) == 16);

struct InitIn {
  uint32_t major, minor, read_ahead_max, flags;
  uint32_t flags2;
  uint32_t unused[11];
};
static_assert(sizeof(InitIn) == 64);

struct InitOut {
  uint32_t major, minor, read_ahead_max, flags;
  uint16_t background_max, congestion_threshold;
  uint32_t write_max, time_granularity_ns;
  uint16_t pages_max, map_alignment;
  uint32_t flags2, stack_depth_max;
  uint16_t request_timeout_s, unused[11];
};
static_assert(sizeof(InitOut) == 64);

struct Attributes {
  uint64_t inode, size, sectors;  // of 512 bytes
  uint64_t accessed_s, modified_s, changed_s;
  uint32_t accessed_ns, modified_ns, changed_ns;
  uint32_t mode, links, user, group, device, block_bytes, flags;
};
static_assert(sizeof(Attributes) == 88);

struct EntryOut {
  uint64_t node;  // 0: there is no such name, and that may be remembered
  uint64_t generation;
  uint64_t entry_valid_s, attributes_valid_s;
  uint32_t entry_valid_ns, attributes_valid_ns;
  Attributes attributes;
};
static_assert(sizeof(EntryOut) == 128);

struct AttributesOut {
  uint64_t valid_s;
  uint32_t valid_ns, padding;
  Attributes attributes;
};
static_assert(sizeof(AttributesOut) == 104);

struct ForgetIn { uint64_t lookups; };
struct ForgetOne { uint64_t node, lookups; };
struct BatchForgetIn { uint32_t count, padding; };

struct OpenIn { uint32_t flags, open_flags; };
struct OpenOut {
  uint64_t handle;
  uint32_t open_flags;
  int32_t backing;
};
static_assert(sizeof(OpenOut) == 16);

struct ReleaseIn {
  uint64_t handle;
  uint32_t flags, release_flags;
  uint64_t lock_owner;
};
static_assert(sizeof(ReleaseIn) == 24);

struct ReadIn {  // also of folders
  uint64_t handle, offset;
  uint32_t size, read_flags;
  uint64_t lock_owner;
  uint32_t flags, padding;
};
static_assert(sizeof(ReadIn) == 40);

struct FileSystemOut {
  uint64_t blocks, blocks_free, blocks_available, files, files_free;
  uint32_t block_bytes, name_bytes_max, fragment_bytes, padding, spare[6];
};
static_assert(sizeof(FileSystemOut) == 80);

struct GetXattrIn { uint32_t size, padding; };
struct GetXattrOut { uint32_t size, padding; };

struct InterruptIn { uint64_t unique; };

// A folder's entry; the name follows without NUL, padded to 8 bytes.
struct FolderEntry {
  uint64_t inode, next;  // the offset to read on from
  uint32_t name_bytes, type;
};
static_assert(sizeof(FolderEntry) == 24);

struct InvalidateNodeOut { uint64_t node; int64_t offset, bytes; };
struct InvalidateEntryOut { uint64_t parent; uint32_t name_bytes, flags; };  // name and NUL follow
static_assert(sizeof(InvalidateEntryOut) == 16);

struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
static_assert(sizeof(BackingMap) == 16);

inline constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);   // returns the backing's id
inline constexpr unsigned long kBackingClose = _IOW(229, 2, uint32_t);

}  // namespace mcloud::image::fuse
