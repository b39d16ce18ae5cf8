#include "kv/log/crc32c.h"

#include <array>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace mcloud::kv {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<uint32_t, 256> kByteTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}();

uint32_t by_table(uint32_t crc, const char* at, size_t size) {
  for (size_t i = 0; i < size; ++i) crc = (crc >> 8) ^ kByteTable[(crc ^ static_cast<uint8_t>(at[i])) & 0xff];
  return crc;
}

#ifdef __x86_64__

// Three streams at once hide the instruction's latency of three cycles; their results are joined by moving a CRC over
// `kStride` zero bytes, which is linear and so a table of four bytes (the method of M. Adler's crc32c.c).
constexpr size_t kStride = 1024;

using ShiftTable = std::array<std::array<uint32_t, 256>, 4>;

constexpr ShiftTable kShift = [] {
  std::array<uint32_t, 32> moved{};  // where each single bit ends up
  for (uint32_t bit = 0; bit < 32; ++bit) {
    uint32_t crc = 1u << bit;
    for (size_t i = 0; i < kStride; ++i) crc = (crc >> 8) ^ kByteTable[crc & 0xff];
    moved[bit] = crc;
  }
  ShiftTable table{};
  for (size_t byte = 0; byte < 4; ++byte) {
    for (uint32_t value = 0; value < 256; ++value) {
      for (uint32_t bit = 0; bit < 8; ++bit) {
        if ((value >> bit & 1) != 0) table[byte][value] ^= moved[byte * 8 + bit];
      }
    }
  }
  return table;
}();

uint32_t shift(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][crc >> 8 & 0xff] ^ kShift[2][crc >> 16 & 0xff] ^ kShift[3][crc >> 24];
}

uint64_t load(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  return value;
}

__attribute__((target("sse4.2"))) uint32_t by_processor(uint32_t start, const char* at, size_t size) {
  uint64_t crc = start;
  for (; size >= 3 * kStride; at += 3 * kStride, size -= 3 * kStride) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kStride; i += 8) {
      crc = _mm_crc32_u64(crc, load(at + i));
      second = _mm_crc32_u64(second, load(at + kStride + i));
      third = _mm_crc32_u64(third, load(at + 2 * kStride + i));
    }
    crc = shift(shift(static_cast<uint32_t>(crc)) ^ static_cast<uint32_t>(second)) ^ third;
  }
  for (; size >= 8; at += 8, size -= 8) crc = _mm_crc32_u64(crc, load(at));
  auto rest = static_cast<uint32_t>(crc);
  for (; size > 0; ++at, --size) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*at));
  return rest;
}

#endif

}  // namespace

uint32_t crc32c(BytesView bytes, uint32_t before) {
#ifdef __x86_64__
  static const bool helps = __builtin_cpu_supports("sse4.2");
  if (helps) return ~by_processor(~before, bytes.data(), bytes.size());
#endif
  return ~by_table(~before, bytes.data(), bytes.size());
}

}  // namespace mcloud::kv
