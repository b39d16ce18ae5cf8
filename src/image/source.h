// Where an image lies, as people write it (see image/image.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud::image {

struct Source {
  enum class Kind { OciLayout, DockerArchive, Registry };
  Kind kind = Kind::OciLayout;
  std::string place;  // folder, file, or "host/name" without tag and digest
  std::string tag;    // OCI tag, docker reference, registry tag; "" = none given
};

// Invalid, saying what is allowed. Pure: looks at no disk.
Result<Source> parse_source(std::string_view text);

}  // namespace mcloud::image
