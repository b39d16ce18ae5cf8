#include "image/oci/blobs.h"

#include "base/log.h"

namespace mcloud::image {
namespace {

Result<Bytes> read_stream(Stream& stream, uint64_t bytes_max, std::string_view what) {
  Bytes out;
  while (true) {
    BytesView piece = TRY(stream.next());
    if (piece.empty()) return out;
    if (out.size() + piece.size() > bytes_max) {
      return make_error(Code::Exhausted, std::string(what) + ": has more than " + std::to_string(bytes_max) + " bytes");
    }
    out += piece;
  }
}

Result<std::variant<Manifest, PlatformIndex>> read_document(const std::string& folder, const Digest& digest) {
  Bytes json = TRY(read_blob(folder, digest, "manifest"));
  return parse_manifest(json).with_context(digest.text());
}

// With its digest, which is another one when `digest` is an index's.
Result<std::pair<Digest, Manifest>> read_manifest(const std::string& folder, const Digest& digest) {
  auto document = TRY(read_document(folder, digest));
  if (Manifest* manifest = std::get_if<Manifest>(&document)) return std::pair(digest, std::move(*manifest));
  Descriptor chosen = TRY(choose_platform(std::get<PlatformIndex>(document)).with_context(digest.text()));
  auto inner = TRY(read_document(folder, chosen.digest));
  if (Manifest* manifest = std::get_if<Manifest>(&inner)) return std::pair(chosen.digest, std::move(*manifest));
  return make_error(Code::Unsupported, chosen.digest.text() + ": an index inside an index");
}

}  // namespace

Result<Bytes> read_blob(const std::string& folder, const Digest& digest, std::string_view what) {
  std::string name = std::string(what) + " " + digest.text();
  std::unique_ptr<Stream> file = TRY(open_file_stream(folder + "/" + digest.hex(), name));
  Bytes bytes = TRY(read_stream(*file, kDocumentBytesMax, name));
  TRY(expect_digest(digest, Digest::of(bytes), what));
  return bytes;
}

Result<AppliedImage> apply_blobs(const std::string& folder, const Digest& digest, const UnpackLimits& limits,
                                 EntrySink& sink, ReadAhead ahead) {
  auto [name, manifest] = TRY(read_manifest(folder, digest));
  AppliedImage out;
  out.manifest = name;
  out.config = TRY(read_blob(folder, manifest.config.digest, "config"));
  ConfigDocument config = TRY(parse_config(out.config).with_context(manifest.config.digest.text()));
  TRY(check_platform(config));
  if (config.layer_contents.size() != manifest.layers.size()) {
    return make_error(Code::Corrupt, digest.text() + ": the manifest has " + std::to_string(manifest.layers.size()) +
                                         " layers, its config " + std::to_string(config.layer_contents.size()));
  }
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    std::unique_ptr<Stream> blob =
        TRY(open_file_stream(folder + "/" + layer.digest.hex(), "layer " + layer.digest.text()));
    TRY(unpack_layer(*blob, {layer.digest, layer.bytes, config.layer_contents[i]}, limits, sink, ahead));
    out.layers.push_back(layer.digest);
  }
  return out;
}

Result<UnpackedTree> unpack_blobs(const std::string& folder, const Digest& digest, const UnpackLimits& limits,
                                  const std::string& root) {
  std::unique_ptr<TreeWriter> tree = TRY(TreeWriter::open(root, limits));
  AppliedImage applied = TRY(apply_blobs(folder, digest, limits, *tree));
  warn_of_devices(*tree, digest);
  return UnpackedTree{std::move(applied.config), tree->bytes()};
}

Result<Digest> resolve_layout(const std::string& layout, const std::string& tag) {
  Bytes json = TRY(io::read_file(layout + "/index.json", kDocumentBytesMax).with_context("OCI layout"));
  auto document = TRY(parse_manifest(json).with_context(layout + "/index.json"));
  const PlatformIndex* index = std::get_if<PlatformIndex>(&document);
  if (index == nullptr) return make_error(Code::Corrupt, layout + "/index.json: is not an index");
  return TRY(choose_tag(*index, tag).with_context(layout)).digest;
}

Status check_platform(const ConfigDocument& config) {
  bool fits_system = config.os.empty() || config.os == "linux";
  bool fits_processor = config.architecture.empty() || config.architecture == machine_architecture();
  if (fits_system && fits_processor) return {};
  return make_error(Code::Unsupported, "the image is for " + config.os + "/" + config.architecture +
                                           ", this machine is linux/" + machine_architecture());
}

void warn_of_devices(const TreeWriter& tree, const Digest& digest) {
  if (tree.skipped_devices() == 0) return;
  log::warning("image", "device nodes of an image are left out",
               {{"digest", digest.text()}, {"devices", std::to_string(tree.skipped_devices())}});
}

}  // namespace mcloud::image
