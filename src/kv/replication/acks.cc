#include "kv/replication/acks.h"

#include <algorithm>

namespace mcloud::kv {
namespace {

// The largest position that `copies` have; 0: there are not so many.
uint64_t had_by(std::vector<uint64_t> positions, uint64_t copies) {
  if (copies == 0 || positions.size() < copies) return 0;
  std::ranges::sort(positions, std::greater());
  return positions[copies - 1];
}

}  // namespace

void AckCount::begin(AckRules rules, uint64_t end) {
  rules_ = std::move(rules);
  own_ = end;
  acknowledged_ = end;
  followers_.clear();
}

uint64_t AckCount::position_of(const std::string& member) const {
  uint64_t position = member == rules_.self ? own_ : 0;
  for (const auto& [number, has] : followers_) {
    if (has.member == member) position = std::max(position, has.durable);
  }
  return position;
}

uint64_t AckCount::held_by(const Members& members) const {
  std::vector<uint64_t> positions;
  for (const std::string& member : members) positions.push_back(position_of(member));
  return had_by(std::move(positions), rules_.copies);
}

uint64_t AckCount::held_by_any() const {
  std::vector<uint64_t> positions{own_};
  for (const auto& [number, has] : followers_) positions.push_back(has.durable);
  return had_by(std::move(positions), rules_.copies);
}

uint64_t AckCount::acknowledged() {
  uint64_t held = own_;
  if (rules_.is_any) {
    held = std::min(held, held_by_any());
  } else {
    held = std::min(held, held_by(rules_.voters));
    for (const Members& proposal : rules_.proposals) held = std::min(held, held_by(proposal));
  }
  acknowledged_ = std::max(acknowledged_, held);
  return held;
}

std::optional<Members> AckCount::propose() {
  if (rules_.is_any || rules_.candidates == rules_.voters || rules_.candidates.size() < rules_.copies) return {};
  if (!rules_.proposals.empty() && rules_.proposals.back() == rules_.candidates) return {};
  if (rules_.proposals.size() >= kProposalsMax || held_by(rules_.candidates) < acknowledged_) return {};
  rules_.proposals.push_back(rules_.candidates);
  return rules_.candidates;
}

}  // namespace mcloud::kv
