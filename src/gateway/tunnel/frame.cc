#include "gateway/tunnel/frame.h"

#include <algorithm>

namespace mcloud::gateway {
namespace {

// What a type allows, at the place of its number.
struct Rule {
  size_t length_min, length_max;
  bool has_stream;
};
constexpr Rule kRules[] = {
    {1, 0, false},                    // no type has the number 0
    {8, 8, false},                    // Hello
    {1, kTargetBytesMax, true},       // Announce
    {0, 0, true},                     // Withdraw
    {8, 8, true},                     // Open
    {4, 4, true},                     // Opened
    {1, 1, true},                     // Refused
    {1, kPayloadBytesMax, true},      // Data
    {4, 4, true},                     // Window
    {0, 0, true},                     // Fin
    {0, 0, true},                     // Reset
    {8, 8, false},                    // Ping
    {8, 8, false},                    // Pong
    {1, 1 + kReasonBytesMax, false},  // GoAway
};
static_assert(std::size(kRules) == static_cast<size_t>(FrameType::GoAway) + 1);

uint8_t byte_at(BytesView bytes, size_t index) { return static_cast<uint8_t>(bytes[index]); }

template <typename Number>
Number read_le(BytesView bytes) {
  Number value = 0;
  for (size_t i = sizeof(Number); i-- > 0;) value = static_cast<Number>(value << 8 | byte_at(bytes, i));
  return value;
}

template <typename Number>
void append_le(Bytes& out, Number value) {
  for (size_t i = 0; i < sizeof(Number); ++i) out += static_cast<char>(value >> (8 * i));
}

}  // namespace

std::string_view refusal_text(Refusal refusal) {
  switch (refusal) {
    case Refusal::UnknownTarget: return "the target is not there any more";
    case Refusal::CannotConnect: return "the target takes no connection";
    case Refusal::TimedOut: return "the target does not answer";
    case Refusal::Draining: return "the node is leaving";
    case Refusal::TooMany: return "the node has too many streams";
  }
  return "for a reason that is unknown here";
}

Result<Frame> parse_frame(BytesView header) {
  size_t type = byte_at(header, 0), length = read_le<uint16_t>(header.substr(2, 2));
  if (type == 0 || type >= std::size(kRules))
    return make_error(Code::Corrupt, "a frame of the unknown type " + std::to_string(type));
  const Rule& rule = kRules[type];
  Frame frame{static_cast<FrameType>(type), read_u32_le(header.substr(4, 4)), static_cast<uint32_t>(length)};
  if (byte_at(header, 1) != 0 || length < rule.length_min || length > rule.length_max ||
      (frame.stream != 0) != rule.has_stream)
    return make_error(Code::Corrupt, "a frame of type " + std::to_string(type) + " with " + std::to_string(length) +
                                         " bytes for stream " + std::to_string(frame.stream));
  return frame;
}

void write_frame(char* to, const Frame& frame) {
  to[0] = static_cast<char>(frame.type);
  to[1] = 0;
  to[2] = static_cast<char>(frame.length);
  to[3] = static_cast<char>(frame.length >> 8);
  for (size_t i = 0; i < 4; ++i) to[4 + i] = static_cast<char>(frame.stream >> (8 * i));
}

uint32_t read_u32_le(BytesView four_bytes) { return read_le<uint32_t>(four_bytes); }
uint64_t read_u64_le(BytesView eight_bytes) { return read_le<uint64_t>(eight_bytes); }
void append_u32_le(Bytes& out, uint32_t value) { append_le(out, value); }
void append_u64_le(Bytes& out, uint64_t value) { append_le(out, value); }

}  // namespace mcloud::gateway
