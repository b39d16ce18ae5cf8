#include "ledger/state/mover.h"

#include "ledger/state/planted.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {

void forget_failures(pb::Replica& replica) {
  replica.clear_exclusions();
  replica.clear_tries();
}

Mover::Mover(StateWriter& state, Ground& ground, const Moment& moment, Dossier& dossier)
    : state_(state),
      ground_(ground),
      moment_(moment),
      dossier_(dossier),
      addresses_(state, dossier.contract()),
      surroundings_(dossier, moment.time_ms),
      nodes_before_(dossier.nodes()) {}

void Mover::unplace(const std::string& workload, pb::Replica& replica) {
  if (replica.node().empty()) return;
  ground_.discharge(replica.node(), contract(), dossier_.facets_of(workload, replica));
  surroundings_.left(workload, replica.node());
  replica.clear_node();
  freed_ = changed_ = true;
}

void Mover::set_state(pb::Replica& replica, pb::ReplicaState state, const std::string& message) const {
  if (replica.state() != state) replica.set_since_ms(moment_.time_ms);
  replica.set_state(state);
  replica.set_message(message);
}

void Mover::start_epoch(Member& member) {
  pb::Replica& replica = *member.replica;
  if (!planted::kEpochStays || replica.epoch() == 0) replica.set_epoch(replica.epoch() + 1);
  replica.set_restarts(0);
  set_state(replica, pb::REPLICA_ASSIGNED, "");
  replica.set_since_ms(moment_.time_ms);
  changed_ = true;
}

void Mover::start_anew(Bundle& bundle) {
  for (Member& member : bundle.members) start_epoch(member);
}

Status Mover::reserve_addresses(const Bundle& bundle) {
  for (const Member& member : bundle.members) TRY(addresses_.reserve(*member.facets, bundle.index));
  return {};
}

void Mover::occupy(Bundle& bundle, const Bytes& node) {
  // All leave before any comes: what one member gives up there (a claim, room) another may take over.
  for (Member& member : bundle.members) unplace(member.facets->name(), *member.replica);
  for (Member& member : bundle.members) {
    pb::Replica& replica = *member.replica;
    if (replica.version() != dossier_.version()) forget_failures(replica);
    replica.set_node(node);
    replica.set_version(dossier_.version());
    ground_.charge(node, contract(), *member.facets);
    surroundings_.stands(member.facets->name(), node);
    addresses_.lease(*member.facets, replica);
    start_epoch(member);
  }
  if (bundle.leaves_data() || bundle.policy().has_set()) state_.put(keys::kept(dossier_.id(), key_of(node)), "");
}

template <typename Act>
Choice Mover::choose_apart_from(const Bundle& bundle, Act act) {
  ground_.all();
  Ask& ask = surroundings_.ask(bundle);
  ask.crowds = &ground_.crowds();
  const Bytes& home = bundle.leader().node();
  if (!home.empty()) surroundings_.left(bundle.policy().name(), home);
  Choice choice = act(ask);
  if (!home.empty()) surroundings_.stands(bundle.policy().name(), home);
  return choice;
}

bool Mover::place(Bundle& bundle, std::string& lacking) {
  // What its like did not find a moment ago, it does not find either: since then nodes only filled up.
  auto known = placeless_.find(bundle.policy().name());
  if (known != placeless_.end()) {
    lacking = known->second;
    return false;
  }
  Status reserved = reserve_addresses(bundle);
  Choice choice{{}, reserved ? "" : reserved.error().message};
  if (reserved) choice = choose_apart_from(bundle, [&](const Ask& ask) { return choose_node(ask, ground_.all()); });
  if (!choice.node.empty()) {
    occupy(bundle, choice.node);
    return true;
  }
  lacking = choice.lacking;
  placeless_.emplace(bundle.policy().name(), lacking);
  return false;
}

bool Mover::renew(Bundle& bundle, Renewal where, std::string& lacking) {
  Status reserved = reserve_addresses(bundle);
  Choice choice = reserved ? choose_renewed(bundle, where) : Choice{{}, reserved.error().message};
  lacking = choice.lacking;
  if (choice.node.empty()) return false;
  occupy(bundle, choice.node);
  return true;
}

Choice Mover::choose_renewed(const Bundle& bundle, Renewal where) {
  const Bytes home = bundle.home();
  auto for_placed = [&](auto&& act) {
    for (const Member& member : bundle.members) {
      if (member.replica->node().empty()) continue;
      act(member.replica->node(), dossier_.facets_of(member.facets->name(), *member.replica));
    }
  };
  for_placed([&](BytesView node, const pb::Facets& facets) { ground_.discharge(node, contract(), facets); });
  Choice choice = choose_apart_from(bundle, [&](Ask& ask) {
    Choice found;
    if (where != Renewal::Elsewhere) {
      ask.only = home;
      found = choose_node(ask, ground_.all());
      ask.only = {};
    }
    if (found.node.empty() && where != Renewal::InPlace) found = choose_node(ask, ground_.all());
    return found;
  });
  for_placed([&](BytesView node, const pb::Facets& facets) { ground_.charge(node, contract(), facets); });
  return choice;
}

void Mover::assign() {
  std::map<Bytes, pb::AssignedContract> told;
  auto entry = [&](const Bytes& node) -> pb::AssignedContract& {
    pb::AssignedContract& assigned = told[node];
    assigned.set_contract(Bytes(contract()));
    assigned.set_revision(dossier_.contract().revision());
    return assigned;
  };
  for (const Bytes& node : nodes_before_) entry(node);
  for (const auto& [name, workload] : dossier_.workloads()) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (replica.node().empty()) continue;
      pb::AssignedReplica* assigned = entry(replica.node()).add_replicas();
      assigned->set_workload(name);
      assigned->set_index(replica.index());
      assigned->set_epoch(replica.epoch());
      assigned->set_version(replica.version());
    }
  }
  if (dossier_.contract().erase_volumes()) {
    const size_t node_at = keys::kept_of(dossier_.id()).size();
    state_.each(keys::kept_of(dossier_.id()), [&](BytesView key, BytesView) {
      entry(Bytes(key.substr(node_at))).set_erase_volumes(true);
      return true;
    });
  }
  for (const auto& [node, assigned] : told) ground_.assign(node, assigned);
}

void Mover::finish() {
  addresses_.write(dossier_.contract());
  if (!changed_) return;
  dossier_.contract().set_revision(moment_.height);
  assign();
}

}  // namespace mcloud::ledger
