#include "wire/yaml.h"

#include <doctest/doctest.h>

using namespace mcloud::wire;

namespace {

std::string fault(std::string_view text, const YamlLimits& limits = {}) {
  auto tree = parse_yaml(text, limits);
  if (tree.has_value()) return "accepted";
  const YamlError& error = tree.error();
  return std::to_string(error.place.line) + ":" + std::to_string(error.place.column) + " " + error.message;
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("a document becomes a tree that knows its places") {
  YamlNode root = parse_yaml("# hello\nname: web\nports: [80, '443']\nempty:\nlimits:\n  memory: 64MiB\n").value();
  REQUIRE(root.kind == YamlNode::Kind::Map);
  REQUIRE_EQ(root.entries.size(), 4u);
  CHECK_EQ(root.entries[0].first.scalar, "name");
  CHECK_EQ(root.entries[0].second.scalar, "web");
  CHECK_EQ(root.entries[0].second.place.line, 2);
  CHECK_EQ(root.entries[0].second.place.column, 7);
  const YamlNode& ports = root.entries[1].second;
  REQUIRE(ports.kind == YamlNode::Kind::List);
  CHECK_FALSE(ports.items[0].quoted);
  CHECK(ports.items[1].quoted);
  CHECK(root.entries[2].second.kind == YamlNode::Kind::Null);
  CHECK_EQ(root.entries[3].second.entries[0].first.place.line, 6);
  CHECK_EQ(root.entries[3].second.entries[0].first.place.column, 3);
}

TEST_CASE("null is what is empty or says so without quotes") {
  YamlNode root = parse_yaml("[~, null, '', 'null', \"~\", nul]").value();
  CHECK(root.items[0].kind == YamlNode::Kind::Null);
  CHECK(root.items[1].kind == YamlNode::Kind::Null);
  for (size_t i = 2; i < 6; ++i) CHECK(root.items[i].kind == YamlNode::Kind::Scalar);
  CHECK(parse_yaml("").value().kind == YamlNode::Kind::Null);
  CHECK(parse_yaml("# nothing\n").value().kind == YamlNode::Kind::Null);
}

TEST_CASE("block text keeps its lines") {
  CHECK_EQ(parse_yaml("|\n  one\n  two\n").value().scalar, "one\ntwo\n");
  CHECK(parse_yaml("|\n  1\n").value().quoted);
}

TEST_CASE("core tags are followed, others refused") {
  CHECK(parse_yaml("!!str 5").value().quoted);
  CHECK_FALSE(parse_yaml("!!int '5'").value().quoted);
  CHECK_EQ(fault("a: !secret x"), "1:4 the tag \"!secret\" is not allowed; allowed: !!str, !!int, !!float, !!bool");
  CHECK_EQ(fault("!!set {a: 1}"), "1:1 the tag \"tag:yaml.org,2002:set\" is not allowed");
}

TEST_CASE("what hides or multiplies content is refused where it stands") {
  CHECK_EQ(fault("a: 1\nb: 2\na: 3\n"), "3:1 the key \"a\" stands twice in this map");
  CHECK_EQ(fault("a: 1\n'a': 3\n"), "2:1 the key \"a\" stands twice in this map");
  CHECK_EQ(fault("a: &x 1"), "1:4 anchors (&name) are not allowed: write the value out where it is used");
  CHECK_NE(fault("a: *x"), "accepted");
  CHECK_EQ(fault("a\n---\nb\n"), "3:1 a second document begins here; one file holds one");
  CHECK_EQ(fault("? [a]\n: b\n"), "1:3 a list or a map cannot be a key");
  CHECK_EQ(fault("~: b\n"), "1:1 a key is missing or null");
}

TEST_CASE("the same key may stand in different maps") { CHECK(parse_yaml("a: {x: 1}\nb: {x: 1}\n").has_value()); }

TEST_CASE("text that is not clean UTF-8 is refused where it breaks") {
  CHECK_EQ(fault("a: b\nc: \x01"), "2:4 a control character or a byte that is not UTF-8");
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x9f\xbf", "\xc3", "\x7f"}) {
    CHECK_NE(fault(bad), "accepted");
  }
  CHECK_EQ(fault(std::string_view("a\0b", 3)), "1:2 a control character or a byte that is not UTF-8");
  CHECK_EQ(parse_yaml("über: 日本\U0001F600").value().entries[0].second.scalar, "日本\U0001F600");
}

TEST_CASE("syntax errors say where") {
  CHECK_EQ(fault("a: b\n  c: d\n").substr(0, 4), "2:4 ");
  CHECK_NE(fault("a: 'b"), "accepted");
  CHECK_NE(fault("[a"), "accepted");
}

TEST_CASE("size, depth and count are bounded") {
  YamlLimits limits;
  limits.bytes_max = 10;
  CHECK_EQ(fault("12345678901", limits), "1:1 11 bytes of YAML; at most 10 are allowed");
  limits = {};
  limits.depth_max = 3;
  CHECK_EQ(fault("a: [[1]]", limits), "accepted");
  CHECK_EQ(fault("a: [[[1]]]", limits), "1:6 nested deeper than 3 levels");
  limits = {};
  limits.nodes_max = 5;
  CHECK_EQ(fault("[1,2,3,4]", limits), "accepted");
  CHECK_EQ(fault("[1,2,3,4,5]", limits), "1:10 more than 5 keys and values");
}

TEST_CASE("a megabyte of nonsense ends in an error soon") {
  for (const char* part :
       {"[", "{", "- ", "? ", "a: ", "{a: ", "[a,", "!!str ", "&a ", "*a ", "a:\n ", "[{", "---\n"}) {
    CHECK_NE(fault(repeated(part, static_cast<int>(1'000'000 / std::string_view(part).size()))), "accepted");
  }
}
