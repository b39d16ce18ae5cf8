// For tests: one image with something of everything, and random ones.
#pragma once

#include <algorithm>

#include "image/tree/tree.h"
#include "testing/simulated_random.h"

namespace mcloud::image {

inline BlockRef test_block(uint8_t seed) {
  BlockRef block;
  for (size_t i = 0; i < Hash::kSize; ++i) {
    block.id.data()[i] = static_cast<uint8_t>(seed + i);
    block.key.data()[i] = static_cast<uint8_t>(seed * 3 + i + 1);
  }
  return block;
}

inline Node test_folder(std::map<std::string, NodeNumber> children) {
  Node node;
  node.type = Node::Type::Folder;
  node.mode = 0755;
  node.children = std::move(children);
  return node;
}

inline Node test_file(uint64_t bytes, uint8_t seed) {
  Node node;
  node.mode = 0644;
  node.bytes = bytes;
  for (uint64_t i = 0; i < (bytes + kBlockBytes - 1) / kBlockBytes; ++i) {
    node.blocks.push_back(test_block(static_cast<uint8_t>(seed + i)));
  }
  return node;
}

// /bin/app with two names, a link, devices, a fifo, a socket, attributes, an empty file and folder, a name that is
// no UTF-8. The nodes are not numbered as an index numbers them.
inline Image example_image() {
  using enum Node::Type;
  Image image;
  std::vector<Node>& nodes = image.tree.nodes;
  nodes.push_back(test_folder({{"usr", 1}, {"bin", 2}, {"dev", 3}, {"caf\xc3\xa9", 9}, {"\xff\xfe", 9}}));
  nodes.push_back(test_folder({{"app", 4}, {"empty", 12}}));
  nodes.push_back(test_folder({{"app", 4}, {"sh", 5}}));
  nodes.push_back(test_folder({{"null", 6}, {"disk", 7}, {"pipe", 8}, {"log", 10}, {"none", 11}}));
  Node app = test_file(kBlockBytes + 1, 7);
  app.mode = 04755;
  app.user = 12;
  app.group = 65'535;
  app.modified_s = 1'700'000'000;
  app.modified_ns = 123'456'789;
  app.sha256 = Bytes(32, '\x5a');
  app.attributes = {{"security.capability", Bytes(20, '\1')}, {"user.mime", "text"}, {"user.empty", ""}};
  nodes.push_back(app);
  nodes.push_back({.type = Link, .mode = 0777, .modified_s = -1, .target = "../usr/app"});
  nodes.push_back({.type = CharacterDevice, .mode = 0666, .device_major = 1, .device_minor = 3});
  nodes.push_back({.type = BlockDevice, .mode = 0660, .group = 6, .device_major = 4095, .device_minor = 1'048'575});
  nodes.push_back({.type = Fifo, .mode = 0600});
  nodes.push_back(test_file(5, 100));
  nodes.push_back({.type = Socket, .mode = 0666});
  nodes.push_back(test_file(0, 0));
  nodes.push_back(test_folder({}));
  nodes.back().attributes = {{"user.note", Bytes("a\0b", 3)}};
  image.config = R"({"config":{"Cmd":["/bin/app"]}})";
  image.origin = {"manifest sha256:" + std::string(64, 'a'), "layer sha256:" + std::string(64, 'b')};
  return image;
}

inline Node random_node(testing::SimulatedRandom& random, bool is_folder) {
  using enum Node::Type;
  constexpr Node::Type kinds[] = {File, File, File, Link, Fifo, CharacterDevice, BlockDevice, Socket};
  Node node;
  node.type = is_folder ? Folder : kinds[random.below(std::size(kinds))];
  if (node.type == File) node = test_file(random.below(4) * (kBlockBytes / 2), static_cast<uint8_t>(random.below(256)));
  if (node.type == File && random.chance(50)) node.sha256 = random.bytes(32);
  if (node.type == Link) node.target = std::string(1 + random.below(300), 't');
  if (node.type == CharacterDevice || node.type == BlockDevice) {
    node.device_major = static_cast<uint32_t>(random.below(4096));
    node.device_minor = static_cast<uint32_t>(random.below(1 << 20));
  }
  node.mode = static_cast<uint16_t>(random.below(010000));
  node.user = static_cast<uint32_t>(random.below(65'536));
  node.group = static_cast<uint32_t>(random.below(65'536));
  node.modified_s = static_cast<int64_t>(random.below(1ull << 33)) - (1ll << 32);
  if (random.chance(50)) node.modified_ns = static_cast<uint32_t>(random.below(1'000'000'000));
  for (uint64_t i = random.chance(20) ? random.below(4) : 0; i > 0; --i) {
    node.attributes["user." + std::to_string(random.below(100))] = random.bytes(random.below(40));
  }
  return node;
}

inline std::string random_name(testing::SimulatedRandom& random) {
  std::string name;
  for (uint64_t i = 1 + random.below(12); i > 0; --i) name += static_cast<char>(1 + random.below(255));
  std::replace(name.begin(), name.end(), '/', '_');
  return name + "_";
}

// Passes check(). About `size` nodes, hard links among them.
inline Image random_image(testing::SimulatedRandom& random, size_t size) {
  Image image;
  std::vector<Node>& nodes = image.tree.nodes;
  std::vector<NodeNumber> folders = {0};
  std::vector<uint32_t> depths = {0};
  nodes.push_back(random_node(random, true));
  while (nodes.size() < size) {
    size_t place = random.below(folders.size());
    NodeNumber folder = folders[place];
    auto number = static_cast<NodeNumber>(nodes.size());
    bool is_link = random.chance(10) && nodes.back().type != Node::Type::Folder;
    if (is_link) --number;
    if (!nodes[folder].children.emplace(random_name(random), number).second || is_link) continue;
    bool is_folder = depths[place] < 100 && random.chance(20);
    nodes.push_back(random_node(random, is_folder));
    if (!is_folder) continue;
    folders.push_back(number);
    depths.push_back(depths[place] + 1);
  }
  if (random.chance(50)) image.config = random.bytes(random.below(200));
  for (uint64_t i = random.below(3); i > 0; --i) image.origin.push_back("layer " + std::to_string(i));
  return image;
}

}  // namespace mcloud::image
