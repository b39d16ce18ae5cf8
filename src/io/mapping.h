// A file's bytes in memory, copied out so that a page the disk cannot give is an error and not the end of the process.
#pragma once

#include "base/disk.h"

namespace mcloud::io {

// Of `fd`, which may be closed afterwards. `size` may be beyond the file's end: such bytes are Unavailable until it
// grows.
Result<std::unique_ptr<Mapping>> map_file(int fd, uint64_t size, const std::string& path);

}  // namespace mcloud::io
