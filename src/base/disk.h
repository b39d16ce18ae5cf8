// The disk behind an interface, so that power cuts, torn writes and failing disks can be simulated by seed.
//
// What the caller may believe: a write that has returned is seen by every later read, and survives the death of this
// process. It survives a power cut only after sync() of the same file has returned; a name in a folder only after
// sync_folder(). Between two syncs parts of writes may reach the disk in any order, torn at any 512 bytes.
// All functions may be called from any thread; two calls that touch the same bytes must not run at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace mcloud {

// The bytes of a file in memory, valid as long as this lives. Later writes to the file are seen in it.
class Mapping {
 public:
  virtual ~Mapping() = default;
  // A copy, because a page that the disk cannot give must become an error and not a signal. Unavailable: it cannot.
  // `offset + size` within the mapped size.
  virtual Status read(uint64_t offset, char* to, size_t size) const = 0;
  virtual uint64_t size() const = 0;
  // A hint that these bytes are read soon: asks for what is in memory and not yet in the processor's caches. Never waits
  // for a disk.
  virtual void prefetch(uint64_t, size_t) const {}
};

class File {
 public:
  virtual ~File() = default;
  virtual Status write(uint64_t offset, BytesView bytes) = 0;  // Exhausted: the disk is full
  virtual Result<size_t> read(uint64_t offset, char* to, size_t size) = 0;  // fewer bytes only at the end
  virtual Result<uint64_t> size() = 0;
  // Space from the file's end up to `size` is there and reads as zeros; later writes into it cannot fail for lack of it.
  virtual Status allocate(uint64_t size) = 0;
  virtual Status truncate(uint64_t size) = 0;
  // After an error nothing that was not synced before can be believed to be on the disk, even if a later sync succeeds.
  virtual Status sync() = 0;
  virtual Result<std::unique_ptr<Mapping>> map(uint64_t size) = 0;
};

// Held until destroyed, or until this process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode { Read, Write, Create };  // Create: AlreadyExists when it is there

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;  // sorted; NotFound
  virtual Status make_folder(const std::string& path) = 0;                       // present is fine
  virtual Status rename(const std::string& from, const std::string& to) = 0;     // replaces
  virtual Status remove(const std::string& path) = 0;                            // a file or an empty folder; absent is fine
  virtual Status sync_folder(const std::string& path) = 0;
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
  // Makes the file if absent. Conflict: somebody holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace mcloud
