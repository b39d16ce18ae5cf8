// Which contract has which 65,536 user ids on this node. A range stays with its contract as long as anything of
// the contract is here, over reboots too: files on its containers' disks belong to these ids.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/ids.h"
#include "node/desired.h"

namespace mcloud::node {

// One thread.
class UserRanges {
 public:
  static constexpr uint32_t kSize = 65'536;
  static constexpr uint32_t kSlots = 30'000;  // below 2^31, where some programs end

  // Corrupt when the file is not one of ours: guessing would give one contract's files to another.
  static Result<UserRanges> open(std::string file);

  // The first id of the contract's range, a new one when it has none; on disk before it is returned.
  Result<uint32_t> base_uid(const ContractId& contract);
  std::vector<ContractId> contracts() const;
  // Forgets all others.
  Status keep_only(const std::set<ContractId>& contracts);

 private:
  Status save() const;
  std::string file_;
  std::map<ContractId, uint32_t> slots_;
};

// Gives each container its contract's first id; one whose range cannot be had is refused for now.
void give_user_ids(Orders& orders, UserRanges& ranges);

}  // namespace mcloud::node
