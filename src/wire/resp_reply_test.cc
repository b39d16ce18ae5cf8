#include "wire/resp_reply.h"

#include <doctest/doctest.h>

#include "wire/resp.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

using Kind = RespReply::Kind;

RespReply parse(BytesView bytes) {
  REQUIRE_EQ(resp_reply_size(bytes).value().value_or(0), bytes.size());
  return parse_resp_reply(bytes);
}

}  // namespace

TEST_CASE("what the server's writer writes is read, in both versions") {
  for (RespVersion version : {RespVersion::Two, RespVersion::Three}) {
    Bytes out;
    RespWriter writer(out, version);
    writer.array(6);
    writer.simple("OK");
    writer.error("ERR no");
    writer.integer(-7);
    writer.bulk(std::string("a\r\nb\0", 5));
    writer.null();
    writer.text("hello");
    RespReply reply = parse(out);
    REQUIRE_EQ(reply.items.size(), 6);
    CHECK_EQ(reply.items[0].text, "OK");
    CHECK_EQ(reply.items[1].kind, Kind::Error);
    CHECK_EQ(reply.items[1].text, "ERR no");
    CHECK_EQ(reply.items[2].integer, -7);
    CHECK_EQ(reply.items[3].text, std::string("a\r\nb\0", 5));
    CHECK_EQ(reply.items[4].kind, Kind::Null);
    CHECK_EQ(reply.items[5].text, "hello");
    for (size_t size = 0; size < out.size(); size++)
      CHECK_FALSE(resp_reply_size(BytesView(out).substr(0, size)).value().has_value());
    CHECK_EQ(resp_reply_size(out + "+more\r\n").value(), out.size());
  }
  CHECK_EQ(parse("%1\r\n+a\r\n:1\r\n").items.size(), 2);
  CHECK_EQ(parse("*-1\r\n").kind, Kind::Null);
}

TEST_CASE("what is no reply, or too large, is refused with the reason") {
  for (const char* text : {"hello\r\n", "$x\r\n", "$-2\r\n", "$3\r\nabcde\r\n", "*99999999\r\n", "$999999999999\r\n",
                           ":1.5\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
                           "%9223372036854775807\r\n"}) {
    CAPTURE(text);
    auto size = resp_reply_size(text);
    REQUIRE_FALSE(size.has_value());
    CHECK_EQ(size.error().code, Code::Corrupt);
  }
  CHECK_FALSE(resp_reply_size("+" + std::string(100'000, 'x')).has_value());
}
