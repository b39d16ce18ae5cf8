#include "wire/resp_glance.h"

namespace mcloud::wire {
namespace {

constexpr size_t kDigitsMax = 8;

// `kind`, a number, a line end; moves `at` behind them.
bool take_number(BytesView bytes, size_t& at, char kind, size_t& number) {
  if (at >= bytes.size() || bytes[at] != kind) return false;
  size_t begin = at + 1;
  size_t digit = begin;
  number = 0;
  for (; digit < bytes.size() && bytes[digit] >= '0' && bytes[digit] <= '9'; digit++) {
    if (digit - begin == kDigitsMax) return false;
    number = number * 10 + static_cast<size_t>(bytes[digit] - '0');
  }
  if (digit == begin || bytes.size() - digit < 2 || bytes[digit] != '\r' || bytes[digit + 1] != '\n') return false;
  at = digit + 2;
  return true;
}

}  // namespace

std::optional<RespGlance> resp_glance(BytesView bytes) {
  size_t at = 0;
  size_t count = 0;
  if (!take_number(bytes, at, '*', count) || count < 2) return std::nullopt;
  RespGlance seen;
  for (size_t i = 0; i < count; i++) {
    size_t size = 0;
    if (!take_number(bytes, at, '$', size) || bytes.size() - at < size + 2) return std::nullopt;
    if (bytes[at + size] != '\r' || bytes[at + size + 1] != '\n') return std::nullopt;
    if (i == 1) seen.second = bytes.substr(at, size);
    at += size + 2;
  }
  seen.size = at;
  return seen;
}

}  // namespace mcloud::wire
