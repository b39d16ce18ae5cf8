// Inside this room: owner, mode, times and extended attributes of what was just written.
#pragma once

#include "image/oci/tar_reader.h"

namespace mcloud::image {

// Invalid ids or times are refused before anything is written.
Status check_attributes(const TarEntry& entry);
timespec modified_time(const TarEntry& entry);

// On an open file or folder. Owner first: a change of owner clears set-uid and security.capability. Of the
// extended attributes only user.* and security.capability are kept (no trusted.*: overlayfs obeys those).
Status set_attributes(int fd, const TarEntry& entry);
// Of a folder that a lower layer made: user.* and security.capability go, before this layer's come.
Status remove_attributes(int fd);
// On a link or a fifo, by name.
Status set_attributes_at(int folder, const std::string& name, const TarEntry& entry);

}  // namespace mcloud::image
