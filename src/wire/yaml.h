// YAML text to a tree that remembers where everything stands (yaml-cpp inside). Bounded: size, depth,
// nodes; anchors and aliases are refused (they are bombs and hide what is signed).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mcloud::wire {

struct YamlPlace {
  int line = 1;  // from 1
  int column = 1;
  int file = 0;  // for who reads several texts as one: which of them; parse_yaml() leaves it
};

struct YamlNode {
  enum class Kind { Null, Scalar, List, Map };

  // Declared here and defined in the .cc: std::pair asks for them before the type is complete.
  YamlNode();
  ~YamlNode();
  YamlNode(const YamlNode&);
  YamlNode(YamlNode&&) noexcept;
  YamlNode& operator=(const YamlNode&);
  YamlNode& operator=(YamlNode&&) noexcept;

  Kind kind = Kind::Null;
  YamlPlace place;
  std::string scalar;    // Kind::Scalar: the text
  bool quoted = false;   // 'text' or "text": never a number, a bool or null
  std::vector<YamlNode> items;                           // Kind::List
  std::vector<std::pair<YamlNode, YamlNode>> entries;    // Kind::Map, in order; keys are scalars, unique
};

struct YamlError {
  YamlPlace place;
  std::string message;
};

struct YamlLimits {
  size_t bytes_max = 1 << 20;
  int depth_max = 32;
  size_t nodes_max = 100'000;
};

// One document; an empty text is Null. Tags other than !!str, !!int, !!float and !!bool are refused. On failure `error` says where and why (duplicate keys, aliases, bounds, syntax).
std::expected<YamlNode, YamlError> parse_yaml(std::string_view text, const YamlLimits& limits = {});

}  // namespace mcloud::wire
