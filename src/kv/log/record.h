// One record of a namespace's log, byte by byte (docs/reference/kv-log.md). Pure.
//
//   0   4  head check: CRC-32C, begun with the namespace's salt, over bytes 4..63, the key and the expiry
//   4   4  value check: CRC-32C over the value
//   8   1  flags: 1 deletion, 2 the next record belongs to the same transaction, 4 moved by compaction, 8 expires
//   9   1  key length
//   10  2  version of this layout: 1
//   12  4  value length
//   16  4  behind: from the durable position known when this was written to this record; all ones: that or more
//   20  4  value length of the version before, all ones if there was none or it was a deletion
//   24  8  position: the byte offset of this record in the log
//   32  8  sequence
//   40  8  time, milliseconds since 1970
//   48  8  previous: position of the key's version before + 1; 0: none
//   56  8  epoch of the writer
//   64     key
//          flag 8 only: 8 bytes expiry: from then on nobody sees this version; milliseconds since 1970
//          value, zeros up to a multiple of 8
//
// All numbers little-endian. A header of zeros is the end of what was written.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace mcloud::kv {

inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kExpiryBytes = 8;
inline constexpr size_t kHeadBytesMax = kHeaderBytes + 255 + kExpiryBytes;  // header, key, expiry
inline constexpr uint16_t kRecordVersion = 1;
inline constexpr uint64_t kPositionEnd = uint64_t{1} << 48;  // positions are below
inline constexpr uint32_t kNoValue = 0xffffffff;

struct Header {
  uint32_t head_check = 0;
  uint32_t value_check = 0;
  bool is_deletion = false;
  bool continues = false;
  bool is_moved = false;
  uint8_t key_bytes = 0;
  uint32_t value_bytes = 0;
  uint32_t behind = 0;
  uint32_t previous_value_bytes = kNoValue;
  uint64_t position = 0;
  uint64_t sequence = 0;
  uint64_t time_ms = 0;
  std::optional<uint64_t> previous;
  uint64_t epoch = 0;
  std::optional<uint64_t> expiry_ms;

  // Header, key and expiry: what the head check covers, and where the value begins.
  size_t head_bytes() const { return kHeaderBytes + key_bytes + (expiry_ms ? kExpiryBytes : 0); }
  uint64_t record_bytes() const;  // padded
  uint64_t end() const { return position + record_bytes(); }
  // The log up to here was durable when this record was written.
  uint64_t durable() const;
  // The version's life is [its time, min(the next version, its expiry)): it reads as absent at `now_ms`.
  bool is_expired(uint64_t now_ms) const { return expiry_ms && *expiry_ms <= now_ms; }
  // Bytes that count as live: key and value. What has expired counts until its deletion is written.
  uint64_t live_bytes() const { return is_deletion ? 0 : uint64_t{key_bytes} + value_bytes; }
  uint64_t replaced_bytes() const {
    return previous_value_bytes == kNoValue ? 0 : uint64_t{key_bytes} + previous_value_bytes;
  }
};

constexpr uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~uint64_t{7}; }
// Of a record without expiry.
constexpr uint64_t record_bytes(size_t key_bytes, size_t value_bytes) {
  return padded(kHeaderBytes + key_bytes + value_bytes);
}

// Appends a record without its head check, which finish_record() sets; what `header` says of checks and lengths is
// ignored.
void append_record(Bytes& out, Header header, BytesView key, BytesView value);
// Sets `behind`, `continues` and the head check of the record that begins at `record`.
void finish_record(char* record, uint64_t durable, bool continues, uint32_t salt);

// The fields of the 64 bytes; nullopt: no header of ours (wrong version, unknown flags, lengths out of bounds, not at
// `position`). Checks nothing else. The expiry is read if `bytes` reach so far; else it is 0 until read_expiry().
std::optional<Header> parse_header(BytesView bytes, uint64_t position);
// `head`: at least head_bytes() of a record whose header says that it expires.
void read_expiry(Header& header, BytesView head);
bool head_is_sound(const Header& header, BytesView head, uint32_t salt);
bool value_is_sound(const Header& header, BytesView value);
// The same for who has computed the CRC-32C of a value of `size` bytes.
bool value_is_sound(const Header& header, size_t size, uint32_t check);

bool is_zero(BytesView bytes);

}  // namespace mcloud::kv
