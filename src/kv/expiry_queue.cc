#include "kv/expiry_queue.h"

#include <algorithm>

namespace mcloud::kv {
namespace {

bool is_later(const ExpiryQueue::Item& a, const ExpiryQueue::Item& b) { return a.expiry_ms > b.expiry_ms; }
bool is_sooner(const ExpiryQueue::Item& a, const ExpiryQueue::Item& b) { return a.expiry_ms < b.expiry_ms; }

}  // namespace

void ExpiryQueue::add(const Item& item, const IsLive& is_live) {
  if (item.expiry_ms >= horizon_ms_) return;  // found when the horizon is reached
  if (items_.size() >= items_max_ * 2) make_room(is_live);
  if (item.expiry_ms >= horizon_ms_) return;
  items_.push_back(item);
  std::ranges::push_heap(items_, is_later);
}

// Half of it, so that the cost is shared by as many additions.
void ExpiryQueue::make_room(const IsLive& is_live) {
  std::erase_if(items_, [&](const Item& item) { return !is_live(item); });
  if (items_.size() > items_max_) {
    auto middle = items_.begin() + static_cast<ptrdiff_t>(items_max_);
    std::ranges::nth_element(items_, middle, is_sooner);
    expect(middle->expiry_ms);
    items_.erase(middle, items_.end());
  }
  std::ranges::make_heap(items_, is_later);
}

void ExpiryQueue::expect(uint64_t expiry_ms) { horizon_ms_ = std::min(horizon_ms_, expiry_ms); }

std::optional<uint64_t> ExpiryQueue::next_ms() const {
  uint64_t next = items_.empty() ? horizon_ms_ : std::min(horizon_ms_, items_.front().expiry_ms);
  return next == kNever ? std::nullopt : std::optional(next);
}

std::vector<ExpiryQueue::Item> ExpiryQueue::take(uint64_t now_ms, size_t count) {
  std::vector<Item> due;
  while (due.size() < count && !items_.empty() && items_.front().expiry_ms <= now_ms) {
    std::ranges::pop_heap(items_, is_later);
    due.push_back(items_.back());
    items_.pop_back();
  }
  return due;
}

void ExpiryQueue::clear() {
  items_ = {};
  horizon_ms_ = kNever;
}

}  // namespace mcloud::kv
