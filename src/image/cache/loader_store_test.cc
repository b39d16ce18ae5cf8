// The whole way: blocks in a folder, a real index, real routes.
#include <doctest/doctest.h>
#include <unistd.h>

#include "image/cache/test_world.h"

using namespace mcloud;
using namespace mcloud::image;
using namespace mcloud::image::testing;
using mcloud::testing::TemporaryFolder;

namespace {

// An image of one file, its blocks in `store`.
std::shared_ptr<const Index> store_file(const Bytes& plain, const std::string& store) {
  auto routes = Routes::open({{.url = "dir://" + store}}).value();
  Tree tree;
  tree.nodes.resize(2);
  tree.nodes[0].type = Node::Type::Folder;
  tree.nodes[0].children["file"] = 1;
  tree.nodes[1].bytes = plain.size();
  for (uint32_t block = 0; block < blocks_of(plain.size()); ++block) {
    StoredBlock stored = encode_block(BytesView(plain).substr(block * kBlockBytes, kBlockBytes));
    tree.nodes[1].blocks.push_back(stored.ref);
    REQUIRE(routes->put(stored).has_value());
  }
  REQUIRE(tree.check().has_value());
  return Index::parse(write_index({.tree = tree})).value();
}

std::string path_of(const std::string& store, const Hash& id) {
  return store + "/" + id.hex().substr(0, 2) + "/" + id.hex();
}

}  // namespace

TEST_CASE("a file comes from a folder of blocks, zeros from nowhere, and a wrong block from the other store") {
  TemporaryFolder folder;
  Bytes plain = some_bytes(4 * kBlockBytes + 17, 1);
  plain.replace(kBlockBytes, kBlockBytes, kBlockBytes, '\0');
  auto index = store_file(plain, folder / "a");
  store_file(plain, folder / "b");
  auto spoil = [&](const std::string& store, uint32_t block) {
    std::string path = path_of(folder / store, index->block(1, block).id);
    Bytes stored = io::read_file(path).value();
    stored[stored.size() / 2] ^= 1;
    REQUIRE(io::write_file(path, stored, io::Durability::None).has_value());
  };
  REQUIRE(io::remove_tree(path_of(folder / "a", index->block(1, 1).id)).has_value());
  REQUIRE(io::remove_tree(path_of(folder / "b", index->block(1, 1).id)).has_value());
  spoil("a", 2);
  spoil("a", 3);
  spoil("b", 3);

  auto cache = ContentCache::open({.folder = folder / "cache"}).value();
  auto loader = Loader::create(*cache);
  std::vector<Route> routes = {{.url = "dir://" + folder / "a"}, {.url = "dir://" + folder / "b"}};
  auto image = loader->open(index, routes, {.block_timeout_ms = 2'000}).value();
  auto content = image->hold(1).value();
  for (uint32_t block : {0, 1, 2, 4}) {
    CAPTURE(block);
    auto outcome = Want(*image, 1, block).wait();
    REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
    CHECK_FALSE(outcome->has_value());
    Bytes read(block_bytes(plain.size(), block), '\0');
    CHECK(::pread(content->fd(), read.data(), read.size(), static_cast<off_t>(block * kBlockBytes)) ==
          static_cast<ssize_t>(read.size()));
    CHECK(read == plain.substr(block * kBlockBytes, kBlockBytes));
  }
  auto wrong = Want(*image, 1, 3).wait();
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == Code::Corrupt);
  CHECK_FALSE(content->has(3));
  LoadFigures figures = image->figures();
  CHECK(figures.read_errors == 1);
  REQUIRE(figures.stores.size() == 2);
  CHECK(figures.stores[0].wrong + figures.stores[1].wrong >= 2);
}
