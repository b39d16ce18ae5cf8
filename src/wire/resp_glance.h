// A glance at a request before it is parsed, for hints about what comes. Pure. The parser (wire/resp.h) has the say.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace mcloud::wire {

struct RespGlance {
  std::string_view second;  // argument: the key, in most requests; a view into the bytes
  size_t size = 0;          // of the request
};

// The request that `bytes` begin with. nullopt: it is not whole, is no array of two bulk strings or more, or is odd in
// any way.
std::optional<RespGlance> resp_glance(BytesView bytes);

}  // namespace mcloud::wire
