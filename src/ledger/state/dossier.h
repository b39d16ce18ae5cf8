// All records of one contract together, read once and written back where they changed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/ids.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

class Dossier {
 public:
  // nullopt when there is no such contract or no version of it was ever approved.
  static std::optional<Dossier> load(const StateReader& state, const ContractId& id);

  const ContractId& id() const { return id_; }
  pb::Contract& contract() { return contract_; }
  const pb::Contract& contract() const { return contract_; }
  const pb::ContractHeader& header() const { return header_; }  // of the current version
  uint64_t version() const { return header_.version(); }
  // By name; only those of which something is (to be) placed.
  std::map<std::string, pb::Workload>& workloads() { return workloads_; }
  const std::map<std::string, pb::Workload>& workloads() const { return workloads_; }

  // What the current version says of a workload; nullptr when it places none of it.
  const pb::Facets* facets(const std::string& workload) const;
  // What the version that this replica was placed with says.
  const pb::Facets& facets_of(const std::string& workload, const pb::Replica& replica) const;

  std::set<Bytes> nodes() const;  // that hold a replica

  // Writes what changed; forgets the headers of versions that nothing runs any more.
  void store(StateWriter& state) const;

 private:
  ContractId id_;
  pb::Contract contract_;
  pb::ContractHeader header_;
  std::map<std::string, pb::Workload> workloads_;
  std::map<uint64_t, pb::ContractHeader> older_headers_;
  std::map<Bytes, Bytes> read_;  // key -> value as it was
};

// An approved version whose replicas nobody reports ready is not done: every replica of every leading
// workload runs the current version, ready, on a node that is online. The message names the first that is not.
Status check_all_ready(const StateReader& state, const Dossier& dossier);

// Its workload runs and, where that can be asked, says it is healthy; or it has done its work.
bool is_ready(const pb::Replica& replica, const pb::Facets& facets);
// Is it worth a name: does it run and, where that can be asked, say that it is healthy? Unlike one that is ready, what
// has done its work answers to nobody.
bool serves(pb::ReplicaState state, const pb::Facets& facets);
// Does another workload of the header lead it (Facets.with)?
bool is_follower(const pb::ContractHeader& header, const std::string& workload);

}  // namespace mcloud::ledger
