// Inside src/contract/format: the tree that is written, with the comments of each entry and item.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "wire/yaml.h"

namespace mcloud::contract {

struct Comment {
  int line = 0;
  std::string text;     // from the # on
  bool alone = false;   // nothing else on its line
  bool after_blank = false;
};

// All comments of a text that `tree` was read from. Invalid when they cannot be told from the rest for sure.
Result<std::vector<Comment>> find_comments(std::string_view text, const wire::YamlNode& tree);

// An entry of a map, an item of a list, or (the root) the whole file.
struct Leaf {
  wire::YamlNode key;               // of an entry; else Null
  wire::YamlNode::Kind kind = wire::YamlNode::Kind::Null;
  std::string scalar;
  bool quoted = false;
  int line = 0;
  bool is_entry = false;
  bool always_block = false;        // never on one line
  std::vector<Leaf> kids;
  std::vector<std::string> above;   // comments, "" for an empty line between them
  std::string beside;
  bool after_blank = false;
};

struct Document {
  std::vector<std::string> head, foot;  // comments; "" for an empty line
  Leaf root;
};

Document attach(const wire::YamlNode& tree, std::vector<Comment> comments, std::string_view text);
// Order and spelling.
void tidy(Leaf& root);
std::string emit(Document document);
// The values, without places and comments.
bool is_same(const Leaf& leaf, const wire::YamlNode& node);
// A plain text that readers of YAML take for something else: true, 5, null, no.
bool is_ambiguous(std::string_view text);

}  // namespace mcloud::contract
