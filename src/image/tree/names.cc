#include "image/tree/names.h"

#include <algorithm>

#include "image/limits.h"

namespace mcloud::image {

bool is_valid_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "." || name == "..") return false;
  return name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_valid_target(std::string_view target) {
  return !target.empty() && target.size() <= kPathBytesMax && target.find('\0') == std::string_view::npos;
}

bool is_valid_origin(std::string_view origin) {
  if (origin.empty() || origin.size() > kOriginBytesMax) return false;
  return std::ranges::all_of(origin, [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_kept_attribute(std::string_view name, BytesView value) {
  if (name.size() > kNameBytesMax || name.find('\0') != std::string_view::npos) return false;
  // linux/capability.h: revisions 1 and 2; revision 3 names a user namespace of somebody's machine.
  if (name == "security.capability") return value.size() == 12 || value.size() == 20;
  return name.starts_with("user.") && name.size() > 5 && !name.starts_with("user.overlay.");
}

std::string shown(std::string_view text) {
  std::string out = "\"";
  // Bytes above ASCII are kept: most are UTF-8 names that people read.
  for (char c : text.substr(0, 100)) out += static_cast<unsigned char>(c) >= 0x20 && c != 0x7f ? c : '?';
  return out + (text.size() > 100 ? "...\"" : "\"");
}

}  // namespace mcloud::image
