#include "image/oci/layer.h"

#include <algorithm>

namespace mcloud::image {
namespace {

uint64_t content_bytes_max(uint64_t stored_bytes, const UnpackLimits& limits) {
  uint64_t by_ratio = std::min(stored_bytes, limits.bytes_max / limits.ratio_max) * limits.ratio_max;
  return std::max(by_ratio, limits.bytes_free);
}

Status unpack_content(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, TreeWriter& tree) {
  std::unique_ptr<Stream> decompressed = TRY(open_decompressed(stored));
  HashingStream content(*decompressed, content_bytes_max(layer.stored_bytes, limits), "layer content");
  std::unique_ptr<TarReader> reader = TRY(TarReader::open(content, TarReader::Compression::None));
  tree.begin_layer();
  while (std::optional<TarEntry> entry = TRY(reader->next())) TRY(tree.add(*entry, *reader));
  TRY(tree.end_layer());
  Digest actual = TRY(content.finish());
  return expect_digest(layer.content_digest, actual, "layer content");
}

}  // namespace

Status unpack_layer(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, TreeWriter& tree) {
  HashingStream hashed(stored, kBlobBytesMax, "layer");
  Status unpacked = unpack_content(hashed, layer, limits, tree);
  if (layer.stored_digest.has_value()) {
    Digest actual = TRY(hashed.finish());
    TRY(expect_digest(*layer.stored_digest, actual, "layer"));
  }
  const Digest& name = layer.stored_digest.value_or(layer.content_digest);
  return std::move(unpacked).with_context("layer " + name.text());
}

}  // namespace mcloud::image
