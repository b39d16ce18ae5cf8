// For tests of this room and of wire (those above use testing/temporary_folder.h).
#pragma once

#include <stdlib.h>

#include <string>

#include "io/file.h"

namespace mcloud::io {

struct ScratchFolder {
  ScratchFolder() { (void)!mkdtemp(path.data()); }
  ~ScratchFolder() { static_cast<void>(remove_tree(path)); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return path + "/" + name; }

  std::string path = "/tmp/mcloud-io-test-XXXXXX";
};

}  // namespace mcloud::io
