#include "image/tree/index.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "image/limits.h"
#include "image/tree/index_format.h"
#include "image/tree/test_tree.h"
#include "io/file.h"
#include "testing/source_tree.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

std::shared_ptr<const Index> parsed(Bytes bytes) {
  auto index = Index::parse(std::move(bytes));
  REQUIRE_MESSAGE(index.has_value(), index.error().message);
  return *index;
}

NodeNumber at(const Index& index, std::initializer_list<std::string_view> path) {
  NodeNumber number = 0;
  for (std::string_view name : path) {
    auto entry = index.find(number, name);
    REQUIRE(entry.has_value());
    CHECK_EQ(entry->name, name);
    number = entry->node;
  }
  return number;
}

std::string golden_path() { return testing::source_tree() + "/src/image/tree/testdata/example.index"; }

}  // namespace

TEST_CASE("an index answers what the tree says") {
  auto index = parsed(write_index(example_image()));
  CHECK_EQ(index->nodes(), 13);
  NodeNumber app = at(*index, {"bin", "app"});
  CHECK_EQ(at(*index, {"usr", "app"}), app);
  IndexNode node = index->node(app);
  CHECK(node.type == Node::Type::File);
  CHECK_EQ(node.mode, 04755);
  CHECK_EQ(node.links, 2);
  CHECK_EQ(node.modified_ns, 123'456'789);
  CHECK_EQ(node.bytes, kBlockBytes + 1);
  CHECK_EQ(node.count, 2);
  CHECK(index->block(app, 1) == test_block(8));
  CHECK_EQ(index->content(app), content_id(kBlockBytes + 1, {test_block(7), test_block(8)}));
  CHECK_EQ(index->sha256(app), Bytes(32, '\x5a'));
  CHECK_EQ(index->sha256(at(*index, {"caf\xc3\xa9"})), "");
  CHECK_EQ(index->target(at(*index, {"bin", "sh"})), "../usr/app");
  IndexNode disk = index->node(at(*index, {"dev", "disk"}));
  CHECK_EQ(disk.device_major, 4095);
  CHECK_EQ(disk.device_minor, 1'048'575);
  CHECK_EQ(index->config(), example_image().config);
  CHECK_FALSE(index->find(0, "none").has_value());
  CHECK_FALSE(index->find(app, "none").has_value());
}

TEST_CASE("links are counted as on a disk, parents are the first that name a node") {
  auto index = parsed(write_index(example_image()));
  CHECK_EQ(index->node(0).links, 5);  // itself, its name, "..": usr, bin, dev
  NodeNumber usr = at(*index, {"usr"}), bin = at(*index, {"bin"});
  CHECK_EQ(index->node(usr).links, 3);
  CHECK_EQ(index->node(bin).links, 2);
  CHECK_EQ(index->node(at(*index, {"usr", "app"})).parent, bin);
  CHECK_EQ(index->node(at(*index, {"usr", "empty"})).parent, usr);
  CHECK_EQ(index->node(0).parent, 0);
  CHECK_EQ(index->node(at(*index, {"\xff\xfe"})).links, 2);
}

TEST_CASE("entries are sorted by bytes and found by every name") {
  auto index = parsed(write_index(example_image()));
  std::vector<std::string> names;
  for (uint32_t i = 0; i < index->node(0).count; ++i) names.emplace_back(index->entry(0, i).name);
  CHECK_EQ(names, std::vector<std::string>{"bin", "caf\xc3\xa9", "dev", "usr", "\xff\xfe"});
  for (const std::string& name : names) CHECK(index->find(0, name).has_value());
}

TEST_CASE("attributes are found by node and sorted by name") {
  auto index = parsed(write_index(example_image()));
  NodeNumber app = at(*index, {"usr", "app"});
  REQUIRE_EQ(index->attributes(app), 3);
  CHECK_EQ(index->attribute(app, 0).first, "security.capability");
  CHECK_EQ(index->attribute(app, 0).second, Bytes(20, '\1'));
  CHECK_EQ(index->attribute(app, 1).first, "user.empty");
  CHECK_EQ(index->attribute(app, 1).second, "");
  CHECK_EQ(index->attributes(0), 0);
  CHECK_EQ(index->attribute(at(*index, {"usr", "empty"}), 0).second, Bytes("a\0b", 3));
}

TEST_CASE("the golden file pins the format") {
  Result<Bytes> golden = io::read_file(golden_path());
  REQUIRE(golden.has_value());
  CHECK(write_index(example_image()) == *golden);
  CHECK_EQ(image_digest(*golden).hex(), "23681f44215f4e06463c88f336f383796b833db93e6af4f3832513025536ee6b");
}

TEST_CASE("an index becomes the same image again, and equal images have equal bytes") {
  testing::SimulatedRandom random(2);
  for (int i = 0; i < 60; ++i) {
    Image image = random_image(random, 1 + random.below(300));
    Bytes bytes = write_index(image);
    Image again = parsed(bytes)->image();
    REQUIRE(again.check().has_value());
    REQUIRE(write_index(again) == bytes);
    CHECK(parsed(write_index(again))->image() == again);
    CHECK(again.config == image.config);
    CHECK(again.origin == image.origin);
    // The same tree with its nodes numbered otherwise.
    Image turned = image;
    auto last = static_cast<NodeNumber>(image.tree.nodes.size() - 1);
    for (NodeNumber n = 1; n <= last; ++n) turned.tree.nodes[n] = image.tree.nodes[last + 1 - n];
    for (Node& node : turned.tree.nodes) {
      for (auto& [name, child] : node.children) child = last + 1 - child;
    }
    REQUIRE(write_index(turned) == bytes);
  }
}

TEST_CASE("no byte of an index can be changed without its being refused or being another image") {
  Bytes good = write_index(example_image());
  Image image = parsed(good)->image();
  size_t refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int change : {1, 0x80, 0xff}) {
      Bytes bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      auto index = Index::parse(bytes);
      refused += !index.has_value();
      if (!index.has_value()) continue;
      Image other = (*index)->image();
      REQUIRE(other.check().has_value());
      REQUIRE(write_index(other) == bytes);
      REQUIRE_FALSE(other == image);
    }
  }
  CHECK_GT(refused, 500);
}

TEST_CASE("an index cut off or with bytes behind it is refused") {
  Bytes good = write_index(example_image());
  for (size_t size = 0; size < good.size(); ++size) REQUIRE_FALSE(Index::parse(good.substr(0, size)).has_value());
  CHECK_FALSE(Index::parse(good + '\0').has_value());
  Bytes other = good;
  other[7] = '2';
  CHECK_EQ(Index::parse(other).error().message, "index: no \"mcindex1\" at its begin");
}

TEST_CASE("counts beyond the bounds are refused before anything is allocated") {
  Bytes good = write_index(example_image());
  for (size_t field = 8; field < 40; field += 4) {
    Bytes bytes = good;
    for (size_t i = 0; i < 4; ++i) bytes[field + i] = '\xff';
    CHECK_FALSE(Index::parse(bytes).has_value());
  }
}

TEST_CASE("a file is opened in place when nobody else can change it, and copied otherwise") {
  testing::TemporaryFolder folder;
  Bytes bytes = write_index(example_image());
  for (unsigned mode : {0600u, 0644u, 0666u}) {
    REQUIRE(io::write_file(folder / "index", bytes, io::Durability::None, mode).has_value());
    auto index = Index::open(folder / "index");
    REQUIRE(index.has_value());
    CHECK((*index)->bytes() == bytes);
    if (mode == 0666) {
      REQUIRE(::truncate((folder / "index").c_str(), 0) == 0);  // a mapping would end us here
      CHECK((*index)->bytes() == bytes);
    }
  }
  CHECK_EQ(Index::open(folder / "none").error().code, Code::NotFound);
  CHECK_EQ(Index::open(folder.path()).error().code, Code::Invalid);
  REQUIRE(io::write_file(folder / "index", "", io::Durability::None).has_value());
  CHECK_EQ(Index::open(folder / "index").error().code, Code::Corrupt);
}
