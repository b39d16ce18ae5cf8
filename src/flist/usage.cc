#include "flist/usage.h"

#include <algorithm>
#include <map>

namespace mcloud::flist {
namespace {

struct SharedBlock {
  uint64_t bytes = 0;
  size_t last_image = 0;   // that was counted
  size_t images = 0;
};

}  // namespace

Usage usage_of(const std::vector<std::shared_ptr<const image::Index>>& images) {
  Usage usage;
  usage.images.resize(images.size());
  std::map<Hash, SharedBlock> blocks;
  for (size_t i = 0; i < images.size(); ++i) {
    const image::Index& index = *images[i];
    ImageUsage& own = usage.images[i];
    for (uint32_t number = 0; number < index.nodes(); ++number) {
      image::IndexNode node = index.node(number);
      if (node.type != image::Node::Type::File) continue;
      own.bytes += node.bytes;
      for (uint32_t position = 0; position < node.count; ++position) {
        SharedBlock& block = blocks[index.block(number, position).id];
        if (block.images > 0 && block.last_image == i) continue;
        block.bytes = std::min(node.bytes - position * image::kBlockBytes, image::kBlockBytes);
        block.last_image = i;
        ++block.images;
        own.distinct_bytes += block.bytes;
      }
    }
    usage.bytes += own.bytes;
  }
  for (const auto& [id, block] : blocks) {
    usage.distinct_bytes += block.bytes;
    if (block.images == 1) usage.images[block.last_image].own_bytes += block.bytes;
  }
  return usage;
}

}  // namespace mcloud::flist
