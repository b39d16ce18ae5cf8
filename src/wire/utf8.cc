#include "wire/utf8.h"

#include <cstdint>

namespace mcloud::wire {
namespace {

// Bytes of the well-formed sequence at the front; 0 if there is none. (Unicode, table 3-7)
size_t sequence_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  auto is_tail = [&](size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xbf; };
  unsigned first = byte(0);
  unsigned second = byte(1);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !is_tail(1)) return 0;
  if (first < 0xe0) return 2;
  if (!is_tail(2)) return 0;
  if (first == 0xe0 && second < 0xa0) return 0;  // overlong
  if (first == 0xed && second > 0x9f) return 0;  // surrogates
  if (first < 0xf0) return 3;
  if (!is_tail(3)) return 0;
  if (first == 0xf0 && second < 0x90) return 0;  // overlong
  if (first == 0xf4 && second > 0x8f) return 0;  // past U+10FFFF
  return 4;
}

bool is_control(char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f; }

}  // namespace

std::optional<size_t> find_bad_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t length = sequence_length(text.substr(i));
    if (length == 0 || is_control(text[i])) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace mcloud::wire
