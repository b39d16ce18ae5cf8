// Routes over stores that are made already: what Routes::open() ends in, and where tests put stores of their own.
#pragma once

#include <utility>

#include "image/stores/routes.h"

namespace mcloud::image {

struct PlacedStore {
  std::unique_ptr<BlockStore> store;
  std::vector<std::pair<uint8_t, uint8_t>> ranges;  // first and last first byte of the ids that it is asked for
};

std::unique_ptr<Routes> make_routes(std::vector<PlacedStore> stores, const RoutesOptions& options);

}  // namespace mcloud::image
