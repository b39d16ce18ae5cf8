#include "io/folder_reader.h"

#include <cerrno>

namespace mcloud::io {

FolderReader::FolderReader(Fd fd) : fd_(fd.get()), folder_(fdopendir(fd.get())) {
  if (folder_ != nullptr) fd.release();
}

Result<std::vector<std::string>> FolderReader::names(size_t count_max) {
  if (folder_ == nullptr) return make_error(Code::Internal, "cannot read the folder");
  rewinddir(folder_.get());
  std::vector<std::string> out;
  while (out.size() < count_max) {
    errno = 0;
    const dirent* entry = readdir(folder_.get());
    if (entry == nullptr && errno != 0) return errno_error(errno, "readdir");
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  return out;
}

}  // namespace mcloud::io
