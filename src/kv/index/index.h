// The keys of a namespace in memory: 64 tables, each behind its own lock.
//
// Readers come from any thread; one thread at a time changes it (the namespace's writer).
#pragma once

#include <array>
#include <vector>

#include "kv/index/table.h"
#include "kv/spin_lock.h"

namespace mcloud::kv {

inline constexpr size_t kShards = 64;
constexpr size_t shard_of(uint64_t hash) { return hash >> 58; }

class Index {
 public:
  // Places of records whose key may be the one with this hash; nearly always none or one.
  struct Candidates {
    std::array<Place, 8> places;
    size_t count = 0;
    bool is_complete = true;  // false: there are more than fit
    const Place* begin() const { return places.data(); }
    const Place* end() const { return places.data() + count; }
  };
  Candidates candidates(uint64_t hash) const;
  // A hint that candidates(hash) is asked soon.
  void prefetch(uint64_t hash) const;
  // Is the newest record of a live key at `position`?
  bool is_live_at(uint64_t hash, uint64_t position) const;

  // The key's slot points to `place` from now on; `replaced`: where it pointed to before.
  void put(uint64_t hash, std::optional<uint64_t> replaced, Place place);
  bool replace(uint64_t hash, uint64_t position, Place place);
  void erase(uint64_t hash, uint64_t position);
  void erase_below(uint64_t position);
  void clear();

  uint64_t keys() const;
  uint64_t bytes() const;
  std::vector<Place> places(size_t shard) const;

 private:
  struct alignas(64) Shard {
    mutable SpinLock lock;
    Table table;
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace mcloud::kv
