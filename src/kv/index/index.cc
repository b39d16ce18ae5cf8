#include "kv/index/index.h"

#include <mutex>  // lock_guard only

namespace mcloud::kv {

Index::Candidates Index::candidates(uint64_t hash) const {
  const Shard& shard = shards_[shard_of(hash)];
  Candidates found;
  std::lock_guard guard(shard.lock);
  shard.table.candidates(hash, [&](Place place) {
    if (found.count == found.places.size()) return found.is_complete = false;
    found.places[found.count++] = place;
    return true;
  });
  return found;
}

void Index::prefetch(uint64_t hash) const {
  const Shard& shard = shards_[shard_of(hash)];
  std::lock_guard guard(shard.lock);
  shard.table.prefetch(hash);
}

bool Index::is_live_at(uint64_t hash, uint64_t position) const {
  const Shard& shard = shards_[shard_of(hash)];
  bool is_live = false;
  std::lock_guard guard(shard.lock);
  shard.table.candidates(hash, [&](Place place) {
    if (place.position != position) return true;
    is_live = !place.is_deletion;
    return false;
  });
  return is_live;
}

void Index::put(uint64_t hash, std::optional<uint64_t> replaced, Place place) {
  Shard& shard = shards_[shard_of(hash)];
  if (replaced && replace(hash, *replaced, place)) return;
  if (!shard.table.has_room()) {
    // Built beside: only the one writer changes a table, so readers go on meanwhile.
    Table bigger = shard.table.grown();
    std::lock_guard guard(shard.lock);
    std::swap(shard.table, bigger);
  }
  std::lock_guard guard(shard.lock);
  shard.table.insert(hash, place);
}

bool Index::replace(uint64_t hash, uint64_t position, Place place) {
  Shard& shard = shards_[shard_of(hash)];
  std::lock_guard guard(shard.lock);
  return shard.table.replace(hash, position, place);
}

void Index::erase(uint64_t hash, uint64_t position) {
  Shard& shard = shards_[shard_of(hash)];
  std::lock_guard guard(shard.lock);
  shard.table.erase(hash, position);
}

void Index::erase_below(uint64_t position) {
  for (Shard& shard : shards_) {
    std::lock_guard guard(shard.lock);
    shard.table.erase_below(position);
  }
}

void Index::clear() {
  for (Shard& shard : shards_) {
    Table empty;
    std::lock_guard guard(shard.lock);
    std::swap(shard.table, empty);
  }
}

uint64_t Index::keys() const {
  uint64_t keys = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard guard(shard.lock);
    keys += shard.table.live();
  }
  return keys;
}

uint64_t Index::bytes() const {
  uint64_t bytes = sizeof(*this);
  for (const Shard& shard : shards_) {
    std::lock_guard guard(shard.lock);
    bytes += shard.table.bytes();
  }
  return bytes;
}

std::vector<Place> Index::places(size_t shard) const {
  std::vector<Place> found;
  std::lock_guard guard(shards_[shard].lock);
  found.reserve(shards_[shard].table.used());
  shards_[shard].table.each([&](Place place) { found.push_back(place); });
  return found;
}

}  // namespace mcloud::kv
