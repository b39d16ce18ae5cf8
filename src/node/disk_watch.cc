#include "node/disk_watch.h"

#include <algorithm>

#include "base/units.h"

namespace mcloud::node {
namespace {

bool is_above(uint64_t bytes, uint64_t bound, uint64_t percent) { return bytes / 100 >= bound / 100 * percent / 100; }

}  // namespace

void DiskWatch::set(const std::map<DiskSubject, uint64_t>& bounds, uint64_t now_ms) {
  std::erase_if(watched_, [&](const auto& entry) { return !bounds.contains(entry.first); });
  for (const auto& [subject, bound] : bounds) {
    auto [watched, is_new] = watched_.try_emplace(subject);
    if (is_new) watched->second.due_ms = now_ms + kFirstMs;
    if (watched->second.bound == bound) continue;
    watched->second.bound = bound;
    watched->second.warns = watched->second.seen_ms != 0 && is_above(watched->second.usage.bytes, bound, kWarnPercent);
  }
}

std::vector<DiskSubject> DiskWatch::due(uint64_t now_ms) const {
  std::vector<DiskSubject> due;
  for (const auto& [subject, watched] : watched_) {
    if (watched.due_ms <= now_ms) due.push_back(subject);
  }
  return due;
}

uint64_t DiskWatch::next_ms() const {
  uint64_t next = UINT64_MAX;
  for (const auto& [subject, watched] : watched_) next = std::min(next, watched.due_ms);
  return next;
}

void DiskWatch::begun(const DiskSubject& subject, uint64_t now_ms) {
  auto watched = watched_.find(subject);
  if (watched != watched_.end()) watched->second.begun_ms = now_ms;
}

void DiskWatch::measured(const DiskSubject& subject, const Result<DiskUsage>& usage, uint64_t now_ms) {
  auto found = watched_.find(subject);
  if (found == watched_.end()) return;
  Watched& watched = found->second;
  uint64_t took_ms = now_ms - std::min(watched.begun_ms, now_ms);
  uint64_t pause_ms = kEveryMs;
  if (usage.has_value()) {
    uint64_t grown = usage->bytes - std::min(watched.usage.bytes, usage->bytes);
    uint64_t left = watched.bound - std::min(usage->bytes, watched.bound);
    if (watched.seen_ms != 0 && grown > 0) {
      double full_in_ms =
          static_cast<double>(left) / static_cast<double>(grown) * static_cast<double>(now_ms - watched.seen_ms);
      pause_ms = static_cast<uint64_t>(std::clamp(full_in_ms / 2, double{kOftenMs}, double{kEveryMs}));
    }
    watched.usage = *usage;
    watched.seen_ms = now_ms;
    watched.warns = is_above(usage->bytes, watched.bound, watched.warns ? kCalmPercent : kWarnPercent);
  }
  watched.due_ms = now_ms + std::max(pause_ms, took_ms * kCostShare);
}

std::string DiskWatch::warning(const DiskSubject& subject) const {
  auto watched = watched_.find(subject);
  if (watched == watched_.end() || !watched->second.warns) return "";
  return "over " + std::to_string(kWarnPercent) + " % of " + format_size(watched->second.bound) + " is used";
}

std::optional<std::string> DiskWatch::excess(const DiskSubject& subject) const {
  auto found = watched_.find(subject);
  if (found == watched_.end()) return std::nullopt;
  const Watched& watched = found->second;
  if (watched.seen_ms == 0 || watched.usage.is_enforced || watched.usage.bytes <= watched.bound) return std::nullopt;
  return "used " + std::string(watched.usage.is_whole ? "" : "at least ") + format_size(watched.usage.bytes) + " of " +
         format_size(watched.bound);
}

}  // namespace mcloud::node
