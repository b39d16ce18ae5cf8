#include "sink/exposition.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::sink;

namespace {

std::string why(std::string_view text, const ExpositionLimits& limits = {}) {
  auto parsed = parse_exposition(text, {"node", "n1"}, limits);
  return parsed.has_value() ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("each sample gets the node's label and families of two nodes become one") {
  auto one = parse_exposition("# HELP up is it up\n# TYPE up gauge\nup 1\nload{cpu=\"0\"} 0.5\n", {"node", "n1"});
  auto two = parse_exposition("# TYPE up gauge\nup 0\n", {"node", "n\"2"});
  REQUIRE(one.has_value());
  REQUIRE(two.has_value());
  Families all = *one;
  merge_into(all, *two);
  CHECK(format_exposition(all) ==
        "# TYPE load untyped\nload{node=\"n1\",cpu=\"0\"} 0.5\n"
        "# HELP up is it up\n# TYPE up gauge\nup{node=\"n1\"} 1\nup{node=\"n\\\"2\"} 0\n");
}

TEST_CASE("numbers as Prometheus writes them are taken, timestamps and words are not") {
  for (const char* value : {"1", "-1.5", "+2", "1e9", "NaN", "+Inf", "-Inf"})
    CHECK(why("m " + std::string(value) + "\n") == "");
  for (const char* value : {"", "one", "1 1700000000", "0x10"})
    CHECK(why("m " + std::string(value) + "\n") == "metrics line 1: the value is no number");
}

TEST_CASE("what is not the format is refused with its line") {
  CHECK(why("ok 1\n9bad 1\n") == "metrics line 2: is no sample");
  CHECK(why("m{a=1} 1\n") == "metrics line 1: a label is not NAME=\"VALUE\"");
  CHECK(why("m{a=\"x 1\n") == "metrics line 1: a label has no end");
  CHECK(why("m{a=\"x\\\n") == "metrics line 1: a label has no end");
  CHECK(why("m{a=\"x\"b=\"y\"} 1\n") == "metrics line 1: labels are not separated by commas");
  CHECK(why("m{node=\"other\"} 1\n") == "metrics line 1: label node is not for nodes to set");
  CHECK(why("# TYPE m histogram\n") == "metrics line 1: type histogram; allowed: counter, gauge, untyped");
  CHECK(why("m 1") == "metrics line 1: the last line has no end");
  CHECK(why(std::string("m{a=\"\x01\"} 1\n")) == "metrics line 1: has a control character");
}

TEST_CASE("bounds hold") {
  CHECK(why("m 1\nm 2\n", {.samples_max = 1}) == "metrics line 2: more than 1 samples");
  CHECK(why("m 1\n", {.bytes_max = 3}) == "metrics have more than 3 bytes");
  CHECK(why("mmmmmmmm 1\n", {.line_bytes_max = 5}) == "metrics line 1: is longer than 5 bytes");
}

TEST_CASE("one node's odd bytes cannot spoil the page that all share") {
  CHECK(why("m{a=\"\xC3\x28\"} 1\n") == "metrics line 1: a label's value has more than ASCII");
  CHECK(why("m{a=\"x\\y\"} 1\n") == "metrics line 1: a label's value has an unknown escape");
  CHECK(why("# HELP m \xFF\n") == "metrics line 1: a comment has more than plain ASCII");
  CHECK(why("m{a=\"a\\\\b\\n\\\"\"} 1\n") == "");
}
