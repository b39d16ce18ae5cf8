#include "flist/usage.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"

using namespace mcloud;
using namespace mcloud::flist;

namespace {

// Files by their blocks' names; each block is whole but the last, which has one byte.
std::shared_ptr<const image::Index> image_of(const std::vector<std::vector<std::string>>& files) {
  image::Image image;
  image.tree.nodes.resize(1 + files.size());
  image.tree.nodes[0].type = image::Node::Type::Folder;
  image.tree.nodes[0].mode = 0755;
  for (size_t i = 0; i < files.size(); ++i) {
    image::Node& node = image.tree.nodes[i + 1];
    for (const std::string& block : files[i]) node.blocks.push_back({crypto::blake2b(block), crypto::blake2b(block)});
    node.bytes = files[i].empty() ? 0 : (files[i].size() - 1) * image::kBlockBytes + 1;
    image.tree.nodes[0].children[std::to_string(i)] = static_cast<image::NodeNumber>(i + 1);
  }
  REQUIRE(image.tree.check().has_value());
  return image::Index::parse(image::write_index(image)).value();
}

}  // namespace

TEST_CASE("a block that several files or images share is counted once") {
  auto base = image_of({{"libc", "end"}, {"shell"}, {}});
  auto web = image_of({{"libc", "end"}, {"server", "end"}, {"server", "end"}});
  Usage usage = usage_of({base, web});
  constexpr uint64_t kWhole = image::kBlockBytes;
  REQUIRE_EQ(usage.images.size(), 2u);
  CHECK_EQ(usage.images[0].bytes, kWhole + 2);
  CHECK_EQ(usage.images[0].distinct_bytes, kWhole + 2);
  CHECK_EQ(usage.images[0].own_bytes, 1);  // the shell
  CHECK_EQ(usage.images[1].bytes, 3 * (kWhole + 1));
  CHECK_EQ(usage.images[1].distinct_bytes, 2 * kWhole + 1);
  CHECK_EQ(usage.images[1].own_bytes, kWhole);
  CHECK_EQ(usage.bytes, 4 * kWhole + 5);
  CHECK_EQ(usage.distinct_bytes, 2 * kWhole + 2);
  CHECK_EQ(usage_of({}).distinct_bytes, 0);
  CHECK_EQ(usage_of({web, web}).distinct_bytes, usage.images[1].distinct_bytes);
}
