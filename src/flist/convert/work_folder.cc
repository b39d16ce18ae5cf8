#include "flist/convert/work_folder.h"

#include <stdlib.h>

#include <cerrno>

namespace mcloud::flist {

Result<WorkFolder> WorkFolder::make() {
  const char* place = getenv("TMPDIR");
  std::string path = std::string(place != nullptr && *place != '\0' ? place : "/var/tmp") + "/mcloud-convert-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return errno_error(errno, "make folder " + path);
  return WorkFolder(std::move(path));
}

WorkFolder::~WorkFolder() {
  if (!path_.empty()) static_cast<void>(io::remove_tree(path_));
}

}  // namespace mcloud::flist
