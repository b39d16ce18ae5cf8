#include "contract/format/format.h"

#include <algorithm>

#include "contract/format/leaf.h"

namespace mcloud::contract {
namespace {

Result<wire::YamlNode> parse(std::string_view yaml) {
  auto tree = wire::parse_yaml(yaml);
  if (tree) return std::move(*tree);
  const wire::YamlPlace place = tree.error().place;
  return make_error(Code::Invalid, std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + tree.error().message);
}

std::vector<std::string> sorted_texts(const std::vector<Comment>& comments) {
  std::vector<std::string> out;
  for (const Comment& comment : comments) out.push_back(comment.text);
  std::ranges::sort(out);
  return out;
}

Result<std::string> format_once(std::string_view yaml) {
  wire::YamlNode tree = TRY(parse(yaml));
  if (tree.kind != wire::YamlNode::Kind::Map || tree.entries.empty()) return make_error(Code::Invalid, "1:1: not a map of fields");
  std::vector<Comment> comments = TRY(find_comments(yaml, tree));
  Document document = attach(tree, comments, yaml);
  tidy(document.root);
  std::string out = emit(document);
  // Whatever was wrong about the above: nothing goes.
  Result<wire::YamlNode> again = parse(out);
  if (!again || !is_same(document.root, *again)) return make_error(Code::Invalid, "1:1: it cannot be formatted without changing a value; nothing was changed");
  std::vector<Comment> kept = TRY(find_comments(out, *again));
  if (sorted_texts(kept) == sorted_texts(comments)) return out;
  return make_error(Code::Invalid, "1:1: it cannot be formatted without losing a comment; nothing was changed");
}

constexpr int kRoundsMax = 4;

}  // namespace

// A comment in an odd place moves, and what it leaves may then fit on one line: the form is the one that stays.
Result<std::string> format_contract(std::string_view yaml) {
  std::string out = TRY(format_once(yaml));
  for (int round = 1; round < kRoundsMax; ++round) {
    std::string next = TRY(format_once(out));
    if (next == out) return out;
    out = std::move(next);
  }
  return make_error(Code::Invalid, "1:1: no form of it stays the same when it is formatted again; nothing was changed");
}

}  // namespace mcloud::contract
