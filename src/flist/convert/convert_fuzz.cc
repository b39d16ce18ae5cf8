// Any bytes as two layers, into a tree in memory. What comes out must be a tree that can be indexed and comes back from
// its index as it was.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "flist/convert/layer_tree.h"
#include "image/oci/layer.h"
#include "image/tree/index.h"

using namespace mcloud;

namespace {

class BytesStream final : public image::Stream {
 public:
  explicit BytesStream(BytesView bytes) : bytes_(bytes) {}
  Result<BytesView> next() override {
    BytesView out = bytes_.substr(0, 4096);
    bytes_.remove_prefix(out.size());
    return out;
  }

 private:
  BytesView bytes_;
};

// Ids that follow from the bytes, without the work.
class NoStores final : public flist::BlockSink {
 public:
  Result<uint64_t> add(Bytes plain, const std::string&) override {
    if (plain.empty() || plain.size() > image::kBlockBytes) abort();
    refs.push_back({Hash(), crypto::blake2b(BytesView(plain).substr(0, 64))});
    return refs.size() - 1;
  }
  Result<uint64_t> add_zeros(const std::string&) override {
    refs.push_back({Hash(), Hash()});
    return refs.size() - 1;
  }
  std::vector<image::BlockRef> refs;
};

Result<image::Tree> convert(BytesView lower, BytesView upper, const image::UnpackLimits& limits) {
  flist::GrowingTree tree(limits);
  NoStores blocks;
  flist::LayerTree layers(tree, blocks, limits);
  for (BytesView bytes : {lower, upper}) {
    BytesStream stream(bytes);
    TRY(image::unpack_tar(stream, limits, layers, "layer"));
  }
  return tree.finish(blocks.refs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  image::UnpackLimits limits;
  limits.bytes_max = 4 << 20;
  limits.entries_max = 1000;
  size_t middle = size / 2 / 512 * 512;
  Result<image::Tree> tree = convert(bytes.substr(0, middle), bytes.substr(middle), limits);
  if (!tree.has_value()) return 0;
  image::Image image{std::move(*tree), "", {}};
  if (!image.check().has_value()) abort();
  auto index = image::Index::parse(image::write_index(image));
  if (!index.has_value()) {
    fprintf(stderr, "%s\n", index.error().message.c_str());
    abort();
  }
  if (!((*index)->image().tree == image.tree)) abort();
  return 0;
}
