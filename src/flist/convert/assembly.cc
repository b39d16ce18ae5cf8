#include "flist/convert/assembly.h"

namespace mcloud::flist {
namespace {

PipelineOptions pipeline_options(const ConvertOptions& options) {
  PipelineOptions out;
  out.secret = options.secret;
  out.threads = options.threads;
  if (options.on_progress) {
    out.on_progress = [tell = options.on_progress](uint64_t done) { tell(done, 0); };
  }
  return out;
}

// Of all stores together.
std::pair<uint64_t, uint64_t> put_so_far(const image::Routes& stores) {
  std::pair<uint64_t, uint64_t> sum;
  for (const image::StoreFigures& store : stores.figures()) {
    sum.first += store.put_blocks;
    sum.second += store.put_bytes;
  }
  return sum;
}

}  // namespace

Assembly::Assembly(image::Routes& stores, const ConvertOptions& options)
    : stores_(stores), options_(options), tree_(options.limits), blocks_(stores, pipeline_options(options)) {
  std::tie(put_blocks_before_, put_bytes_before_) = put_so_far(stores);
}

Result<Converted> Assembly::finish() {
  std::vector<image::BlockRef> refs = TRY(blocks_.finish());
  Converted out;
  out.flist = std::move(outside);
  out.flist.image.tree = TRY(tree_.finish(refs));
  out.flist.image.config = std::move(config);
  out.flist.image.origin = std::move(origin);
  TRY(out.flist.image.check());
  out.flist.routes = options_.stores;
  for (image::Route& route : out.flist.routes) {
    if (!options_.write_secrets) route.url = image::without_secrets(route.url);
  }
  out.digest = image::image_digest(image::write_index(out.flist.image));
  std::erase_if(out.flist.signatures, [&](const ImageSignature& one) { return !verify_signature(one, out.digest); });
  for (const image::Node& node : out.flist.image.tree.nodes) out.bytes += node.bytes;
  out.blocks = blocks_.figures().blocks;
  auto [put_blocks, put_bytes] = put_so_far(stores_);
  out.new_blocks = put_blocks - put_blocks_before_;
  out.stored_bytes = put_bytes - put_bytes_before_;
  return out;
}

}  // namespace mcloud::flist
