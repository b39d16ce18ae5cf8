#include <doctest/doctest.h>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

using namespace mcloud;

TEST_CASE("hex and base64 come back as they went") {
  Bytes bytes;
  for (int i = 0; i < 300; ++i) {
    CHECK_EQ(from_hex(to_hex(bytes)).value(), bytes);
    CHECK_EQ(from_base64(to_base64(bytes)).value(), bytes);
    bytes += static_cast<char>(i * 7);
  }
  CHECK_EQ(to_base64("fo"), "Zm8=");
}

TEST_CASE("text that is not canonical base64 is refused") {
  for (const char* text : {"A", "AA=", "AA==A", "AB==", "Zm9=", "Zm 8", "====", "Zg=v"}) {
    CHECK_FALSE(from_base64(text).has_value());
  }
  CHECK_FALSE(from_hex("abc").has_value());
  CHECK_FALSE(from_hex("zz").has_value());
}

TEST_CASE("sizes, durations and cpu shares read as people write them") {
  CHECK_EQ(parse_size("1.5GiB").value(), 1610612736u);
  CHECK_EQ(parse_size("10MB").value(), 10'000'000u);
  CHECK_EQ(parse_size("512").value(), 512u);
  CHECK_EQ(format_size(1610612736), "1.5GiB");
  CHECK_EQ(format_size(100), "100B");
  CHECK_EQ(parse_duration_ms("1m30s").value(), 90'000u);
  CHECK_EQ(parse_duration_ms("250ms").value(), 250u);
  CHECK_EQ(format_duration_ms(90'000), "1m30s");
  CHECK_EQ(parse_cpu_milli("0.5").value(), 500u);
  CHECK_EQ(parse_cpu_milli("250m").value(), 250u);
  CHECK_EQ(format_cpu_milli(2000), "2");
}

TEST_CASE("a quantity without sense is refused with what is allowed") {
  CHECK_EQ(parse_duration_ms("5").error().message, "a duration needs a unit: ms, s, m, h or d");
  CHECK(parse_size("5 parsecs").error().message.find("allowed: B, KiB") != std::string::npos);
  for (const char* text : {"", "-1", "GiB", "1e9", "99999999999999999999", "17EiB", "1..5GiB"}) {
    CHECK_FALSE(parse_size(text).has_value());
  }
}

TEST_CASE("ids are 32 bytes or an error") {
  CHECK_FALSE(Hash::from_bytes("short").has_value());
  Hash hash = Hash::from_bytes(Bytes(32, 'x')).value();
  CHECK_EQ(Hash::from_hex(hash.hex()).value(), hash);
  CHECK_FALSE(hash.is_none());
}

TEST_CASE("an error gathers context once per layer") {
  Error error = errno_error(5, "read").with_context("open segment 7");
  CHECK_EQ(error.message, "open segment 7: read: Input/output error");
  CHECK_EQ(code_from_name(code_name(Code::Exhausted)), Code::Exhausted);
}
