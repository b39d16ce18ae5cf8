// When to measure which disk, and what the figures mean. Pure: it is told what was measured.
//
// Where the file system has no project quotas this is all that bounds a container's disk and a volume: what is
// written between two looks is too much already when it is seen.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/disk_usage.h"
#include "node/plan.h"

namespace mcloud::node {

// The disk of a container, or a volume.
struct DiskSubject {
  ReplicaKey replica;
  bool is_volume = false;

  auto operator<=>(const DiskSubject&) const = default;
};

// Times are milliseconds of one monotonic clock.
class DiskWatch {
 public:
  static constexpr uint64_t kFirstMs = 2'000;   // after it came
  static constexpr uint64_t kEveryMs = 30'000;  // while it grows slowly
  static constexpr uint64_t kOftenMs = 2'000;   // at its fastest: half the time in which it would be full
  static constexpr uint64_t kCostShare = 20;    // a look takes at most this part of the time to the next one
  static constexpr uint64_t kWarnPercent = 90;
  static constexpr uint64_t kCalmPercent = 85;  // a warning ends below: it is a report to the ledger each time

  // What to watch, with its bound in bytes; others are forgotten.
  void set(const std::map<DiskSubject, uint64_t>& bounds, uint64_t now_ms);

  std::vector<DiskSubject> due(uint64_t now_ms) const;
  uint64_t next_ms() const;  // UINT64_MAX: never
  void begun(const DiskSubject& subject, uint64_t now_ms);
  void measured(const DiskSubject& subject, const Result<DiskUsage>& usage, uint64_t now_ms);

  // "over 90 % of 1GiB is used"; "" = no need to. It stays the same while it is true.
  std::string warning(const DiskSubject& subject) const;
  // "used 1.2GiB of 1GiB" when the last look found so; never of what the file system bounds itself.
  std::optional<std::string> excess(const DiskSubject& subject) const;

 private:
  struct Watched {
    uint64_t bound = 0;
    uint64_t due_ms = 0;
    uint64_t begun_ms = 0;
    uint64_t seen_ms = 0;  // 0 = never
    DiskUsage usage;
    bool warns = false;
  };
  std::map<DiskSubject, Watched> watched_;
};

}  // namespace mcloud::node
