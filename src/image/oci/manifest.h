// OCI image documents (image-spec 1.1) and their Docker ancestors (manifest v2 schema 2, `docker save`) to
// values. Pure parsers of hostile bytes; Corrupt says which field is wrong and what is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "image/digest.h"
#include "image/image.h"

namespace mcloud::image {

struct Descriptor {
  Digest digest;
  uint64_t bytes = 0;
  std::string media_type;
  std::string tag;           // annotation org.opencontainers.image.ref.name
  std::string os;            // of the platform; "" = not said
  std::string architecture;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // lowest first; media types are ones we unpack
};
struct PlatformIndex {
  std::vector<Descriptor> manifests;
};
// Either, told apart by what it holds. A document that could be read as both is refused.
Result<std::variant<Manifest, PlatformIndex>> parse_manifest(BytesView json);

struct ConfigDocument {
  ImageConfig config;
  std::vector<Digest> layer_contents;  // rootfs.diff_ids: of the layers' tar streams, lowest first
  std::string os;
  std::string architecture;
};
Result<ConfigDocument> parse_config(BytesView json);

// One image of a docker archive's manifest.json.
struct ArchiveImage {
  std::string config;               // member names, normalised
  std::vector<std::string> layers;
  std::vector<std::string> tags;
};
Result<std::vector<ArchiveImage>> parse_archive_manifest(BytesView json);

// The architecture of this machine in OCI's words ("amd64", "arm64"); the system is "linux".
std::string machine_architecture();
// NotFound, listing what there is, when the index has no manifest for this machine.
Result<Descriptor> choose_platform(const PlatformIndex& index);
// The manifest a layout's index names: by tag, or the only one.
Result<Descriptor> choose_tag(const PlatformIndex& index, const std::string& tag);

}  // namespace mcloud::image
