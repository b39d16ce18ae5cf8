// Any bytes as an image's documents and sources.
#include <cstdint>

#include "image/oci/manifest.h"
#include "image/path.h"
#include "image/source.h"

using namespace mcloud;
using namespace mcloud::image;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  auto manifest = parse_manifest(bytes);
  if (manifest.has_value()) {
    if (const PlatformIndex* index = std::get_if<PlatformIndex>(&*manifest)) {
      auto chosen = choose_platform(*index);
      auto tagged = choose_tag(*index, "latest");
      if (chosen.has_value() && chosen->digest.hex().size() != 64) __builtin_trap();
      if (tagged.has_value() && tagged->digest.hex().size() != 64) __builtin_trap();
    }
  }
  auto config = parse_config(bytes);
  if (config.has_value()) {
    for (const Digest& digest : config->layer_contents) {
      if (digest.hex().find('/') != std::string::npos) __builtin_trap();
    }
  }
  auto archive = parse_archive_manifest(bytes);
  auto source = parse_source(bytes);
  auto path = normal_path(bytes);
  if (path.has_value()) {
    std::string padded = "/" + *path + "/";
    if (padded.find("/../") != std::string::npos || padded.find("/./") != std::string::npos) __builtin_trap();
  }
  return archive.has_value() && source.has_value() ? 0 : 0;
}
