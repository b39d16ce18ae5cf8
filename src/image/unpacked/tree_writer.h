// Inside this room: applies the entries of image layers to a root folder, as if each were hostile.
//
// Nothing outside the root is ever touched: a path's folders are looked up with openat2(RESOLVE_IN_ROOT), so
// links of the image lead around inside the image only, and a path's last name is never followed. Devices
// are left out with a warning, as nobody in a user namespace could make them. Whiteouts hide what lower
// layers brought (OCI layer specification, "Whiteouts"), never what the same layer brought.
//
// Alone in the root while it works. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "image/limits.h"
#include "image/oci/entry_sink.h"
#include "io/file.h"

namespace mcloud::image {

class TreeWriter final : public EntrySink {
 public:
  // `folder` is there and empty.
  static Result<std::unique_ptr<TreeWriter>> open(const std::string& folder, const UnpackLimits& limits);

  void begin_layer() override;
  Status add(const TarEntry& entry, TarReader& reader) override;
  Status end_layer() override;

  uint64_t bytes() const { return bytes_; }            // of files, of all layers
  uint64_t skipped_devices() const { return skipped_devices_; }

 private:
  // A folder of the root, open.
  struct Parent {
    std::string path;
    io::Fd fd;
    uint64_t inode = 0;
  };

  TreeWriter(io::Fd root, const UnpackLimits& limits) : root_(std::move(root)), limits_(limits) {}

  Status add_checked(const TarEntry& entry, TarReader& reader, const std::string& path);
  Status add_root(const TarEntry& entry);
  Status add_whiteout(const std::string& folder, std::string_view hidden);
  Status enter(const std::string& folder);
  Result<io::Fd> open_folder(const std::string& folder);
  Result<io::Fd> make_folder(const std::string& folder);
  Status make_way(const TarEntry& entry, const std::string& name);
  Status write_folder(const TarEntry& entry, const std::string& path, const std::string& name);
  Status write_file(const TarEntry& entry, TarReader& reader, const std::string& name);
  Status write_link(const TarEntry& entry, const std::string& name);
  Status write_hard_link(const TarEntry& entry, const std::string& name);
  Status write_fifo(const TarEntry& entry, const std::string& name);
  Status remove_lower(int folder, uint64_t inode, const std::string& name, uint64_t depth);
  Status empty_lower(io::Fd folder, uint64_t depth);
  void remember(const std::string& name);
  static std::string key(uint64_t folder_inode, std::string_view name);

  io::Fd root_;
  UnpackLimits limits_;
  Parent parent_;
  std::unordered_set<std::string> written_;  // keys of what the current layer brought
  std::vector<std::pair<std::string, timespec>> folder_times_;
  uint64_t bytes_ = 0;
  uint64_t entries_ = 0;
  uint64_t looked_at_ = 0;  // names seen while hiding; whiteouts without end would cost quadratic time
  uint64_t skipped_devices_ = 0;
};

}  // namespace mcloud::image
