// Moments as people say them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace mcloud::cli {

// "24h", "30d": so long before `now_ms`. "2026-11-28", "2026-11-28T08:30", "2026-11-28T08:30:05": UTC, also with a Z at
// the end. To milliseconds since 1970; Invalid for anything else.
Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ms);

}  // namespace mcloud::cli
