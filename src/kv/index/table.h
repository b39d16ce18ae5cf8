// One shard of the index: key hash -> place of the key's newest record, 12 bytes a key. Pure, not thread-safe.
//
// Open addressing with linear probing, filled to at most 17/20. A slot keeps 48 bits of the hash and no key: who finds
// a candidate reads the key in the log. Growing by a quarter keeps it under 18 bytes per key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace mcloud::kv {

struct Place {
  uint64_t position = 0;  // multiple of 8, below 2^48
  bool is_deletion = false;
  bool operator==(const Place&) const = default;
};

class Table {
 public:
  // Calls visit(Place) for every slot with this hash (its low 48 bits count) until it returns false.
  template <typename Visit>
  void candidates(uint64_t hash, Visit visit) const;

  // A hint that candidates(hash) is asked soon.
  void prefetch(uint64_t hash) const {
    if (slots_.empty()) return;
    const Slot* slot = &slots_[home(hash)];
    __builtin_prefetch(slot);
    __builtin_prefetch(slot + kSlotsAhead);
  }

  // Room for one more insert(); else grown() must replace this first.
  bool has_room() const { return (used_ + 1) * 20 <= slots_.size() * 17; }
  Table grown() const;
  void insert(uint64_t hash, Place place);
  // False: no slot with this hash is at `position`.
  bool replace(uint64_t hash, uint64_t position, Place place);
  bool erase(uint64_t hash, uint64_t position);
  void erase_below(uint64_t position);
  bool contains(uint64_t hash, uint64_t position) const { return find(hash, position).has_value(); }

  size_t used() const { return used_; }
  size_t live() const { return used_ - deletions_; }  // slots that are no deletion
  size_t bytes() const { return slots_.size() * sizeof(Slot); }
  // Calls visit(Place) for every slot, in no order.
  template <typename Visit>
  void each(Visit visit) const;

 private:
  struct Slot {
    std::array<uint32_t, 3> words{};
    static Slot make(uint64_t hash, Place place);
    bool is_used() const { return (words[2] >> 31) != 0; }
    uint64_t hash() const { return words[0] | (uint64_t{words[1]} & 0xffff) << 32; }
    Place place() const {
      return {(uint64_t{words[1]} >> 16 | (uint64_t{words[2]} & 0x1fffffff) << 16) << 3, (words[2] >> 30 & 1) != 0};
    }
  };
  static_assert(sizeof(Slot) == 12);
  static constexpr size_t kSlotsAhead = 5;  // in the next cache line, if not in the same: few searches go further
  static constexpr uint64_t kHashMask = (uint64_t{1} << 48) - 1;

  size_t home(uint64_t hash) const {
    return static_cast<size_t>(static_cast<unsigned __int128>(hash & kHashMask) * slots_.size() >> 48);
  }
  size_t after(size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  std::optional<size_t> find(uint64_t hash, uint64_t position) const;

  std::vector<Slot> slots_;
  size_t used_ = 0;
  size_t deletions_ = 0;
};

template <typename Visit>
void Table::candidates(uint64_t hash, Visit visit) const {
  if (slots_.empty()) return;
  for (size_t at = home(hash); slots_[at].is_used(); at = after(at)) {
    if (slots_[at].hash() == (hash & kHashMask) && !visit(slots_[at].place())) return;
  }
}

template <typename Visit>
void Table::each(Visit visit) const {
  for (const Slot& slot : slots_) {
    if (slot.is_used()) visit(slot.place());
  }
}

}  // namespace mcloud::kv
