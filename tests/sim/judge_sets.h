// What must be true of replica sets, from what members really did: no acknowledged write is lost, whoever leads.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "node/plan.h"
#include "sim/copy.h"

namespace mcloud::sim {

// By contract and name of the workload.
using SetKey = std::pair<ContractId, std::string>;

class SetJudge {
 public:
  // Each returns what is wrong, "" if nothing is.
  // A client was told that the write is safe, as `copies` members have it.
  std::string acknowledged(const SetKey& set, uint64_t term, uint64_t value, uint32_t copies, uint64_t now_ms);
  // A member began to lead with this log.
  std::string leads(const SetKey& set, uint64_t term, const Log& log);
  // At the end: the primary's log, and whether writes were acknowledged lately.
  std::string settled(const SetKey& set, const Log& log, bool is_writable, uint64_t now_ms) const;
  // From now on, or no more: the ledger and all its versions promise one copy only.
  void asynchronous(const SetKey& set, bool is_asynchronous);
  // Cancelled: what is still said of it is nobody's.
  void forget(const SetKey& set);

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t leaders() const { return leaders_; }

 private:
  struct Set {
    std::map<uint64_t, uint64_t> safe;  // value -> term that acknowledged it; only what more than one has
    std::map<uint64_t, std::set<uint64_t>> led;  // term -> values at its beginning
    uint64_t last_ms = 0;
    bool is_asynchronous = false;
    bool is_gone = false;
  };
  std::map<SetKey, Set> sets_;
  uint64_t acknowledged_ = 0;
  uint64_t leaders_ = 0;
};

}  // namespace mcloud::sim
