#include "cli/moment.h"

#include <charconv>
#include <chrono>
#include <optional>

#include "base/units.h"

namespace mcloud::cli {
namespace {

Error invalid(std::string_view text) {
  return make_error(Code::Invalid, "'" + std::string(text.substr(0, 40)) +
                                       "' is no moment: 24h (so long ago), 2026-11-28 or 2026-11-28T08:30 (UTC)");
}

// Exactly `size` digits at the front, taken away.
std::optional<unsigned> take_digits(std::string_view& text, size_t size) {
  unsigned value = 0;
  if (text.size() < size || text[0] < '0' || text[0] > '9') return std::nullopt;
  auto [end, error] = std::from_chars(text.data(), text.data() + size, value);
  if (error != std::errc() || end != text.data() + size) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool take(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<unsigned> take_next(std::string_view& text, char before) {
  return take(text, before) ? take_digits(text, 2) : std::nullopt;
}

// After the day: nothing, "T08:30" or "T08:30:05", and perhaps a Z.
std::optional<std::chrono::seconds> time_of_day(std::string_view text) {
  unsigned hour = 0, minute = 0, second = 0;
  if (text.starts_with('T')) {
    std::optional<unsigned> hours = take_next(text, 'T'), minutes = take_next(text, ':');
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    hour = *hours;
    minute = *minutes;
    if (text.starts_with(':')) {
      std::optional<unsigned> seconds = take_next(text, ':');
      if (!seconds || *seconds > 59) return std::nullopt;
      second = *seconds;
    }
    take(text, 'Z');
  }
  if (!text.empty()) return std::nullopt;
  return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

}  // namespace

Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ms) {
  std::string_view rest = text;
  std::optional<unsigned> year = take_digits(rest, 4);
  if (!year.has_value() || !rest.starts_with('-')) {
    Result<uint64_t> ago = parse_duration_ms(text);
    if (!ago.has_value()) return invalid(text);
    return *ago > now_ms ? 0 : now_ms - *ago;
  }
  std::optional<unsigned> month = take_next(rest, '-'), day = take_next(rest, '-');
  if (!month || !day) return invalid(text);
  std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month), std::chrono::day(*day)};
  std::optional<std::chrono::seconds> time = time_of_day(rest);
  if (!date.ok() || *year < 1970 || !time.has_value()) return invalid(text);
  auto moment = std::chrono::sys_days(date) + *time;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(moment.time_since_epoch()).count());
}

}  // namespace mcloud::cli
