#include "image/oci/manifest.h"

#include <sys/utsname.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "image/limits.h"
#include "image/path.h"

namespace mcloud::image {
namespace {

using Json = nlohmann::json;

constexpr size_t kListMax = 1024;        // arguments, variables, tags, manifests
constexpr size_t kTextBytesMax = 128 << 10;
constexpr int kDepthMaxJson = 32;

Error wrong(std::string_view field, std::string_view allowed) {
  return make_error(Code::Corrupt, std::string(field) + ": must be " + std::string(allowed));
}

// Discarded, like anything malformed, when it is nested deeper than any of these documents: brackets alone
// would take a hundred times their size in memory.
Json parse_bounded(BytesView bytes) {
  bool is_too_deep = false;
  Json json = Json::parse(
      bytes,
      [&](int depth, Json::parse_event_t, Json&) {
        is_too_deep = is_too_deep || depth > kDepthMaxJson;
        return !is_too_deep;
      },
      false);
  return is_too_deep ? Json(Json::value_t::discarded) : json;
}

Result<Json> parse_object(BytesView bytes, std::string_view what) {
  if (bytes.size() > kDocumentBytesMax) {
    return make_error(Code::Exhausted, std::string(what) + ": has " + std::to_string(bytes.size()) +
                                           " bytes, allowed are " + std::to_string(kDocumentBytesMax));
  }
  Json json = parse_bounded(bytes);
  if (!json.is_object()) return wrong(what, "a JSON object");
  return json;
}

// A missing field and null are the same: Go writes either.
const Json* member(const Json& object, const char* name) {
  auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> text_member(const Json& object, const char* name, std::string_view field) {
  const Json* value = member(object, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return wrong(field, "a text");
  const std::string& text = value->get_ref<const std::string&>();
  if (text.size() > kTextBytesMax || text.find('\0') != std::string::npos) {
    return wrong(field, "a text of at most 128 KiB without zero bytes");
  }
  return text;
}

Result<std::vector<std::string>> texts_member(const Json& object, const char* name, std::string_view field) {
  std::vector<std::string> out;
  const Json* value = member(object, name);
  if (value == nullptr) return out;
  if (!value->is_array() || value->size() > kListMax) return wrong(field, "a list of at most 1024 texts");
  size_t bytes = 0;
  for (const Json& item : *value) {
    if (!item.is_string()) return wrong(field, "a list of texts");
    out.push_back(item.get<std::string>());
    bytes += out.back().size();
    if (bytes > kTextBytesMax || out.back().find('\0') != std::string::npos) {
      return wrong(field, "at most 128 KiB of texts without zero bytes");
    }
  }
  return out;
}

Result<Descriptor> parse_descriptor(const Json& json, std::string_view field) {
  if (!json.is_object()) return wrong(field, "a descriptor object");
  std::string name(field);
  Descriptor descriptor;
  const Json* size = member(json, "size");
  if (size == nullptr || !size->is_number_unsigned()) return wrong(name + ".size", "a whole number of bytes");
  descriptor.bytes = size->get<uint64_t>();
  if (descriptor.bytes > kBlobBytesMax) return wrong(name + ".size", "at most " + std::to_string(kBlobBytesMax));
  Result<Digest> digest = Digest::parse(TRY(text_member(json, "digest", name + ".digest")));
  if (!digest.has_value()) return make_error(Code::Corrupt, name + ".digest: " + digest.error().message);
  descriptor.digest = *digest;
  descriptor.media_type = TRY(text_member(json, "mediaType", name + ".mediaType"));
  if (const Json* platform = member(json, "platform"); platform != nullptr && platform->is_object()) {
    descriptor.os = TRY(text_member(*platform, "os", name + ".platform.os"));
    descriptor.architecture = TRY(text_member(*platform, "architecture", name + ".platform.architecture"));
  }
  if (const Json* notes = member(json, "annotations"); notes != nullptr && notes->is_object()) {
    descriptor.tag = TRY(text_member(*notes, "org.opencontainers.image.ref.name", name + ".annotations"));
  }
  return descriptor;
}

Status check_layer_type(const Descriptor& layer, std::string_view field) {
  static constexpr std::string_view kTypes[] = {
      "application/vnd.oci.image.layer.v1.tar",      "application/vnd.oci.image.layer.v1.tar+gzip",
      "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.diff.tar"};
  if (std::find(std::begin(kTypes), std::end(kTypes), layer.media_type) != std::end(kTypes)) return {};
  return make_error(Code::Unsupported, std::string(field) + ": media type \"" + layer.media_type +
                                           "\" is not a tar layer, plain or with gzip or zstd");
}

Result<Manifest> manifest_of(const Json& json) {
  Manifest manifest;
  const Json* config = member(json, "config");
  if (config == nullptr) return wrong("manifest.config", "there");
  manifest.config = TRY(parse_descriptor(*config, "manifest.config"));
  if (manifest.config.bytes > kDocumentBytesMax) return wrong("manifest.config.size", "at most 4 MiB");
  const Json& layers = *member(json, "layers");
  if (!layers.is_array() || layers.size() > kLayersMax) return wrong("manifest.layers", "a list of at most 128 layers");
  for (const Json& layer : layers) {
    std::string field = "manifest.layers[" + std::to_string(manifest.layers.size()) + "]";
    manifest.layers.push_back(TRY(parse_descriptor(layer, field)));
    TRY(check_layer_type(manifest.layers.back(), field));
  }
  return manifest;
}

Result<PlatformIndex> index_of(const Json& json) {
  const Json& manifests = *member(json, "manifests");
  if (!manifests.is_array() || manifests.size() > kListMax) {
    return wrong("index.manifests", "a list of at most 1024 manifests");
  }
  PlatformIndex index;
  for (const Json& manifest : manifests) {
    index.manifests.push_back(
        TRY(parse_descriptor(manifest, "index.manifests[" + std::to_string(index.manifests.size()) + "]")));
  }
  return index;
}

Result<ImageConfig> image_config(const Json& json) {
  ImageConfig out;
  const Json* config = member(json, "config");
  if (config == nullptr) return out;
  if (!config->is_object()) return wrong("config.config", "an object");
  out.entrypoint = TRY(texts_member(*config, "Entrypoint", "config.Entrypoint"));
  out.command = TRY(texts_member(*config, "Cmd", "config.Cmd"));
  out.environment = TRY(texts_member(*config, "Env", "config.Env"));
  for (const std::string& variable : out.environment) {
    size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) return wrong("config.Env", "a list of NAME=value");
  }
  out.user = TRY(text_member(*config, "User", "config.User"));
  out.working_folder = TRY(text_member(*config, "WorkingDir", "config.WorkingDir"));
  out.stop_signal = TRY(text_member(*config, "StopSignal", "config.StopSignal"));
  if (const Json* volumes = member(*config, "Volumes"); volumes != nullptr) {
    if (!volumes->is_object() || volumes->size() > kListMax) return wrong("config.Volumes", "a map of paths");
    for (const auto& entry : volumes->items()) out.volumes.push_back(entry.key());
  }
  return out;
}

std::string platform_text(const Descriptor& descriptor) {
  if (descriptor.os.empty() && descriptor.architecture.empty()) return "(not said)";
  return descriptor.os + "/" + descriptor.architecture;
}

}  // namespace

Result<std::variant<Manifest, PlatformIndex>> parse_manifest(BytesView bytes) {
  Json json = TRY(parse_object(bytes, "manifest"));
  const Json* version = member(json, "schemaVersion");
  if (version == nullptr || *version != 2) {
    return make_error(Code::Unsupported, "manifest.schemaVersion: must be 2");
  }
  bool has_layers = member(json, "layers") != nullptr;
  bool has_manifests = member(json, "manifests") != nullptr;
  if (has_layers == has_manifests) return wrong("manifest", "either a manifest with layers or an index with manifests");
  if (has_layers) return std::variant<Manifest, PlatformIndex>(TRY(manifest_of(json)));
  return std::variant<Manifest, PlatformIndex>(TRY(index_of(json)));
}

Result<ConfigDocument> parse_config(BytesView bytes) {
  Json json = TRY(parse_object(bytes, "config"));
  ConfigDocument document;
  document.config = TRY(image_config(json));
  document.os = TRY(text_member(json, "os", "config.os"));
  document.architecture = TRY(text_member(json, "architecture", "config.architecture"));
  const Json* rootfs = member(json, "rootfs");
  if (rootfs == nullptr || !rootfs->is_object()) return wrong("config.rootfs", "an object");
  for (const std::string& text : TRY(texts_member(*rootfs, "diff_ids", "config.rootfs.diff_ids"))) {
    Result<Digest> digest = Digest::parse(text);
    if (!digest.has_value()) return make_error(Code::Corrupt, "config.rootfs.diff_ids: " + digest.error().message);
    document.layer_contents.push_back(*digest);
  }
  if (document.layer_contents.size() > kLayersMax) return wrong("config.rootfs.diff_ids", "at most 128 layers");
  return document;
}

Result<std::vector<ArchiveImage>> parse_archive_manifest(BytesView bytes) {
  if (bytes.size() > kDocumentBytesMax) return wrong("manifest.json", "at most 4 MiB");
  Json json = parse_bounded(bytes);
  if (!json.is_array() || json.empty() || json.size() > kListMax) {
    return wrong("manifest.json", "a list of 1 to 1024 images");
  }
  std::vector<ArchiveImage> images;
  for (const Json& item : json) {
    if (!item.is_object()) return wrong("manifest.json", "a list of objects");
    ArchiveImage image;
    std::string config = TRY(text_member(item, "Config", "manifest.json Config"));
    image.config = TRY(normal_path(config));
    for (const std::string& layer : TRY(texts_member(item, "Layers", "manifest.json Layers"))) {
      image.layers.push_back(TRY(normal_path(layer)));
    }
    if (image.layers.size() > kLayersMax) return wrong("manifest.json Layers", "at most 128 layers");
    image.tags = TRY(texts_member(item, "RepoTags", "manifest.json RepoTags"));
    images.push_back(std::move(image));
  }
  return images;
}

std::string machine_architecture() {
  utsname name{};
  uname(&name);
  std::string machine = name.machine;
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

Result<Descriptor> choose_platform(const PlatformIndex& index) {
  std::string there;
  for (const Descriptor& manifest : index.manifests) {
    if (manifest.os == "linux" && manifest.architecture == machine_architecture()) return manifest;
    there += (there.empty() ? "" : ", ") + platform_text(manifest);
  }
  if (index.manifests.size() == 1 && index.manifests[0].os.empty()) return index.manifests[0];
  return make_error(Code::NotFound, "the image has no manifest for linux/" + machine_architecture() +
                                        "; it has: " + there.substr(0, 500));
}

Result<Descriptor> choose_tag(const PlatformIndex& index, const std::string& tag) {
  std::string there;
  for (const Descriptor& manifest : index.manifests) {
    if (!tag.empty() && manifest.tag == tag) return manifest;
    if (!manifest.tag.empty()) there += (there.empty() ? "" : ", ") + manifest.tag;
  }
  if (tag.empty() && index.manifests.size() == 1) return index.manifests[0];
  std::string has = there.empty() ? std::to_string(index.manifests.size()) + " images without tags" : "tags " + there;
  return make_error(Code::NotFound, (tag.empty() ? std::string("the layout holds several images, name a tag")
                                                 : "the layout has no tag \"" + tag + "\"") +
                                        "; it has " + has.substr(0, 500));
}

}  // namespace mcloud::image
