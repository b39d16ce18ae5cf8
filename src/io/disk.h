// The machine's disk: the real home of base/disk.h.
#pragma once

#include "base/disk.h"

namespace mcloud::io {

// Files are made with mode 0600, folders with 0700. Stateless: any number may live, in any thread.
// The first mapping installs a SIGBUS handler for the process, which hands what is not ours to the one before.
class SystemDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
};

}  // namespace mcloud::io
