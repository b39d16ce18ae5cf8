#include "wire/json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace mcloud;
using namespace mcloud::wire;

TEST_CASE("json comes back as it was written") {
  const char* text = R"({"a":[1,-2,3.5,true,false,null,"x",[],{}],"b":{"c":18446744073709551615}})";
  CHECK_EQ(json_text(parse_json(text).value()), text);
  CHECK_EQ(json_text(parse_json("\"x\"").value()), "\"x\"");
}

TEST_CASE("json that is not exactly one value is refused") {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\":1,}", "1 2", "nul", "'a'", "{a:1}", "\"\xff\"", "01", "NaN",
                           "// c\n1", "\"\t\"", "[1]]"}) {
    Result<nlohmann::json> value = parse_json(text);
    CHECK_MESSAGE(!value.has_value(), text);
    if (!value.has_value()) CHECK_EQ(value.error().code, Code::Invalid);
  }
}

TEST_CASE("a key that stands twice is refused by its name") {
  CHECK_EQ(parse_json(R"({"a":1,"b":2,"a":3})").error().message, "JSON: the key \"a\" stands twice in one object");
  CHECK(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})").has_value());
}

TEST_CASE("size and depth are bounded") {
  CHECK_EQ(parse_json("[1,2]", 4).error().message, "JSON of 5 bytes; at most 4 are allowed");
  CHECK(parse_json("[[[1]]]", 100, 3).has_value());
  CHECK_EQ(parse_json("[[[[1]]]]", 100, 3).error().message, "JSON: nested deeper than 3 levels");
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')).has_value());
}

TEST_CASE("members are read with errors that name the key") {
  auto object = parse_json(R"({"name":"x","count":5,"minus":-1,"real":1.5,"on":true,"list":[1],"in":{}})").value();
  CHECK_EQ(json_string(object, "name").value(), "x");
  CHECK_EQ(json_u64(object, "count").value(), 5u);
  CHECK(json_bool(object, "on").value());
  CHECK_EQ(json_array(object, "list").value()->size(), 1u);
  CHECK(json_object(object, "in").has_value());
  CHECK_EQ(json_string(object, "count").error().message, "\"count\" is not a string");
  CHECK_EQ(json_string(object, "gone").error().message, "\"gone\" is missing");
  for (const char* key : {"minus", "real", "name", "on"}) CHECK_FALSE(json_u64(object, key).has_value());
  CHECK_FALSE(json_string(nlohmann::json::array(), "name").has_value());
}

TEST_CASE("text that is not UTF-8 never breaks the writer") {
  CHECK_EQ(json_text(nlohmann::json("a\xff")), "\"a\xEF\xBF\xBD\"");
}
