// Images from recipes: a base (Debian packages, another image, a folder or nothing), changes to its files, and how to
// start it (docs/reference/image-recipe.md). No command of the image is run by us, and nothing but Debian's packages
// comes from the network.
#pragma once

#include "flist/convert.h"

namespace mcloud::flist {

struct BuildOptions {
  ConvertOptions convert;
  std::string mmdebstrap = "mmdebstrap";  // the program for `from: debian`; needs root
  std::string debian_sources;             // a sources file for it; "" = the first one in /etc/apt that names Debian
  uint64_t timeout_ms = 1'800'000;        // for it
};

// The same recipe with the same base, files and package versions gives an equal Flist.
// Invalid "FILE:LINE: what is wrong and what is allowed" for a recipe; else as convert().
Result<Converted> build(const std::string& recipe_path, const BuildOptions& options);

}  // namespace mcloud::flist
