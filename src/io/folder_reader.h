// Inside this room only: the names in an open folder.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <vector>

#include "io/file.h"

namespace mcloud::io {

class FolderReader {
 public:
  // Takes over an open folder.
  explicit FolderReader(Fd fd);
  // From the folder's start: at most `count_max` names, unsorted, without "." and "..".
  Result<std::vector<std::string>> names(size_t count_max);
  int fd() const { return fd_; }

 private:
  struct Close {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  int fd_;  // owned by folder_
  std::unique_ptr<DIR, Close> folder_;
};

}  // namespace mcloud::io
