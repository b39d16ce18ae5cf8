#include "image/tree/tree.h"

#include <doctest/doctest.h>

#include "image/limits.h"
#include "image/tree/test_tree.h"

using namespace mcloud;
using namespace mcloud::image;

namespace {

// What check() says of the example after `change`; "" = nothing.
template <typename Change>
std::string said(Change change) {
  Image image = example_image();
  change(image.tree.nodes);
  Status status = image.check();
  return status.has_value() ? "" : status.error().message;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

using Nodes = std::vector<Node>;

}  // namespace

TEST_CASE("a tree with something of everything is sound") {
  CHECK_EQ(said([](Nodes&) {}), "");
  testing::SimulatedRandom random(1);
  for (int i = 0; i < 50; ++i) REQUIRE(random_image(random, 1 + random.below(200)).check().has_value());
}

TEST_CASE("names that could lead out of a folder are refused") {
  for (std::string name : {std::string(""), std::string("."), std::string(".."), std::string("a/b"),
                           std::string("a\0b", 3), std::string(256, 'x')}) {
    CHECK(has(said([&](Nodes& nodes) { nodes[12].children[name] = 6; }), "is not allowed"));
  }
  CHECK_EQ(said([](Nodes& nodes) { nodes[12].children[std::string(255, 'x')] = 6; }), "");
}

TEST_CASE("cycles, second names of folders, orphans and numbers of nothing are refused") {
  CHECK(has(said([](Nodes& nodes) { nodes[12].children["up"] = 0; }), "two names"));
  CHECK(has(said([](Nodes& nodes) { nodes[12].children["self"] = 12; }), "two names"));
  CHECK(has(said([](Nodes& nodes) { nodes[12].children["again"] = 2; }), "two names"));
  CHECK(has(said([](Nodes& nodes) { nodes[12].children["none"] = 13; }), "not there"));
  CHECK(has(said([](Nodes& nodes) { nodes[3].children.erase("pipe"); }), "1 nodes have no name"));
  // Two folders that hold each other and that nobody else holds.
  CHECK(has(said([](Nodes& nodes) {
    nodes.push_back(test_folder({{"b", 14}}));
    nodes.push_back(test_folder({{"a", 13}}));
  }), "2 nodes have no name"));
  CHECK(has(said([](Nodes& nodes) { nodes.clear(); }), "node 0"));
  CHECK(has(said([](Nodes& nodes) { nodes[0].type = Node::Type::File; }), "node 0"));
}

TEST_CASE("what a type does not have is refused") {
  CHECK(has(said([](Nodes& nodes) { nodes[8].bytes = 1; }), "no file has content"));
  CHECK(has(said([](Nodes& nodes) { nodes[8].target = "x"; }), "no link has a target"));
  CHECK(has(said([](Nodes& nodes) { nodes[8].device_minor = 1; }), "no device"));
  CHECK(has(said([](Nodes& nodes) { nodes[9].children["x"] = 8; }), "no folder has entries"));
  CHECK(has(said([](Nodes& nodes) { nodes[5].target.clear(); }), "target"));
  CHECK(has(said([](Nodes& nodes) { nodes[8].type = static_cast<Node::Type>(8); }), "type 8"));
  CHECK(has(said([](Nodes& nodes) { nodes[4].blocks.pop_back(); }), "has 1 blocks"));
  CHECK(has(said([](Nodes& nodes) { nodes[4].sha256 = "short"; }), "SHA-256"));
  CHECK(has(said([](Nodes& nodes) { nodes[7].device_major = 4096; }), "device's number"));
}

TEST_CASE("modes, owners, times and attributes have bounds") {
  CHECK(has(said([](Nodes& nodes) { nodes[4].mode = 010000; }), "mode"));
  CHECK(has(said([](Nodes& nodes) { nodes[4].group = 65'536; }), "owner 12:65536"));
  CHECK(has(said([](Nodes& nodes) { nodes[4].modified_ns = 1'000'000'000; }), "nanoseconds"));
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.redirect", "user.", "security.selinux", ""}) {
    CHECK(has(said([&](Nodes& nodes) { nodes[4].attributes[name] = "y"; }), "not one an image may carry"));
  }
  CHECK(has(said([](Nodes& nodes) { nodes[4].attributes["security.capability"] = Bytes(24, 'c'); }), "capability"));
  CHECK(has(said([](Nodes& nodes) { nodes[4].attributes["user.large"] = Bytes(kAttributeBytesMax, 'c'); }), "attributes"));
}

TEST_CASE("depth and length of paths are bounded, through every name") {
  auto deep = [](size_t folders, size_t name_bytes) {
    Image image;
    image.tree.nodes.push_back(test_folder({}));
    for (size_t i = 0; i < folders; ++i) {
      image.tree.nodes.push_back(test_folder({}));
      image.tree.nodes[i].children[std::string(name_bytes, 'd')] = static_cast<NodeNumber>(i + 1);
    }
    return image.check().has_value();
  };
  CHECK(deep(256, 1));
  CHECK_FALSE(deep(257, 1));
  CHECK(deep(16, 255));
  CHECK_FALSE(deep(17, 255));
}

TEST_CASE("files beyond the bound of a tree are refused before they overflow") {
  CHECK(has(said([](Nodes& nodes) { nodes[9].bytes = ~0ull; }), "bytes in a file"));
  Image image;
  image.config = std::string(kDocumentBytesMax + 1, ' ');
  image.tree.nodes.push_back(test_folder({}));
  CHECK_EQ(image.check().error().code, Code::Exhausted);
  image.config.clear();
  image.origin = {"two\nlines"};
  CHECK_EQ(image.check().error().code, Code::Corrupt);
}

TEST_CASE("a content id covers the size, each block, its key and their order") {
  BlockRef a = test_block(1), b = test_block(2);
  ContentId id = content_id(kBlockBytes + 1, {a, b});
  CHECK_EQ(id.hex(), "3cc7cbb8073e2ad01c4b338cd1e3cac219d5399fd8e0d207ae86dc73223b6c9c");
  CHECK_NE(id, content_id(kBlockBytes + 2, {a, b}));
  CHECK_NE(id, content_id(kBlockBytes + 1, {b, a}));
  BlockRef other_key = b;
  other_key.key = a.key;
  CHECK_NE(id, content_id(kBlockBytes + 1, {a, other_key}));
  CHECK_EQ(content_id(0, {}).hex(), "97da89aabc5167b4acdb614bb68754f1f88146e75fe809382a63363afb904603");
}
