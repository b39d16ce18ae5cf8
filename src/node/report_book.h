// When to tell the ledger what: only changes, at most one batch a second, the first one at once. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mcloud/ledger.pb.h"
#include "node/plan.h"

namespace mcloud::node {

struct Report {
  ReplicaKey replica;
  pb::Result result;
  bool is_urgent = false;  // false: may wait kPatienceMs, because something better probably comes soon
};

// Times are milliseconds of one monotonic clock.
class ReportBook {
 public:
  static constexpr uint64_t kPaceMs = 1'000;      // between two batches
  static constexpr uint64_t kPatienceMs = 1'000;
  static constexpr uint64_t kRetryMaxMs = 15'000;
  static constexpr size_t kBatchMax = 500;

  // The present state of everything; what is missing is forgotten.
  void set(const std::vector<Report>& reports, uint64_t now_ms);
  // What the ledger has recorded of this replica: told, so to say. What it has written off under this epoch
  // (cannot run, stuck) it wants to hear no more about.
  void recorded(const ReplicaKey& replica, const pb::Replica& replica_record);

  // The batch to send now, if any. It is in flight until delivered() or failed(); one at a time.
  std::optional<std::vector<pb::Result>> take(uint64_t now_ms);
  void delivered(uint64_t now_ms);
  // Not executed, or refused. `is_conflict`: only its sequence number was wrong: it may go again at once.
  void failed(uint64_t now_ms, bool is_conflict);

  uint64_t next_ms() const;  // when take() may have something; UINT64_MAX: never or in flight

 private:
  struct Line {
    pb::Result current;
    uint64_t due_ms = 0;        // when current has to be told
    std::optional<Bytes> told;  // encoded; last delivered, or what the ledger has
    std::optional<Bytes> sent;  // in flight
    uint64_t muted_epoch = 0;   // the ledger has written it off; 0 = not
  };
  bool has_news(const Line& line) const;

  std::map<ReplicaKey, Line> lines_;
  bool is_in_flight_ = false;
  uint64_t not_before_ms_ = 0;
  uint32_t failures_ = 0;
};

}  // namespace mcloud::node
