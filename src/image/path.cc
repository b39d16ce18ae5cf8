#include "image/path.h"

#include "image/limits.h"

namespace mcloud::image {
namespace {

Error bad_path(std::string_view path, std::string_view why) {
  return make_error(Code::Corrupt, "path \"" + std::string(path.substr(0, 200)) + "\": " + std::string(why));
}

}  // namespace

Result<std::string> normal_path(std::string_view path) {
  if (path.size() > kPathBytesMax) return bad_path(path, "is longer than 4095 bytes");
  if (path.find('\0') != std::string_view::npos) return bad_path(path, "has a zero byte");
  std::string out;
  size_t depth = 0;
  for (std::string_view rest = path; !rest.empty();) {
    size_t slash = rest.find('/');
    std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") return bad_path(path, "\"..\" is not allowed");
    if (name.size() > kNameBytesMax) return bad_path(path, "has a name longer than 255 bytes");
    if (++depth > kDepthMax) return bad_path(path, "is deeper than 256 folders");
    if (!out.empty()) out += '/';
    out += name;
  }
  return out;
}

std::pair<std::string, std::string> split_last(const std::string& normal) {
  size_t slash = normal.rfind('/');
  if (slash == std::string::npos) return {"", normal};
  return {normal.substr(0, slash), normal.substr(slash + 1)};
}

}  // namespace mcloud::image
