// Inside this room: what images are made from, each into an Assembly.
#pragma once

#include "flist/convert/assembly.h"

namespace mcloud::flist {

// Whatever convert.h lists. Invalid, saying what is allowed.
Status load_source(const std::string& source, Assembly& assembly);

// A folder as it lies: owners, modes, times, links between names, holes, devices, user.* and capabilities. Sockets
// are left out, as nobody listens on them any more. Stays on the folder's file system: what is mounted below is an
// empty folder. Conflict when a file changes while it is read. One file open at a time, links never followed.
Status load_folder(const std::string& path, Assembly& assembly);

// An image made before, its blocks fetched through `from` and encoded again (the same, unless the secret differs).
// Borrows `from` until the assembly is finished.
Status load_image(const image::Image& image, image::Routes& from, Assembly& assembly);

}  // namespace mcloud::flist
