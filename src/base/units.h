// Sizes, durations and shares of a CPU as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud {

// "0", "512", "512B", "64KiB", "1.5GiB", "10MB" (decimal), up to EiB; to bytes, rounded down.
Result<uint64_t> parse_size(std::string_view text);
// "1.5GiB", "64KiB", "512B": at most one decimal, never more precise than the value.
std::string format_size(uint64_t bytes);

// "250ms", "5s", "1m30s", "2h", "30d"; to milliseconds. A bare number is refused: it has no unit.
Result<uint64_t> parse_duration_ms(std::string_view text);
std::string format_duration_ms(uint64_t ms);

// "2", "0.5", "250m" (thousandths of a core); to thousandths.
Result<uint64_t> parse_cpu_milli(std::string_view text);
std::string format_cpu_milli(uint64_t milli);

}  // namespace mcloud
