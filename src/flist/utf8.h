// Public readers of `.fl` files take names for UTF-8 and fail on others.
#pragma once

#include <string>
#include <string_view>

namespace mcloud::flist {

bool is_utf8(std::string_view text);
// Each byte that belongs to no character becomes U+FFFD.
std::string to_utf8(std::string_view bytes);

}  // namespace mcloud::flist
