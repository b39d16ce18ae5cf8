// Inside this room: Debian packages as the base of an image, by the program mmdebstrap.
#pragma once

#include "flist/build.h"
#include "flist/build/recipe.h"
#include "flist/convert/assembly.h"

namespace mcloud::flist {

// Package lists, caches, logs, device nodes and what is of the building machine (host name, resolver) stay out.
// Unavailable with mmdebstrap's last words when it fails.
Status load_debian(const Recipe& recipe, const BuildOptions& options, Assembly& assembly);

}  // namespace mcloud::flist
