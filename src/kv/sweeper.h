// Removes keys that have expired from a namespace, by ordinary deletion records. Nobody has to wait for it: what has
// expired reads as absent anyway. It sleeps until something may expire, and never runs where nobody may write (a
// follower gets its master's deletions).
//
// What it writes changes no answer about any time: a deletion carries the moment at which the key expired.
#pragma once

#include <map>
#include <mutex>  // writers add, a worker sweeps
#include <set>

#include "kv/expiry_queue.h"
#include "kv/log/record.h"
#include "kv/syncer.h"

namespace mcloud::kv {

class LocalNamespace;

// Thread-safe. A member of its namespace.
class Sweeper final : public Syncable {
 public:
  explicit Sweeper(LocalNamespace& space);

  // What recovery found: segments with records that expire, by their begin, and the soonest expiry in each.
  void start(const std::map<uint64_t, uint64_t>& expiring);
  // A record that expires is in the log and in the index.
  void add(const Header& header, uint64_t hash);
  // Everything has been removed.
  void clear();
  // Removes what has expired by now, on this thread, however long it takes.
  Status sweep();
  // Records that are known to expire later: all of them if they are few.
  size_t waiting() const;

  void sync_now() override {}
  void sync_due() override;  // the timer

 private:
  bool is_live(const ExpiryQueue::Item& item) const;
  void arm(uint64_t least_ms);
  void go_on();
  void run_slice();
  // sweeping_ is held. False: nothing is due now.
  Result<bool> sweep_slice();
  Status remove(std::vector<ExpiryQueue::Item> due);
  // Fills the queue from the log.
  void begin_walk();
  Status walk_slice();
  bool enter(uint64_t segment);
  void look_at(const Header& header, BytesView key);
  void end_segment();

  LocalNamespace& space_;
  std::mutex sweeping_;  // one sweep at a time

  mutable std::mutex mutex_;  // guards what follows
  ExpiryQueue queue_;
  std::set<uint64_t> segments_;  // begins of those that have (or had) records that expire
  std::set<uint64_t> timers_;    // when they are due, monotonic

  struct Walk {
    uint64_t at = 0;
    uint64_t end = 0;
    std::optional<uint64_t> segment;  // its begin
    bool has_live = false;            // something of the segment will expire
  };
  std::optional<Walk> walk_;  // sweeping_'s
};

}  // namespace mcloud::kv
