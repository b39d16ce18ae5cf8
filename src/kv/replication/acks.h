// Which part of a log may be acknowledged: who has what, and whose word counts. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kv/replication/role.h"

namespace mcloud::kv {

// Whose fsync counts.
struct AckRules {
  uint64_t copies = 1;  // this place included
  bool is_any = true;   // every follower that is connected counts; else the lines below
  std::string self;     // the member that this place is
  uint64_t revision = 0;
  Members voters;
  Members candidates;              // who is placed now
  std::vector<Members> proposals;  // made since the revision: any of them may be what the voters become
};

class AckCount {
 public:
  // `end`: everything that anybody may have acknowledged so far ends there.
  void begin(AckRules rules, uint64_t end);
  void set_rules(AckRules rules) { rules_ = std::move(rules); }
  const AckRules& rules() const { return rules_; }

  // Durable positions: this place's, and those of followers, by a number of their own.
  void set_own(uint64_t durable) { own_ = std::max(own_, durable); }
  void set(uint64_t follower, const std::string& member, uint64_t durable) { followers_[follower] = {member, durable}; }
  void remove(uint64_t follower) { followers_.erase(follower); }

  // What is before it may be acknowledged: here and at `copies` of the voters, and of each proposal, it is durable.
  uint64_t acknowledged();
  // A new proposal, when the candidates are others than the voters and hold all that was acknowledged: it counts from
  // now on. nullopt: none is due.
  std::optional<Members> propose();

 private:
  struct Has {
    std::string member;
    uint64_t durable = 0;
  };
  uint64_t position_of(const std::string& member) const;
  uint64_t held_by(const Members& members) const;  // by `copies` of them
  uint64_t held_by_any() const;

  AckRules rules_;
  uint64_t own_ = 0;
  uint64_t acknowledged_ = 0;
  std::map<uint64_t, Has> followers_;
};

}  // namespace mcloud::kv
