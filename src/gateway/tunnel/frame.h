// The tunnel's frames as values and as bytes. Pure. docs/reference/tunnel.md.
//
//   0      1      2             4                           8
//   | type |  0   |   length    |          stream           | payload, `length` bytes ...
//
// Numbers are little-endian. `stream` is a target's number in Announce and Withdraw, 0 where no stream is meant.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace mcloud::gateway {

enum class FrameType : uint8_t {
  Hello = 1,     // version 4, streams_max 4
  Announce = 2,  // a target's name
  Withdraw = 3,  //
  Open = 4,      // target 4, window 4
  Opened = 5,    // window 4
  Refused = 6,   // reason 1
  Data = 7,      // bytes of the stream
  Window = 8,    // credit 4
  Fin = 9,       //
  Reset = 10,    //
  Ping = 11,     // anything, 8 bytes
  Pong = 12,     // the same
  GoAway = 13,   // code 1, text
};

// Why a stream was not opened.
enum class Refusal : uint8_t { UnknownTarget = 1, CannotConnect = 2, TimedOut = 3, Draining = 4, TooMany = 5 };
// "the target is unknown there", ...
std::string_view refusal_text(Refusal refusal);

constexpr size_t kFrameHeaderBytes = 8;
constexpr size_t kPayloadBytesMax = (16 << 10) - kFrameHeaderBytes;  // with its header it is one TLS record
constexpr size_t kTargetBytesMax = 1024;
constexpr size_t kReasonBytesMax = 255;
constexpr uint32_t kTunnelVersion = 1;

struct Frame {
  FrameType type = FrameType::Hello;
  uint32_t stream = 0;
  uint32_t length = 0;
};

// Of exactly kFrameHeaderBytes bytes. Corrupt: an unknown type, a length or a stream that this type cannot have.
Result<Frame> parse_frame(BytesView header);
void write_frame(char* to, const Frame& frame);  // kFrameHeaderBytes bytes

uint32_t read_u32_le(BytesView four_bytes);
uint64_t read_u64_le(BytesView eight_bytes);
void append_u32_le(Bytes& out, uint32_t value);
void append_u64_le(Bytes& out, uint64_t value);

}  // namespace mcloud::gateway
