#include "flist/utf8.h"

#include <cstdint>

namespace mcloud::flist {
namespace {

uint8_t byte_at(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// Bytes of the character at `i`, 0 when there is none (Unicode 15, table 3-7).
size_t character_at(std::string_view text, size_t i) {
  uint8_t first = byte_at(text, i);
  if (first < 0x80) return 1;
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || i + size > text.size()) return 0;
  uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;   // no overlong forms
  uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;  // no surrogates, nothing above U+10FFFF
  if (byte_at(text, i + 1) < low || byte_at(text, i + 1) > high) return 0;
  for (size_t k = 2; k < size; ++k) {
    if ((byte_at(text, i + k) & 0xc0) != 0x80) return 0;
  }
  return size;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t size = character_at(text, i);
    if (size == 0) return false;
    i += size;
  }
  return true;
}

std::string to_utf8(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    size_t size = character_at(bytes, i);
    out += size == 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(i, size);
    i += size == 0 ? 1 : size;
  }
  return out;
}

}  // namespace mcloud::flist
