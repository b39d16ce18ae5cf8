// Bytes are std::string, borrowed bytes are std::string_view: protobuf, RocksDB and sockets all
// speak them, so nothing is converted on the way. Hex and base64 for people and JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mcloud {

using Bytes = std::string;
using BytesView = std::string_view;

std::string to_hex(BytesView bytes);
// Invalid unless an even number of [0-9a-fA-F].
Result<Bytes> from_hex(std::string_view text);

// Standard alphabet with padding (RFC 4648 section 4).
std::string to_base64(BytesView bytes);
// Strict: no line breaks, canonical padding and trailing bits.
Result<Bytes> from_base64(std::string_view text);

// Fixed-width integers, big-endian, so that byte order is number order (keys of the state tree).
void append_u32_be(Bytes& out, uint32_t value);
void append_u64_be(Bytes& out, uint64_t value);
uint64_t read_u64_be(BytesView eight_bytes);

// Same length and content, in time that depends on the length only.
bool equal_constant_time(BytesView a, BytesView b);

}  // namespace mcloud
