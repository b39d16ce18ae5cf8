// Inside this room: a folder for what a conversion needs on disk for a while; gone when we are done.
#pragma once

#include <string>

#include "io/file.h"

namespace mcloud::flist {

class WorkFolder {
 public:
  // In $TMPDIR, else in /var/tmp: what goes in is large, and /tmp may be memory.
  static Result<WorkFolder> make();
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder();
  const std::string& path() const { return path_; }

 private:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace mcloud::flist
