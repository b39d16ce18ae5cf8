// Inside this room only: is this text UTF-8 without control characters?
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace mcloud::wire {

// The offset of the first byte that is not well-formed UTF-8 (RFC 3629), or is a control character other
// than tab and line ends.
std::optional<size_t> find_bad_text(std::string_view text);

}  // namespace mcloud::wire
