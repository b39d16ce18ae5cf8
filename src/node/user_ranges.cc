#include "node/user_ranges.h"

#include "base/log.h"
#include "io/file.h"
#include "mcloud/node.pb.h"
#include "wire/canonical.h"

namespace mcloud::node {

Result<UserRanges> UserRanges::open(std::string file) {
  UserRanges ranges;
  ranges.file_ = std::move(file);
  if (!io::exists(ranges.file_)) return ranges;
  Bytes bytes = TRY(io::read_file(ranges.file_));
  auto stored = TRY(wire::decode<pb::LocalUserRanges>(bytes, ranges.file_));
  std::set<uint32_t> taken;
  for (const pb::LocalUserRange& range : stored.ranges()) {
    ContractId contract = TRY(ContractId::from_bytes(range.contract()));
    bool is_new = taken.insert(range.slot()).second && ranges.slots_.emplace(contract, range.slot()).second;
    if (!is_new || range.slot() >= kSlots)
      return make_error(Code::Corrupt, ranges.file_ + ": a range is given away twice");
  }
  return ranges;
}

Result<uint32_t> UserRanges::base_uid(const ContractId& contract) {
  auto found = slots_.find(contract);
  if (found == slots_.end()) {
    std::set<uint32_t> taken;
    for (const auto& [other, slot] : slots_) taken.insert(slot);
    uint32_t slot = 0;
    while (taken.contains(slot)) ++slot;
    if (slot >= kSlots)
      return make_error(Code::Exhausted, "all " + std::to_string(kSlots) + " ranges of user ids are taken");
    found = slots_.emplace(contract, slot).first;
    if (Status saved = save(); !saved.has_value()) {
      slots_.erase(found);
      return saved.error();
    }
  }
  return (found->second + 1) * kSize;
}

std::vector<ContractId> UserRanges::contracts() const {
  std::vector<ContractId> contracts;
  for (const auto& [contract, slot] : slots_) contracts.push_back(contract);
  return contracts;
}

Status UserRanges::keep_only(const std::set<ContractId>& contracts) {
  size_t gone = std::erase_if(slots_, [&](const auto& entry) { return !contracts.contains(entry.first); });
  return gone == 0 ? Status() : save();
}

Status UserRanges::save() const {
  pb::LocalUserRanges stored;
  for (const auto& [contract, slot] : slots_) {
    pb::LocalUserRange& range = *stored.add_ranges();
    range.set_contract(contract.bytes());
    range.set_slot(slot);
  }
  return io::write_file(file_, wire::encode(stored), io::Durability::Fsync, 0600);
}

void give_user_ids(Orders& orders, UserRanges& ranges) {
  for (auto& [replica, task] : orders.containers) {
    auto base = ranges.base_uid(replica.contract);
    if (base.has_value()) {
      task.base_uid = *base;
      continue;
    }
    log::error("node", "no user ids for a contract", {{"reason", base.error().message}});
    orders.refusals[replica] = base.error();
    orders.desired.unverified.insert(replica);
    orders.desired.containers.erase(replica);
  }
  std::erase_if(orders.containers, [](const auto& entry) { return entry.second.base_uid == 0; });
}

}  // namespace mcloud::node
