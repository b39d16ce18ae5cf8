#include "gateway/tunnel/frame.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

Bytes header(uint8_t type, uint8_t reserved, uint16_t length, uint32_t stream) {
  Bytes bytes;
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(reserved);
  bytes += static_cast<char>(length);
  bytes += static_cast<char>(length >> 8);
  append_u32_le(bytes, stream);
  return bytes;
}

}  // namespace

TEST_CASE("a frame's header has the bytes that the reference shows") {
  char bytes[kFrameHeaderBytes];
  write_frame(bytes, {FrameType::Data, 0x01020304, 0x3ff8});
  CHECK(to_hex(BytesView(bytes, sizeof bytes)) == "0700f83f04030201");
  auto parsed = parse_frame({bytes, sizeof bytes});
  REQUIRE(parsed.has_value());
  CHECK(parsed->type == FrameType::Data);
  CHECK(parsed->stream == 0x01020304);
  CHECK(parsed->length == 0x3ff8);
}

TEST_CASE("a frame that its type cannot have is refused") {
  struct {
    const char* what;
    Bytes bytes;
  } cases[] = {
      {"type 0", header(0, 0, 0, 1)},
      {"a type that is not defined", header(14, 0, 0, 1)},
      {"a reserved byte that is used", header(7, 1, 1, 1)},
      {"data that is empty", header(7, 0, 0, 1)},
      {"data that is too long", header(7, 0, kPayloadBytesMax + 1, 1)},
      {"data of no stream", header(7, 0, 1, 0)},
      {"a ping of a stream", header(11, 0, 8, 1)},
      {"a ping without its number", header(11, 0, 4, 0)},
      {"a window of three bytes", header(8, 0, 3, 1)},
      {"a Fin with a payload", header(9, 0, 1, 1)},
      {"a target's name that is too long", header(2, 0, kTargetBytesMax + 1, 1)},
      {"a GoAway without its kind", header(13, 0, 0, 0)},
  };
  for (const auto& [what, bytes] : cases) {
    INFO(what);
    auto parsed = parse_frame(bytes);
    REQUIRE(!parsed.has_value());
    CHECK(parsed.error().code == Code::Corrupt);
  }
}

TEST_CASE("numbers are little-endian and come back as they went") {
  Bytes bytes;
  append_u32_le(bytes, 0xfffefdfc);
  append_u64_le(bytes, 0x0102030405060708);
  CHECK(to_hex(bytes) == "fcfdfeff0807060504030201");
  CHECK(read_u32_le(BytesView(bytes).substr(0, 4)) == 0xfffefdfc);
  CHECK(read_u64_le(BytesView(bytes).substr(4)) == 0x0102030405060708);
}
