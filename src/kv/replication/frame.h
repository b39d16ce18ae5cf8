// The bytes of a replication stream (docs/reference/kv-replication.md). Pure.
//
//   master -> follower: frames          follower -> master: acks
//     0  4  size of type and payload      0  4  size of what follows: 16
//     4  1  type                          4  8  durable position
//     5     payload                       12 8  received position
//        4  CRC-32C of type and payload
//
// All numbers little-endian. Texts and lists have their size in front (4 bytes).
#pragma once

#include <optional>
#include <variant>

#include "kv/replica.h"

namespace mcloud::kv {

inline constexpr uint64_t kStreamProtocol = 1;
inline constexpr size_t kFrameBytesMax = 96 << 20;  // the largest transaction of compaction has 64 MiB and a record
inline constexpr size_t kAckBytes = 20;

// What a follower begins with: REPLICATE protocol namespace member promised-term log-id end lineage. Numbers are
// decimal, the log id hexadecimal; "-" for a member or a log id that it has not.
struct StreamRequest {
  std::string name;
  std::string member;
  uint64_t promised = 0;
  Bytes log_id;
  Position end = 0;
  Lineage lineage;
};
std::vector<std::string> words_of(const StreamRequest& request);
// The words behind REPLICATE. Invalid; Unsupported: another protocol.
Result<StreamRequest> parse_stream_request(const std::vector<std::string_view>& words);

struct HelloFrame {
  uint64_t term = 0;  // of the master that is obeyed here
  Bytes log_id;
  Position first = 0;
  Totals baseline;
  Position common = 0;  // up to here the follower's log is ours; below `first`: it begins anew
  Position complete_at = 0;
  uint64_t epoch = 0;
  Lineage lineage;
  Settings settings;
};
struct DataFrame {
  LogChunk chunk;  // Damaged: is_damaged
};
struct FrontFrame {
  Position first = 0;
  Totals baseline;
};
struct SettingsFrame {
  Settings settings;
  uint64_t epoch = 0;
};
struct LineageFrame {
  Lineage lineage;  // as it is now
};
struct PulseFrame {
  Position written = 0;
  Position durable = 0;
  uint64_t time_ms = 0;     // wall clock of the master
  bool is_awaited = false;  // somebody waits for acks: sync at once
};
using Frame = std::variant<HelloFrame, DataFrame, FrontFrame, SettingsFrame, LineageFrame, PulseFrame>;

void append_frame(Bytes& out, const Frame& frame);

// Takes a stream apart as it comes.
class FrameReader {
 public:
  void feed(BytesView bytes) { buffer_.append(bytes); }
  // nullopt: more is needed. Corrupt: it is no such stream; there is no going on.
  Result<std::optional<Frame>> next();
  size_t memory() const { return buffer_.capacity(); }

 private:
  Bytes buffer_;
  size_t begin_ = 0;
};

struct Ack {
  Position durable = 0;
  Position received = 0;
  bool operator==(const Ack&) const = default;
};
void append_ack(Bytes& out, const Ack& ack);
// Takes all whole acks off the front; the last one. Corrupt.
Result<std::optional<Ack>> take_acks(Bytes& bytes);

}  // namespace mcloud::kv
