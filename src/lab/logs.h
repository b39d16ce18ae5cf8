// Log files of a cluster's processes, bounded: what is longer at the start is set aside as NAME.log.1.
#pragma once

#include <string>

#include "io/file.h"
#include "lab/layout.h"

namespace mcloud::lab {

// Open for appending.
Result<io::Fd> open_log(const Folders& folders, const std::string& name);

}  // namespace mcloud::lab
