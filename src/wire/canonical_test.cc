#include "wire/canonical.h"

#include <doctest/doctest.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/type.pb.h>

using namespace mcloud;
using namespace mcloud::wire;
using google::protobuf::Duration;
using google::protobuf::Type;

namespace {

Type sample() {
  Type type;
  type.set_name("name");
  type.add_fields()->set_number(7);
  type.add_oneofs("one");
  type.mutable_source_context()->set_file_name("file");
  return type;
}

}  // namespace

TEST_CASE("a message comes back as it went") {
  Bytes bytes = encode(sample());
  Type back = decode<Type>(bytes, "type").value();
  CHECK_EQ(back.name(), "name");
  CHECK_EQ(back.fields(0).number(), 7);
  CHECK_EQ(encode(back), bytes);
  CHECK_EQ(encode(Type()), "");
  CHECK(decode<Type>("", "type").has_value());
}

TEST_CASE("the encoding is the one of the specification") {
  Duration duration;
  duration.set_seconds(150);
  duration.set_nanos(1);
  CHECK_EQ(to_hex(encode(duration)), "0896011001");
}

TEST_CASE("bytes that mean the same but are not what we would write are refused") {
  auto refused = [](std::string_view hex) { return !decode<Duration>(from_hex(hex).value(), "d").has_value(); };
  CHECK_FALSE(refused("0896011001"));
  CHECK(refused("1001089601"));      // another order
  CHECK(refused("089601089601"));    // repeated scalar
  CHECK(refused("0800"));            // a default spelled out
  CHECK(refused("0896811001"));      // cut off
  CHECK(refused("089681001001"));    // a longer form of the same number
  CHECK(refused("08960110011801"));  // unknown field
  CHECK(refused("089601100118"));    // garbage behind
  CHECK(refused("08960110010b0c"));  // group
}

TEST_CASE("an unknown field deep inside is refused") {
  Type type = sample();
  Bytes inner = type.source_context().SerializeAsString() + from_hex(
                                                                "9806"
                                                                "01")
                                                                .value();
  Bytes bytes = from_hex("0a046e616d65").value();
  bytes += from_hex("2a").value() + static_cast<char>(inner.size()) + inner;  // source_context = 5
  Type parsed;
  REQUIRE(parsed.ParseFromString(bytes));
  REQUIRE_EQ(parsed.SerializeAsString(), bytes);  // protobuf itself keeps it
  CHECK_EQ(decode<Type>(bytes, "type").error().message,
           "type: not the canonical encoding (unknown or repeated fields, defaults or another order)");
}

TEST_CASE("every single flipped bit is refused or is another message") {
  Bytes bytes = encode(sample());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    Result<Type> other = decode<Type>(changed, "type");
    if (other.has_value()) CHECK_EQ(encode(*other), changed);
  }
}

TEST_CASE("size and depth are bounded") {
  CHECK_EQ(decode<Duration>("12345", "transaction", 4).error().message, "transaction: 5 bytes, at most 4 are allowed");
  google::protobuf::ListValue root;
  google::protobuf::ListValue* at = &root;
  for (int i = 0; i < 10; ++i) at = at->add_values()->mutable_list_value();
  CHECK(decode<google::protobuf::ListValue>(encode(root), "list").has_value());
  for (int i = 0; i < 30; ++i) at = at->add_values()->mutable_list_value();
  CHECK_FALSE(decode<google::protobuf::ListValue>(encode(root), "list").has_value());
}
