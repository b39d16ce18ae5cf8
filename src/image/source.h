// Where an image lies, as people write it (see image/image.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::image {

struct Source {
  enum class Kind { OciLayout, DockerArchive, Registry, Flist };
  Kind kind = Kind::OciLayout;
  std::string place;  // folder, file, "host/name" without tag and digest, or (Flist) a web address
  std::string tag;    // OCI tag, docker reference, registry tag; "" = none given

  // A Flist that is fetched: "http://..." or "https://...".
  bool is_remote() const { return kind == Kind::Flist && (place.starts_with("http:") || place.starts_with("https:")); }
};

// Invalid, saying what is allowed. Pure: looks at no disk.
Result<Source> parse_source(std::string_view text);

}  // namespace mcloud::image
