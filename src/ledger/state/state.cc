#include "ledger/state/state.h"

namespace mcloud::ledger {

std::optional<Bytes> Overlay::get(BytesView key) const {
  auto found = changes_.find(key);
  return found == changes_.end() ? below_.get(key) : found->second;
}

void Overlay::each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const {
  auto change = changes_.lower_bound(prefix);
  bool go_on = true;
  // Visits the changes below `limit` (all that are left when there is none).
  auto visit_changes = [&](const BytesView* limit) {
    while (go_on && change != changes_.end() && change->first.starts_with(prefix)) {
      if (limit != nullptr && BytesView(change->first) >= *limit) return;
      if (change->second) go_on = visit(change->first, *change->second);
      ++change;
    }
  };
  below_.each(prefix, [&](BytesView key, BytesView value) {
    visit_changes(&key);
    if (!go_on) return false;
    if (change != changes_.end() && change->first == key) {
      if (change->second) go_on = visit(change->first, *change->second);
      ++change;
    } else {
      go_on = visit(key, value);
    }
    return go_on;
  });
  visit_changes(nullptr);
}

void Overlay::put(BytesView key, Bytes value) {
  auto at = changes_.lower_bound(key);
  if (at != changes_.end() && at->first == key) {
    at->second = std::move(value);
  } else {
    changes_.emplace_hint(at, Bytes(key), std::move(value));
  }
}

void Overlay::erase(BytesView key) {
  auto at = changes_.lower_bound(key);
  if (at != changes_.end() && at->first == key) {
    at->second.reset();
  } else {
    changes_.emplace_hint(at, Bytes(key), std::nullopt);
  }
}

void Overlay::apply_to(StateWriter& target) const {
  for (const auto& [key, value] : changes_) {
    if (value) {
      target.put(key, *value);
    } else {
      target.erase(key);
    }
  }
}

std::optional<Bytes> MemoryState::get(BytesView key) const {
  auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

void MemoryState::each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const {
  for (auto it = values_.lower_bound(prefix); it != values_.end() && it->first.starts_with(prefix); ++it) {
    if (!visit(it->first, it->second)) return;
  }
}

void MemoryState::put(BytesView key, Bytes value) { values_.insert_or_assign(Bytes(key), std::move(value)); }

void MemoryState::erase(BytesView key) {
  auto found = values_.find(key);
  if (found != values_.end()) values_.erase(found);
}

}  // namespace mcloud::ledger
