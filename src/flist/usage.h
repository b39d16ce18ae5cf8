// How much of several images is the same: what a store or a cache holds for all of them. Pure.
#pragma once

#include <memory>
#include <vector>

#include "image/tree/index.h"

namespace mcloud::flist {

// Plain bytes, before compression.
struct ImageUsage {
  uint64_t bytes = 0;           // of its files, as `du --apparent-size` counts them
  uint64_t distinct_bytes = 0;  // each of its blocks once
  uint64_t own_bytes = 0;       // of blocks that no other image of the list has
};

struct Usage {
  std::vector<ImageUsage> images;
  uint64_t bytes = 0;           // sum over the images
  uint64_t distinct_bytes = 0;  // each block of all images once
};

Usage usage_of(const std::vector<std::shared_ptr<const image::Index>>& images);

}  // namespace mcloud::flist
