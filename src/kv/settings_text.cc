#include "kv/settings_text.h"

#include <charconv>

namespace mcloud::kv {
namespace {

// A whole number above 0.
std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || number == 0) return {};
  return number;
}

}  // namespace

std::string_view durability_word(Durability durability) {
  switch (durability) {
    case Durability::Always: return "always";
    case Durability::Interval: return "interval";
    case Durability::None: return "none";
  }
  return "";
}

std::optional<Durability> durability_of(std::string_view word) {
  for (Durability durability : {Durability::Always, Durability::Interval, Durability::None}) {
    if (word == durability_word(durability)) return durability;
  }
  return {};
}

std::string history_text(const History& history) {
  switch (history.keep) {
    case History::Keep::Forever: return "forever";
    case History::Keep::LastVersions: return "last:" + std::to_string(history.amount);
    case History::Keep::NewerThan: return "newer:" + std::to_string(history.amount);
  }
  return "";
}

std::optional<History> history_of(std::string_view text) {
  if (text == "forever") return History{};
  bool is_last = text.starts_with("last:");
  if (!is_last && !text.starts_with("newer:")) return {};
  auto amount = number_of(text.substr(text.find(':') + 1));
  if (!amount) return {};
  return History{is_last ? History::Keep::LastVersions : History::Keep::NewerThan, *amount};
}

std::optional<uint64_t> interval_ms_of(std::string_view text) {
  auto ms = number_of(text);
  return ms && *ms <= kIntervalMsMax ? ms : std::nullopt;
}

}  // namespace mcloud::kv
