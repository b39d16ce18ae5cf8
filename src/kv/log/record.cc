#include "kv/log/record.h"

#include <algorithm>
#include <cstring>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"
#include "kv/planted.h"
#include "kv/store.h"

namespace mcloud::kv {
namespace {

constexpr uint8_t kDeletion = 1;
constexpr uint8_t kContinues = 2;
constexpr uint8_t kMoved = 4;
constexpr uint8_t kExpires = 8;
constexpr uint8_t kAllFlags = kDeletion | kContinues | kMoved | kExpires;
constexpr uint32_t kFarBehind = 0xffffffff;

}  // namespace

uint64_t Header::record_bytes() const { return padded(head_bytes() + value_bytes); }

uint64_t Header::durable() const { return behind == kFarBehind || behind > position ? 0 : position - behind; }

void append_record(Bytes& out, Header header, BytesView key, BytesView value) {
  size_t begin = out.size();
  out.resize(begin + kHeaderBytes);
  char* at = out.data() + begin;
  store<uint32_t>(at, 0);
  store<uint32_t>(at + 4, crc32c(value));
  at[8] = static_cast<char>((header.is_deletion ? kDeletion : 0) | (header.is_moved ? kMoved : 0) |
                            (header.expiry_ms ? kExpires : 0));
  at[9] = static_cast<char>(key.size());
  store<uint16_t>(at + 10, kRecordVersion);
  store(at + 12, static_cast<uint32_t>(value.size()));
  store<uint32_t>(at + 16, 0);
  store(at + 20, header.previous_value_bytes);
  store(at + 24, header.position);
  store(at + 32, header.sequence);
  store(at + 40, header.time_ms);
  store<uint64_t>(at + 48, header.previous ? *header.previous + 1 : 0);
  store(at + 56, header.epoch);
  out.append(key);
  if (header.expiry_ms) append(out, *header.expiry_ms);
  out.append(value);
  out.resize(begin + padded(out.size() - begin));
}

void finish_record(char* record, uint64_t durable, bool continues, uint32_t salt) {
  uint64_t behind = load<uint64_t>(record + 24) - durable;
  store(record + 16, static_cast<uint32_t>(std::min<uint64_t>(behind, kFarBehind)));
  record[8] = static_cast<char>((record[8] & ~kContinues) | (continues ? kContinues : 0));
  size_t checked = kHeaderBytes - 4 + static_cast<uint8_t>(record[9]) + ((record[8] & kExpires) != 0 ? kExpiryBytes : 0);
  store(record, crc32c(BytesView(record + 4, checked), salt));
}

std::optional<Header> parse_header(BytesView bytes, uint64_t position) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  const char* at = bytes.data();
  auto flags = static_cast<uint8_t>(at[8]);
  Header header{
      .head_check = load<uint32_t>(at),
      .value_check = load<uint32_t>(at + 4),
      .is_deletion = (flags & kDeletion) != 0,
      .continues = (flags & kContinues) != 0,
      .is_moved = (flags & kMoved) != 0,
      .key_bytes = static_cast<uint8_t>(at[9]),
      .value_bytes = load<uint32_t>(at + 12),
      .behind = load<uint32_t>(at + 16),
      .previous_value_bytes = load<uint32_t>(at + 20),
      .position = load<uint64_t>(at + 24),
      .sequence = load<uint64_t>(at + 32),
      .time_ms = load<uint64_t>(at + 40),
      .epoch = load<uint64_t>(at + 56),
  };
  auto previous = load<uint64_t>(at + 48);
  if (header.position != position || load<uint16_t>(at + 10) != kRecordVersion) return std::nullopt;
  if (position % 8 != 0 || position >= kPositionEnd || previous > position) return std::nullopt;
  if (flags > kAllFlags || header.value_bytes > kValueBytesMax) return std::nullopt;
  if ((flags & kExpires) != 0) {
    if (header.is_deletion) return std::nullopt;
    header.expiry_ms = 0;
    if (bytes.size() >= header.head_bytes()) read_expiry(header, bytes);
  }
  if (previous != 0) {
    if (previous % 8 != 1) return std::nullopt;
    header.previous = previous - 1;
  }
  return header;
}

void read_expiry(Header& header, BytesView head) {
  header.expiry_ms = load<uint64_t>(head.data() + kHeaderBytes + header.key_bytes);
}

bool head_is_sound(const Header& header, BytesView head, uint32_t salt) {
  size_t size = header.head_bytes();
  if (head.size() < size) return false;
  return planted::kNoCheck || crc32c(head.substr(4, size - 4), salt) == header.head_check;
}

bool value_is_sound(const Header& header, BytesView value) {
  return value_is_sound(header, value.size(), crc32c(value));
}

bool value_is_sound(const Header& header, size_t size, uint32_t check) {
  return size == header.value_bytes && (planted::kNoCheck || check == header.value_check);
}

bool is_zero(BytesView bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace mcloud::kv
