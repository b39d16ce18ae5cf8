// Knows what must be true and watches ledger and nodes for the moment it is not. It keeps its own books,
// from accepted transactions and from what really runs, and never asks the code under test.
#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/ids.h"
#include "ledger/state/machine.h"
#include "mcloud/ledger.pb.h"
#include "node/plan.h"
#include "sim/clockwork.h"
#include "sim/judge_sets.h"
#include "sim/scenario.h"

namespace mcloud::sim {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Judge {
 public:
  Judge(const Clockwork& clock, const Scenario& scenario) : clock_(clock), scenario_(scenario) {}

  // ---- the ledger ----------------------------------------------------------------------------
  void accepted(const pb::Transaction& transaction);  // executed without refusal
  void block(const ledger::Overlay::Changes& changes);
  // After an outage that made the validators' timers start afresh.
  void ledger_is_back() { back_ms_ = clock_.now(); }

  // ---- nodes ---------------------------------------------------------------------------------
  struct Start {
    NodeId node;
    node::ReplicaKey replica;
    uint64_t epoch = 0;
    uint64_t version = 0;
  };
  void started(const Start& start);
  void stopped(const NodeId& node, const node::ReplicaKey& replica);
  // Nothing more of it is needed anywhere by now: what it kept is allowed to go.
  void erased(const node::ReplicaKey& volume);
  // A volume is there, made or found, for what the node was told.
  void has_volume(const Start& start);
  // Crashed, cut or deaf from now until the call with false.
  void disturbed(const NodeId& node, bool is_disturbed);
  // What asks to be stopped on isolation runs on a node that has not heard of the ledger for so long.
  void check_isolation(const NodeId& node, const node::ReplicaKey& replica, uint64_t silent_ms) const;

  // ---- members of replica sets ---------------------------------------------------------------
  void acknowledged(const node::ReplicaKey& by, uint64_t term, uint64_t value, uint32_t copies);
  void leads(const node::ReplicaKey& replica, uint64_t term, const Log& log);
  // At the end: the primary's log, and whether there are enough members for a write.
  void settled_set(const node::ReplicaKey& primary, const Log& log, bool is_writable) const;
  const SetJudge& sets() const { return sets_; }
  [[noreturn]] void fail(const std::string& what) const;

  // ---- at the end ----------------------------------------------------------------------------
  void settled(const ledger::StateReader& state) const;  // everything placeable is placed and ready

  const pb::ContractHeader* header(const ContractId& contract, uint64_t version) const;
  uint64_t elections() const { return elections_; }
  uint64_t fencings() const { return fencings_; }
  uint64_t moves() const { return moves_; }
  uint64_t starts() const { return starts_; }

 private:
  void judge_workload(const ledger::Overlay::Changes::value_type& change);
  void judge_set(const SetKey& key, const pb::Workload& workload);
  void judge_move(const node::ReplicaKey& key, const Bytes& from, uint64_t version);
  void judge_node(const pb::Node& node);
  void judge_contract(const pb::Contract& contract) const;
  void judge_books() const;
  struct Placed {
    std::string workload;
    uint32_t index = 0;
    Bytes node;
  };
  // One contract at the end of the run, with all nodes.
  struct Settled {
    const pb::Contract& contract;
    const pb::ContractHeader& header;
    const std::vector<pb::Node>& nodes;
    std::vector<Placed> placed;
  };
  static std::vector<Placed> placed_of(const ledger::StateReader& state, const ContractId& id);
  static bool could_stand(const pb::Node& node, const pb::ContractHeader& header, const pb::Facets& leader,
                          const std::vector<Placed>& neighbours);
  void settled_replica(const Settled& now, const pb::Facets& facets, const pb::Replica& replica) const;
  bool is_approved(const ContractId& contract, uint64_t version) const;

  struct Holder {
    Bytes node;
    uint64_t epoch = 0;
    uint64_t epoch_max = 0;
    uint64_t version = 0;
  };
  std::map<SetKey, uint64_t> terms_;  // of sets, as the ledger says

  const Clockwork& clock_;
  const Scenario& scenario_;
  std::map<std::pair<ContractId, uint64_t>, pb::ContractHeader> headers_;
  std::map<std::pair<ContractId, uint64_t>, std::set<Bytes>> approvals_;
  std::set<ContractId> erasable_;
  std::map<node::ReplicaKey, Holder> holders_;  // as the ledger says
  std::map<Bytes, pb::Node> nodes_;
  std::set<Bytes> touched_nodes_;
  std::map<node::ReplicaKey, std::map<NodeId, uint64_t>> live_;  // what really runs, by epoch
  std::set<std::tuple<node::ReplicaKey, NodeId, uint64_t>> ran_;
  std::map<node::ReplicaKey, NodeId> data_at_;  // where a volume that must not move was made
  std::map<NodeId, uint64_t> disturbed_until_;  // UINT64_MAX = still
  uint64_t back_ms_ = 0;                        // end of the last outage
  SetJudge sets_;
  uint64_t elections_ = 0;
  uint64_t fencings_ = 0;
  uint64_t moves_ = 0;
  uint64_t starts_ = 0;
};

}  // namespace mcloud::sim
