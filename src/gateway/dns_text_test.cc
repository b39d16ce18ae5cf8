#include "gateway/dns_text.h"

#include <doctest/doctest.h>

namespace mcloud::gateway {
namespace {

using Texts = std::vector<std::string>;

Bytes header(uint16_t flags, uint16_t answers) {
  Bytes out = {0x12, 0x34, static_cast<char>(flags >> 8), static_cast<char>(flags & 0xff), 0, 1, 0, static_cast<char>(answers), 0, 0, 0, 0};
  return out + txt_question(0x1234, "_mcloud.a.example").value().substr(12);
}

// A record of the name at `owner` (a pointer), of class IN.
Bytes record(uint16_t type, const Bytes& data, unsigned owner = 12) {
  Bytes out = {static_cast<char>(0xc0 | owner >> 8), static_cast<char>(owner & 0xff), 0, static_cast<char>(type), 0, 1, 0, 0, 0, 60,
               static_cast<char>(data.size() >> 8), static_cast<char>(data.size() & 0xff)};
  return out + data;
}

Result<TxtAnswer> parse(const Bytes& bytes) { return parse_txt_answer(bytes, 0x1234, "_mcloud.a.example"); }

TEST_CASE("texts of the name are read, strings of one record joined") {
  Result<TxtAnswer> answer = parse(header(0x8180, 2) + record(16, Bytes("\3abc\2de", 7)) + record(16, Bytes("\1x", 2)));
  REQUIRE(answer.has_value());
  CHECK(answer->texts == Texts{"abcde", "x"});
}

TEST_CASE("a CNAME leads on, records of other names and kinds do not count") {
  Bytes start = header(0x8180, 3);
  auto target = static_cast<unsigned>(start.size() + 12);  // the CNAME's data
  Result<TxtAnswer> answer = parse(start + record(5, Bytes("\1t\1e\0", 5)) + record(16, Bytes("\2ok", 3), target) + record(1, Bytes("\1\2\3\4", 4)));
  REQUIRE(answer.has_value());
  CHECK(answer->texts == Texts{"ok"});
  answer = parse(header(0x8180, 1) + Bytes("\1z\0\0\20\0\1\0\0\0\1\0\2\1x", 15));
  REQUIRE(answer.has_value());
  CHECK(answer->texts.empty());
}

TEST_CASE("no such name is no text; a failing server is no answer; a cut answer says so") {
  CHECK(parse(header(0x8183, 0))->texts.empty());
  CHECK(parse(header(0x8182, 0)).error().code == Code::Unavailable);
  CHECK(parse(header(0x8380, 0))->is_truncated);
}

TEST_CASE("answers to something else, and broken ones, are refused") {
  Bytes good = header(0x8180, 1) + record(16, Bytes("\1x", 2));
  REQUIRE(parse(good).has_value());
  CHECK(!parse_txt_answer(good, 0x1235, "_mcloud.a.example").has_value());
  CHECK(!parse_txt_answer(good, 0x1234, "_mcloud.b.example").has_value());
  CHECK(!parse(header(0x0100, 0)).has_value());
  for (size_t size = 0; size < good.size(); ++size) CHECK(!parse(good.substr(0, size)).has_value());
  CHECK(!parse(header(0x8180, 1) + record(16, Bytes("\5x", 2))).has_value());
  Bytes start = header(0x8180, 1);
  CHECK(!parse(start + record(16, Bytes("\1x", 2), static_cast<unsigned>(start.size()))).has_value());  // a pointer to itself
}

TEST_CASE("only names are asked for") {
  for (const char* name : {"", ".", "a..b", "A.b", "a b", "x.\n"}) CHECK(!txt_question(1, name).has_value());
  CHECK(!txt_question(1, std::string(64, 'a')).has_value());
}

}  // namespace
}  // namespace mcloud::gateway
