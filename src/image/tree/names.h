// What a tree and an index ask of names, targets and attributes: one place, so that both refuse the same.
#pragma once

#include <string_view>

#include "image/tree/tree.h"

namespace mcloud::image {

// 1..255 bytes, no '/', no NUL, not "." or "..".
bool is_valid_name(std::string_view name);
// 1..4095 bytes, no NUL.
bool is_valid_target(std::string_view target);
// 1..255 printable ASCII characters.
bool is_valid_origin(std::string_view origin);
// For messages: quoted, shortened, without control characters.
std::string shown(std::string_view text);

}  // namespace mcloud::image
