// What a content cache asks of its folder. An interface, because tests cut the power below it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/file.h"

namespace mcloud::image {

struct CacheFile {
  std::string name;         // "ab/REST", relative to the folder
  uint64_t bytes = 0;
  uint64_t disk_bytes = 0;  // what it takes
  int64_t used_ns = 0;      // its mtime
};

// Errors: Exhausted when the disk is full or read-only, NotFound, AlreadyExists, else what errno says. Thread-safe
// for different names.
class CacheFiles {
 public:
  virtual ~CacheFiles() = default;
  // Plain files in one of the 256 folders of two hex digits; nothing else is ours to see. Absent is fine.
  virtual Result<std::vector<CacheFile>> list(uint8_t folder) = 0;
  // A new file of that size, all hole.
  virtual Result<io::Fd> create(const std::string& name, uint64_t bytes) = 0;
  // To read and write, or to read on a disk that lets nobody write. Corrupt when it has another size.
  virtual Result<io::Fd> open(const std::string& name, uint64_t bytes) = 0;
  virtual Status write(const std::string& name, int fd, uint64_t offset, BytesView bytes) = 0;
  // What was written to these files is on the disk. After an error nothing is known of any of them.
  virtual Status sync(const std::vector<std::string>& names) = 0;
  // A small file as a whole; put() is in place and not synced.
  virtual Result<Bytes> read(const std::string& name, size_t bytes_max) = 0;
  virtual Status put(const std::string& name, BytesView bytes) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;  // absent is fine
  virtual Status touch(const std::string& name, int64_t used_ns) = 0;
  // 0 on a disk that lets nobody write.
  virtual uint64_t free_bytes() = 0;
};

// Makes the folder with mode 0700 and locks it as long as it lives. Conflict: another process uses it.
Result<std::unique_ptr<CacheFiles>> open_cache_folder(const std::string& folder);

}  // namespace mcloud::image
