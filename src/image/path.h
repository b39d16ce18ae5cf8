// Names inside an image: relative, split, without "." and "..".
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace mcloud::image {

// "./a//b/" and "/a/b" are "a/b"; the root is "". Corrupt for "..", zero bytes and names, paths or depths
// beyond image/limits.h.
Result<std::string> normal_path(std::string_view path);

// "a/b/c" -> {"a/b", "c"}, "a" -> {"", "a"}.
std::pair<std::string, std::string> split_last(const std::string& normal);

}  // namespace mcloud::image
