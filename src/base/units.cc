#include "base/units.h"

#include <array>
#include <limits>

namespace mcloud {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

// A decimal number at the front of `text` as value = digits / 10^decimals; advances `text`.
struct Decimal {
  uint64_t digits = 0;
  uint64_t scale = 1;
};

Result<Decimal> take_decimal(std::string_view& text) {
  Decimal out;
  size_t count = 0;
  bool seen_point = false;
  while (!text.empty()) {
    char c = text.front();
    if (c == '.' && !seen_point && count > 0) {
      seen_point = true;
    } else if (c >= '0' && c <= '9') {
      if (++count > 18) return make_error(Code::Invalid, "too many digits");
      out.digits = out.digits * 10 + static_cast<uint64_t>(c - '0');
      if (seen_point) out.scale *= 10;
    } else {
      break;
    }
    text.remove_prefix(1);
  }
  if (count == 0) return make_error(Code::Invalid, "a number is missing");
  return out;
}

Result<uint64_t> scaled(Decimal number, uint64_t factor) {
  unsigned __int128 value = static_cast<unsigned __int128>(number.digits) * factor / number.scale;
  if (value > kMax) return make_error(Code::Invalid, "too large");
  return static_cast<uint64_t>(value);
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 15> kSizeUnits = {{{"", 1},
                                              {"B", 1},
                                              {"KiB", 1ull << 10},
                                              {"MiB", 1ull << 20},
                                              {"GiB", 1ull << 30},
                                              {"TiB", 1ull << 40},
                                              {"PiB", 1ull << 50},
                                              {"EiB", 1ull << 60},
                                              {"kB", 1000ull},
                                              {"KB", 1000ull},
                                              {"MB", 1000'000ull},
                                              {"GB", 1000'000'000ull},
                                              {"TB", 1000'000'000'000ull},
                                              {"PB", 1000'000'000'000'000ull},
                                              {"EB", 1000'000'000'000'000'000ull}}};

constexpr std::array<Unit, 5> kDurationUnits = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  Decimal number = TRY(take_decimal(rest));
  for (const Unit& unit : kSizeUnits) {
    if (rest == unit.name) return scaled(number, unit.factor);
  }
  return make_error(Code::Invalid, "unknown size unit \"" + std::string(rest) +
                                       "\"; allowed: B, KiB, MiB, GiB, TiB, PiB, EiB, kB, MB, GB, TB, PB, EB");
}

std::string format_size(uint64_t bytes) {
  for (size_t i = 7; i >= 2; --i) {
    const Unit& unit = kSizeUnits[i];
    if (bytes < unit.factor) continue;
    uint64_t tenths = bytes / (unit.factor / 10 == 0 ? 1 : unit.factor) * 10 + bytes % unit.factor * 10 / unit.factor;
    std::string out = std::to_string(tenths / 10);
    if (tenths % 10 != 0) out += "." + std::to_string(tenths % 10);
    return out + std::string(unit.name);
  }
  return std::to_string(bytes) + "B";
}

Result<uint64_t> parse_duration_ms(std::string_view text) {
  std::string_view rest = text;
  uint64_t total = 0;
  do {
    Decimal number = TRY(take_decimal(rest));
    size_t letters = 0;
    while (letters < rest.size() && (rest[letters] < '0' || rest[letters] > '9')) ++letters;
    std::string_view name = rest.substr(0, letters);
    rest.remove_prefix(letters);
    const Unit* found = nullptr;
    for (const Unit& unit : kDurationUnits) {
      if (unit.name == name) found = &unit;
    }
    if (found == nullptr) {
      return make_error(Code::Invalid, name.empty() ? std::string("a duration needs a unit: ms, s, m, h or d")
                                                    : "unknown duration unit \"" + std::string(name) +
                                                          "\"; allowed: ms, s, m, h, d");
    }
    uint64_t part = TRY(scaled(number, found->factor));
    if (part > kMax - total) return make_error(Code::Invalid, "too large");
    total += part;
  } while (!rest.empty());
  return total;
}

std::string format_duration_ms(uint64_t ms) {
  if (ms == 0) return "0s";
  std::string out;
  for (size_t i = kDurationUnits.size(); i-- > 0;) {
    const Unit& unit = kDurationUnits[i];
    if (ms < unit.factor) continue;
    out += std::to_string(ms / unit.factor) + std::string(unit.name);
    ms %= unit.factor;
  }
  return out;
}

Result<uint64_t> parse_cpu_milli(std::string_view text) {
  std::string_view rest = text;
  Decimal number = TRY(take_decimal(rest));
  if (rest.empty()) return scaled(number, 1000);
  if (rest == "m") return scaled(number, 1);
  return make_error(Code::Invalid, "unknown cpu unit \"" + std::string(rest) +
                                       "\"; write cores (\"2\", \"0.5\") or thousandths (\"250m\")");
}

std::string format_cpu_milli(uint64_t milli) {
  if (milli % 1000 == 0) return std::to_string(milli / 1000);
  return std::to_string(milli) + "m";
}

}  // namespace mcloud
