// A namespace's settings in the words that people type and read: NSSET, NSINFO, CONFIG. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kv/store.h"

namespace mcloud::kv {

inline constexpr uint64_t kIntervalMsMax = 3'600'000;

std::string_view durability_word(Durability durability);  // "always", "interval", "none"
std::optional<Durability> durability_of(std::string_view word);

std::string history_text(const History& history);  // "forever", "last:5", "newer:60000"
std::optional<History> history_of(std::string_view text);

std::optional<uint64_t> interval_ms_of(std::string_view text);  // 1 to kIntervalMsMax

}  // namespace mcloud::kv
