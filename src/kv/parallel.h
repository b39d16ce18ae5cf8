// The same work over many things, on all cores, for opening a store.
#pragma once

#include <cstddef>
#include <functional>

#include "base/result.h"

namespace mcloud::kv {

// work(0) .. work(count - 1), in any order, on as many threads as there are cores; the first error, after all have
// ended.
Status in_parallel(size_t count, const std::function<Status(size_t)>& work);

}  // namespace mcloud::kv
