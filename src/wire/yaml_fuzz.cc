// Whatever the text, parse_yaml() ends with a tree within its limits or with an error.
#include <cstdint>
#include <cstdlib>

#include "wire/yaml.h"

using namespace mcloud::wire;

namespace {

size_t count(const YamlNode& node, int depth, const YamlLimits& limits) {
  if (depth > limits.depth_max) std::abort();
  size_t nodes = 1;
  for (const YamlNode& item : node.items) nodes += count(item, depth + 1, limits);
  for (const auto& [key, value] : node.entries) {
    if (key.kind != YamlNode::Kind::Scalar) std::abort();
    nodes += 1 + count(value, depth + 1, limits);
  }
  return nodes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  YamlLimits limits;
  limits.depth_max = 8;
  limits.nodes_max = 1000;
  auto tree = parse_yaml({reinterpret_cast<const char*>(data), size}, limits);
  if (tree.has_value() && count(*tree, 0, limits) > limits.nodes_max + 1) std::abort();
  return 0;
}
