// Which records expire next, in bounded memory. Pure, not thread-safe.
//
// It holds the soonest so many. Of what did not fit it knows from when on it is incomplete (the horizon): when that time
// has come, its owner clears it, walks over the log and adds what it finds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace mcloud::kv {

class ExpiryQueue {
 public:
  struct Item {
    uint64_t expiry_ms = 0;
    uint64_t position = 0;  // of the record
    uint64_t hash = 0;      // of its key
  };
  // Is the record still its key's newest version? Who is not is dropped when room is needed.
  using IsLive = std::function<bool(const Item&)>;

  // Memory: twice `items_max` items at most.
  explicit ExpiryQueue(size_t items_max) : items_max_(items_max) {}

  void add(const Item& item, const IsLive& is_live);
  // Something that expires then is not here.
  void expect(uint64_t expiry_ms);
  // The earliest time at which something may expire; nullopt: never.
  std::optional<uint64_t> next_ms() const;
  // True: what has expired at `now_ms` is not all here.
  bool is_incomplete_at(uint64_t now_ms) const { return horizon_ms_ <= now_ms; }
  // At most `count` of those that have expired, soonest first. They are no longer here.
  std::vector<Item> take(uint64_t now_ms, size_t count);
  void clear();
  size_t size() const { return items_.size(); }

 private:
  void make_room(const IsLive& is_live);

  static constexpr uint64_t kNever = ~uint64_t{0};
  size_t items_max_;
  std::vector<Item> items_;  // a heap, the soonest first
  uint64_t horizon_ms_ = kNever;
};

}  // namespace mcloud::kv
