#include "ledger/state/set_keeper.h"

#include <algorithm>

#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

pb::SetMember member_of(const pb::Replica& replica) {
  pb::SetMember member;
  member.set_index(replica.index());
  member.set_epoch(replica.epoch());
  return member;
}

}  // namespace

SetKeeper::SetKeeper(const StateReader& state, Ground& ground, const Moment& moment, Dossier& dossier)
    : state_(state), ground_(ground), moment_(moment), dossier_(dossier) {
  for (const auto& [name, workload] : dossier.workloads()) {
    if (!workload.has_set()) continue;
    for (const pb::Replica& replica : workload.replicas()) {
      before_[{name, replica.index()}] = {replica.node(), replica.epoch()};
    }
  }
}

pb::SetRecord* SetKeeper::find(const std::string& workload) {
  auto found = dossier_.workloads().find(workload);
  return found == dossier_.workloads().end() || !found->second.has_set() ? nullptr : found->second.mutable_set();
}

Life SetKeeper::life_of(const pb::Facets& facets, const pb::Replica& replica, const pb::Node* node) const {
  if (node == nullptr) return Life::Unplaced;
  if (node->state() != pb::NODE_ONLINE) {
    if (exists(state_, keys::unsettled(node_id_of(*node)))) return Life::Unsettled;
    return node->held() && facets.on_mass_loss() != pb::MASS_LOSS_MOVE ? Life::Held : Life::Lost;
  }
  bool gave_up = replica.state() == pb::REPLICA_CANNOT_RUN || replica.state() == pb::REPLICA_STUCK;
  return gave_up ? Life::GaveUp : Life::Lives;
}

Seat SetKeeper::seat_of(const std::string& workload, const pb::Facets& facets, const pb::Replica& replica) {
  const pb::Node* node = replica.node().empty() ? nullptr : ground_.find(replica.node());
  Seat seat;
  seat.member = member_of(replica);
  seat.life = life_of(facets, replica, node);
  seat.name = workload + "/" + std::to_string(replica.index());
  if (node == nullptr) return seat;
  seat.name += " on node " + node->name();
  const pb::Facets& own = dossier_.facets_of(workload, replica);
  seat.copies = std::max(1u, own.set().copies());
  seat.is_ready = seat.life == Life::Lives && is_ready(replica, own);
  seat.is_staying = replica.index() < facets.replicas() && !node->draining() && fits(*node, pb::Demand());
  seat.is_current = replica.version() == dossier_.version();
  return seat;
}

SetView SetKeeper::view_of(const std::string& workload, const pb::Facets& facets) {
  SetView view;
  view.time_ms = moment_.time_ms;
  for (const pb::Replica& replica : dossier_.workloads().at(workload).replicas()) {
    view.seats.push_back(seat_of(workload, facets, replica));
  }
  return view;
}

bool SetKeeper::advance() {
  bool is_changed = false;
  for (auto& [name, workload] : dossier_.workloads()) {
    const pb::Facets* facets = dossier_.facets(name);
    if (!workload.has_set() || facets == nullptr) continue;
    if (facets->has_set()) {
      is_changed = advance_set(view_of(name, *facets), *workload.mutable_set()) || is_changed;
    } else {
      workload.clear_set();  // a version that knows of no set
      is_changed = true;
    }
  }
  return is_changed;
}

// Where a replica stands as before in a new epoch, its data is what it was.
bool SetKeeper::rename(const std::string& workload, pb::SetRecord& record) {
  bool is_changed = false;
  for (const pb::Replica& replica : dossier_.workloads().at(workload).replicas()) {
    auto before = before_.find({workload, replica.index()});
    if (before == before_.end() || before->second.node.empty()) continue;
    if (before->second.node != replica.node() || before->second.epoch == replica.epoch()) continue;
    pb::SetMember member = member_of(replica);
    member.set_epoch(before->second.epoch);
    is_changed = rename_member(record, member, replica.epoch()) || is_changed;
  }
  return is_changed;
}

bool SetKeeper::settle() {
  bool is_changed = false;
  for (auto& [name, workload] : dossier_.workloads()) {
    const pb::Facets* facets = dossier_.facets(name);
    if (facets == nullptr || !facets->has_set()) continue;
    if (workload.has_set()) {
      is_changed = rename(name, *workload.mutable_set()) || is_changed;
      is_changed = advance_set(view_of(name, *facets), *workload.mutable_set()) || is_changed;
      continue;
    }
    pb::SetRecord record;
    if (!form_set(view_of(name, *facets), record)) continue;
    *workload.mutable_set() = std::move(record);
    is_changed = true;
  }
  return is_changed;
}

bool SetKeeper::may_give_up(const std::string& workload, const pb::Replica& replica) {
  const pb::SetRecord* record = find(workload);
  const pb::Facets* facets = dossier_.facets(workload);
  if (record == nullptr || facets == nullptr) return true;
  return ledger::may_give_up(view_of(workload, *facets), *record, member_of(replica));
}

bool SetKeeper::may_remove(const std::string& workload, const pb::Replica& replica) {
  const pb::SetRecord* record = find(workload);
  const pb::Facets* facets = dossier_.facets(workload);
  if (record == nullptr || facets == nullptr) return true;
  return ledger::may_remove(view_of(workload, *facets), *record, member_of(replica));
}

bool SetKeeper::is_primary(const std::string& workload, const pb::Replica& replica) {
  const pb::SetRecord* record = find(workload);
  return record != nullptr && record->has_primary() && is_member(record->primary(), member_of(replica));
}

bool SetKeeper::is_counted(const std::string& workload, const pb::Replica& replica) {
  const pb::SetRecord* record = find(workload);
  return record == nullptr || ledger::is_counted(*record, member_of(replica));
}

bool SetKeeper::hand_over(const std::string& workload) {
  pb::SetRecord* record = find(workload);
  if (record == nullptr || !can_hand_over(view_of(workload, *dossier_.facets(workload)), *record)) return false;
  begin_election(*record, moment_.time_ms);
  return true;
}

}  // namespace mcloud::ledger
