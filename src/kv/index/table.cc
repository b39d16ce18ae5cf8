#include "kv/index/table.h"

#include <algorithm>

namespace mcloud::kv {

Table::Slot Table::Slot::make(uint64_t hash, Place place) {
  uint64_t step = place.position >> 3;
  Slot slot;
  slot.words[0] = static_cast<uint32_t>(hash);
  slot.words[1] = static_cast<uint32_t>((hash >> 32 & 0xffff) | (step & 0xffff) << 16);
  slot.words[2] =
      static_cast<uint32_t>((step >> 16 & 0x1fffffff) | uint64_t{place.is_deletion} << 30 | uint64_t{1} << 31);
  return slot;
}

Table Table::grown() const {
  Table bigger;
  bigger.slots_.resize(std::max<size_t>(8, slots_.size() + slots_.size() / 4));
  for (const Slot& slot : slots_) {
    if (slot.is_used()) bigger.insert(slot.hash(), slot.place());
  }
  return bigger;
}

void Table::insert(uint64_t hash, Place place) {
  size_t at = home(hash);
  while (slots_[at].is_used()) at = after(at);
  slots_[at] = Slot::make(hash, place);
  ++used_;
  deletions_ += place.is_deletion;
}

std::optional<size_t> Table::find(uint64_t hash, uint64_t position) const {
  if (slots_.empty()) return std::nullopt;
  for (size_t at = home(hash); slots_[at].is_used(); at = after(at)) {
    if (slots_[at].hash() == (hash & kHashMask) && slots_[at].place().position == position) return at;
  }
  return std::nullopt;
}

bool Table::replace(uint64_t hash, uint64_t position, Place place) {
  std::optional<size_t> at = find(hash, position);
  if (!at) return false;
  deletions_ += place.is_deletion;
  deletions_ -= slots_[*at].place().is_deletion;
  slots_[*at] = Slot::make(hash, place);
  return true;
}

// Knuth 6.4, algorithm R: the slots behind move up, so no mark of the erased one stays.
bool Table::erase(uint64_t hash, uint64_t position) {
  std::optional<size_t> found = find(hash, position);
  if (!found) return false;
  size_t hole = *found;
  --used_;
  deletions_ -= slots_[hole].place().is_deletion;
  for (size_t at = after(hole); slots_[at].is_used(); at = after(at)) {
    size_t wanted = home(slots_[at].hash());
    // It may move unless its home lies cyclically in (hole, at].
    bool stays = hole <= at ? (hole < wanted && wanted <= at) : (hole < wanted || wanted <= at);
    if (stays) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
  return true;
}

void Table::erase_below(uint64_t position) {
  std::vector<Slot> below;
  for (const Slot& slot : slots_) {
    if (slot.is_used() && slot.place().position < position) below.push_back(slot);
  }
  for (const Slot& slot : below) erase(slot.hash(), slot.place().position);
}

}  // namespace mcloud::kv
