// Whose a custom domain is: `_mcloud.DOMAIN TXT "mcloud=CONTRACT-ID-HEX"`. Pure: answers are given in, what to ask next comes out.
//
// A proof that is there is looked at again every 10 minutes, one that is waited for every 10 seconds. A proof that was lost holds
// for 24 hours more, unless the record names another contract that wants the domain.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::gateway {

// One thread.
class DomainProofs {
 public:
  static constexpr uint64_t kAgainMs = 600'000;
  static constexpr uint64_t kWaitingMs = 10'000;
  static constexpr uint64_t kGraceMs = 86'400'000;

  // Domains that contracts (64 hex digits) ask for. The proof of one that nobody asks for rests until its 24 hours are over: an agent
  // that has not read the ledger yet asks for nothing.
  void want(const std::map<std::string, std::set<std::string>>& contracts_of_domain);
  // Domains to look up now, at most `count_max`; each until it is answered.
  std::vector<std::string> due(uint64_t now_ms, size_t count_max);
  // The texts of the domain's record, or why they could not be read. True when who holds the domain has changed.
  bool answer(const std::string& domain, const Result<std::vector<std::string>>& texts, uint64_t now_ms, uint64_t wall_ms);

  // The contract that may be served under the domain; "" = nobody.
  std::string holder(const std::string& domain, uint64_t wall_ms) const;
  // "" = all is well; else why a contract is not served, or what will end.
  std::string message(const std::string& domain, const std::string& contract, uint64_t wall_ms) const;

  // "DOMAIN CONTRACT MS" lines: proofs outlive the process, so that a name server that fails at its start changes nothing.
  std::string save() const;
  void load(std::string_view text);

 private:
  struct Domain {
    std::set<std::string> wanted_by;
    std::set<std::string> named;  // contracts of the last record that was read
    std::string holder;
    uint64_t proven_ms = 0;       // wall time of the holder's last proof
    uint64_t next_ms = 0;
    bool is_asked = false;
    std::string problem;          // of the last lookup
  };
  std::map<std::string, Domain> domains_;
  std::map<std::string, std::pair<std::string, uint64_t>> resting_;  // contract and time of proof
};

}  // namespace mcloud::gateway
