#include "flist/export/documents.h"

#include <nlohmann/json.hpp>

#include "image/oci/manifest.h"
#include "wire/json.h"

namespace mcloud::flist {
namespace {

using Json = nlohmann::json;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";

std::string layer_type(LayerCompression compression) {
  std::string type = "application/vnd.oci.image.layer.v1.tar";
  switch (compression) {
    case LayerCompression::None: return type;
    case LayerCompression::Gzip: return type + "+gzip";
    case LayerCompression::Zstd: return type + "+zstd";
  }
  return type;
}

Json descriptor(const char* type, const std::string& document) {
  return {{"mediaType", type}, {"digest", image::Digest::of(document).text()}, {"size", document.size()}};
}

Json history_of(const Json& config) {
  Json history = Json::array();
  auto before = config.find("history");
  if (before != config.end() && before->is_array()) {
    for (Json entry : *before) {
      if (!entry.is_object()) continue;
      entry["empty_layer"] = true;
      history.push_back(std::move(entry));
    }
  }
  history.push_back({{"created_by", "mcloud image export"}});
  return history;
}

}  // namespace

Result<std::string> config_with_layer(const std::string& config, const image::Digest& content) {
  Json json = Json::object();
  if (!config.empty()) json = TRY(wire::parse_json(config).with_context("the image's config"));
  if (!json.is_object()) return make_error(Code::Corrupt, "the image's config is no JSON object");
  if (!json.contains("architecture")) json["architecture"] = image::machine_architecture();
  if (!json.contains("os")) json["os"] = "linux";
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", {content.text()}}};
  json["history"] = history_of(json);
  return wire::json_text(json);
}

std::string manifest_document(const std::string& config, const WrittenLayer& layer, LayerCompression compression) {
  Json stored = {{"mediaType", layer_type(compression)}, {"digest", layer.stored.text()}, {"size", layer.stored_bytes}};
  return wire::json_text({{"schemaVersion", 2},
                          {"mediaType", kManifestType},
                          {"config", descriptor(kConfigType, config)},
                          {"layers", Json::array({stored})}});
}

std::string index_document(const std::string& manifest, const std::string& tag) {
  Json entry = descriptor(kManifestType, manifest);
  if (!tag.empty()) entry["annotations"] = {{"org.opencontainers.image.ref.name", tag}};
  return wire::json_text({{"schemaVersion", 2}, {"manifests", Json::array({entry})}});
}

}  // namespace mcloud::flist
