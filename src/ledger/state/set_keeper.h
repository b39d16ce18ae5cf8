// The replica sets of one contract while it is reconciled: sees replicas and nodes for the rules of replica_set.h,
// and keeps the sets' records in step with what reconcile and mover do to replicas. Lives for one reconciliation.
#pragma once

#include <map>
#include <string>

#include "ledger/state/bundle.h"
#include "ledger/state/ground.h"
#include "ledger/state/reconcile.h"
#include "ledger/state/replica_set.h"

namespace mcloud::ledger {

class SetKeeper {
 public:
  // All borrowed. Remembers where every replica stands now.
  SetKeeper(const StateReader& state, Ground& ground, const Moment& moment, Dossier& dossier);

  // The record of a leading workload; nullptr: it is no replica set, or is none yet.
  pb::SetRecord* find(const std::string& workload);
  // What was heard may end an election, what happened may begin one. True: nodes must hear of it.
  bool advance();
  // After everything else: what was begun anew in place keeps its seat; sets form. True: nodes must hear of it.
  bool settle();

  // Its data may be left behind as far as its set is concerned.
  bool may_give_up(const std::string& workload, const pb::Replica& replica);
  bool may_remove(const std::string& workload, const pb::Replica& replica);
  bool is_primary(const std::string& workload, const pb::Replica& replica);
  // Its copy counts and is whole; true as well for what is in no set.
  bool is_counted(const std::string& workload, const pb::Replica& replica);
  // Begins an election that others are ready for. False: they are not.
  bool hand_over(const std::string& workload);

 private:
  struct Stand {
    Bytes node;
    uint64_t epoch = 0;
  };
  SetView view_of(const std::string& workload, const pb::Facets& facets);
  Seat seat_of(const std::string& workload, const pb::Facets& facets, const pb::Replica& replica);
  Life life_of(const pb::Facets& facets, const pb::Replica& replica, const pb::Node* node) const;
  bool rename(const std::string& workload, pb::SetRecord& record);

  const StateReader& state_;
  Ground& ground_;
  const Moment& moment_;
  Dossier& dossier_;
  std::map<std::pair<std::string, uint32_t>, Stand> before_;
};

}  // namespace mcloud::ledger
