#include "image/oci/layer.h"

#include <algorithm>

#include "image/oci/read_ahead.h"

namespace mcloud::image {
namespace {

uint64_t content_bytes_max(uint64_t stored_bytes, const UnpackLimits& limits) {
  uint64_t by_ratio = std::min(stored_bytes, limits.bytes_max / limits.ratio_max) * limits.ratio_max;
  return std::max(by_ratio, limits.bytes_free);
}

Status read_entries(Stream& content, EntrySink& sink) {
  std::unique_ptr<TarReader> reader = TRY(TarReader::open(content, TarReader::Compression::None));
  sink.begin_layer();
  while (std::optional<TarEntry> entry = TRY(reader->next())) TRY(sink.add(*entry, *reader));
  return sink.end_layer();
}

Status read_entries_ahead(Stream& content, EntrySink& sink) {
  ReadAheadStream ahead(content);
  TRY(read_entries(ahead, sink));
  return ahead.drain();
}

Status unpack_content(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, EntrySink& sink,
                      ReadAhead ahead) {
  std::unique_ptr<Stream> decompressed = TRY(open_decompressed(stored));
  HashingStream content(*decompressed, content_bytes_max(layer.stored_bytes, limits), "layer content");
  TRY(ahead == ReadAhead::Yes ? read_entries_ahead(content, sink) : read_entries(content, sink));
  Digest actual = TRY(content.finish());
  return expect_digest(layer.content_digest, actual, "layer content");
}

}  // namespace

Status unpack_layer(Stream& stored, const StoredLayer& layer, const UnpackLimits& limits, EntrySink& sink,
                    ReadAhead ahead) {
  HashingStream hashed(stored, kBlobBytesMax, "layer");
  Status unpacked = unpack_content(hashed, layer, limits, sink, ahead);
  if (layer.stored_digest.has_value()) {
    Digest actual = TRY(hashed.finish());
    TRY(expect_digest(*layer.stored_digest, actual, "layer"));
  }
  const Digest& name = layer.stored_digest.value_or(layer.content_digest);
  return std::move(unpacked).with_context("layer " + name.text());
}

Status unpack_tar(Stream& stored, const UnpackLimits& limits, EntrySink& sink, std::string_view what) {
  std::unique_ptr<Stream> decompressed = TRY(open_decompressed(stored).with_context(what));
  HashingStream bounded(*decompressed, limits.bytes_max, std::string(what));
  return read_entries_ahead(bounded, sink).with_context(what);
}

}  // namespace mcloud::image
