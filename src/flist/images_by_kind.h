// Both ways to have images on a node behind one face: `.fl` files are mounted lazily, all others are unpacked.
#pragma once

#include <memory>

#include "image/image.h"

namespace mcloud::flist {

// prepare() goes by the kind of source; find() and remove() by who has the digest.
std::unique_ptr<image::Images> images_by_kind(std::unique_ptr<image::Images> unpacked, std::unique_ptr<image::Images> lazy);

}  // namespace mcloud::flist
