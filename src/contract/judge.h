// Inside this room only: small judgements on signed fields; each names the field, the value's fault and
// what is allowed.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/result.h"
#include "contract/field_reader.h"
#include "contract/syntax.h"

namespace mcloud::contract {

inline Error refused(std::string_view field, std::string_view why) {
  return make_error(Code::Invalid, std::string(field) + ": " + std::string(why));
}

// `ok`, or Invalid.
inline Status require(bool ok, std::string_view field, std::string_view why) {
  if (ok) return {};
  return refused(field, why);
}

inline Status require_rule(const Rule& rule, std::string_view text, std::string_view field) {
  return require(rule.holds(text), field, "allowed: " + std::string(rule.allowed));
}

inline Status require_bounds(Bounds bounds, uint64_t value, std::string_view field) {
  return require(value >= bounds.min && value <= bounds.max, field,
                 std::to_string(value) + " is not " + std::to_string(bounds.min) + " to " + std::to_string(bounds.max));
}

// Strictly ascending by `key`, at most `count_max`.
template <typename List, typename Key>
Status require_sorted(const List& list, size_t count_max, std::string_view field, Key key) {
  TRY(require(static_cast<size_t>(list.size()) <= count_max, field, "at most " + std::to_string(count_max) + " entries"));
  auto not_below = [&](const auto& a, const auto& b) { return !(key(a) < key(b)); };
  return require(std::adjacent_find(list.begin(), list.end(), not_below) == list.end(), field,
                 "entries must be sorted and unique");
}
template <typename List>
Status require_sorted(const List& list, size_t count_max, std::string_view field) {
  return require_sorted(list, count_max, field, [](const auto& item) -> const auto& { return item; });
}

// Sorted, and each by the rule.
template <typename List>
Status require_words(const List& list, const Rule& rule, size_t count_max, std::string_view field) {
  TRY(require_sorted(list, count_max, field));
  for (const auto& word : list) TRY(require_rule(rule, word, field));
  return {};
}

template <typename List>
bool contains(const List& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace mcloud::contract
