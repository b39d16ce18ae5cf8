#include "sim/judge_sets.h"

namespace mcloud::sim {
namespace {

std::set<uint64_t> values_of(const Log& log) {
  std::set<uint64_t> values;
  for (const Entry& entry : log) values.insert(entry.value);
  return values;
}

}  // namespace

std::string SetJudge::acknowledged(const SetKey& key, uint64_t term, uint64_t value, uint32_t copies, uint64_t now_ms) {
  Set& set = sets_[key];
  if (set.is_gone) return "";
  ++acknowledged_;
  set.last_ms = now_ms;
  if (copies < 2 || set.is_asynchronous) return "";
  set.safe[value] = term;
  // Whoever leads a later term already must have it: else two of them tell clients different things.
  for (auto at = set.led.upper_bound(term); at != set.led.end(); ++at) {
    if (at->second.contains(value)) continue;
    return "term " + std::to_string(term) + " acknowledges " + std::to_string(value) + ", which the primary of term " +
           std::to_string(at->first) + " does not have";
  }
  return "";
}

std::string SetJudge::leads(const SetKey& key, uint64_t term, const Log& log) {
  Set& set = sets_[key];
  if (set.is_gone) return "";
  ++leaders_;
  std::set<uint64_t> values = values_of(log);
  for (const auto& [value, by] : set.safe) {
    if (values.contains(value)) continue;
    return "the primary of term " + std::to_string(term) + " has lost " + std::to_string(value) + ", acknowledged in term " +
           std::to_string(by);
  }
  set.led.try_emplace(term, std::move(values));  // a restart in the same term adds nothing to who is later
  return "";
}

std::string SetJudge::settled(const SetKey& key, const Log& log, bool is_writable, uint64_t now_ms) const {
  auto found = sets_.find(key);
  if (found == sets_.end()) return "never led";
  std::set<uint64_t> values = values_of(log);
  for (const auto& [value, term] : found->second.safe) {
    if (!values.contains(value)) return "has lost " + std::to_string(value) + " of term " + std::to_string(term);
  }
  if (!is_writable) return "";
  uint64_t silent_ms = now_ms - found->second.last_ms;
  return silent_ms > 5000 ? "has acknowledged nothing for " + std::to_string(silent_ms) + " ms" : "";
}

void SetJudge::asynchronous(const SetKey& key, bool is_asynchronous) {
  Set& set = sets_[key];
  set.is_asynchronous = is_asynchronous;
  if (is_asynchronous) set.safe.clear();  // the contract accepts that it is lost
}

void SetJudge::forget(const SetKey& key) {
  sets_[key] = Set();
  sets_[key].is_gone = true;
}

}  // namespace mcloud::sim
