// RESP replies as a client reads them, RESP2 and what RESP3 adds for our commands. Pure and bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace mcloud::wire {

struct RespReply {
  enum class Kind : uint8_t { Simple, Error, Integer, Bulk, Null, Array };
  Kind kind = Kind::Null;
  std::string text;  // Simple, Error, Bulk
  int64_t integer = 0;
  std::vector<RespReply> items;  // of arrays, sets, pushes; a map's keys and values in turn
};

struct RespReplyBounds {
  size_t bulk_bytes_max = 64 << 20;
  size_t items_max = 1 << 20;  // of all arrays of a reply together
  int depth_max = 8;
};

// How many bytes the reply has that `bytes` begin with. nullopt: more are missing. Corrupt: no reply begins here.
Result<std::optional<size_t>> resp_reply_size(BytesView bytes, const RespReplyBounds& bounds = {});
// `bytes` are one whole reply.
RespReply parse_resp_reply(BytesView bytes);

}  // namespace mcloud::wire
