#include "ledger/state/reconcile.h"

#include <algorithm>
#include <set>

#include "ledger/state/agenda.h"
#include "ledger/state/logic.h"
#include "ledger/state/mover.h"
#include "ledger/state/records.h"
#include "ledger/state/set_keeper.h"

namespace mcloud::ledger {
namespace {

class Reconciler {
 public:
  Reconciler(StateWriter& state, Ground& ground, const Moment& moment, Dossier& dossier)
      : state_(state),
        ground_(ground),
        moment_(moment),
        dossier_(dossier),
        mover_(state, ground, moment, dossier),
        sets_(state, ground, moment, dossier) {}

  Reconciled run(agenda::Mark mark) {
    const size_t before = count_replicas();
    const bool has_names = moment_.logic_version >= kLogicNetworks && dossier_.contract().spaces_size() > 0;
    const Serving serving = has_names ? find_serving() : Serving();
    if (mark == agenda::Mark::Revised || (mark == agenda::Mark::Flipped && has_names)) mover_.set_changed();
    if (dossier_.contract().current().state() == pb::CONTRACT_ACTIVE) {
      tend();
    } else {
      release_everything();
    }
    if (has_names && find_serving() != serving) mover_.set_changed();
    write_back();
    return {mover_.freed(), std::max(before, count_replicas())};
  }

 private:
  using Serving = std::set<std::pair<std::string, uint32_t>>;

  // The replicas that names in the contract's networks lead to.
  Serving find_serving() {
    Serving serving;
    for (const auto& [name, workload] : dossier_.workloads()) {
      for (const pb::Replica& replica : workload.replicas()) {
        if (replica.node().empty() || !is_online(replica.node())) continue;
        if (serves(replica.state(), dossier_.facets_of(name, replica))) serving.emplace(name, replica.index());
      }
    }
    return serving;
  }

  size_t count_replicas() const {
    size_t count = 0;
    for (const auto& [name, workload] : dossier_.workloads()) count += static_cast<size_t>(workload.replicas_size());
    return count;
  }

  // ---- what is over and what is new ----------------------------------------------------------

  void release_everything() {
    for (auto& [name, workload] : dossier_.workloads()) {
      for (pb::Replica& replica : *workload.mutable_replicas()) mover_.unplace(name, replica);
    }
    dossier_.workloads().clear();
    mover_.drop_all_spaces();
    std::vector<Bytes> floors;
    state_.each(keys::epoch_floors(dossier_.id()), [&](BytesView key, BytesView) {
      floors.emplace_back(key);
      return true;
    });
    for (const Bytes& key : floors) state_.erase(key);
    mover_.set_changed();  // a later cancellation may add that volumes are to be erased
  }

  // Highest index first; workloads that the current version does not place go as a whole.
  void remove_surplus() {
    auto& workloads = dossier_.workloads();
    for (auto at = workloads.begin(); at != workloads.end();) {
      const pb::Facets* facets = dossier_.facets(at->first);
      uint32_t wanted = facets == nullptr ? 0 : facets->replicas();
      auto& replicas = *at->second.mutable_replicas();
      if (wanted != 0 && sets_.find(at->first) != nullptr) thin_out(at->first, replicas, wanted);
      while (replicas.size() > static_cast<int>(wanted)) {
        pb::Replica& last = replicas[replicas.size() - 1];
        if (!last.node().empty() && wanted != 0 && sets_.find(at->first) != nullptr) break;
        mover_.unplace(at->first, last);
        mover_.release_addresses(at->first, last.index());
        raise_epoch_floor(at->first, last.epoch());
        replicas.RemoveLast();
      }
      at = wanted == 0 ? workloads.erase(at) : std::next(at);
    }
  }

  // Of a set: those that are too many go one by one, when the others have what they have; a primary hands over first.
  void thin_out(const std::string& workload, google::protobuf::RepeatedPtrField<pb::Replica>& replicas, uint32_t wanted) {
    for (int i = replicas.size() - 1; i >= static_cast<int>(wanted); --i) {
      if (replicas[i].node().empty()) continue;
      if (sets_.may_remove(workload, replicas[i])) {
        mover_.unplace(workload, replicas[i]);
        mover_.set_state(replicas[i], pb::REPLICA_WAITING, "is one too many");
        continue;
      }
      has_surplus_ = true;
      if (sets_.is_primary(workload, replicas[i]) && sets_.hand_over(workload)) mover_.set_changed();
      note(workload + "/" + std::to_string(i) + ": is one too many and goes when the others of its set have what it has");
    }
  }

  void raise_epoch_floor(const std::string& workload, uint64_t epoch) {
    Bytes key = keys::epoch_floor(dossier_.id(), workload);
    if (load_number(state_, key).value_or(0) < epoch) store_number(state_, key, epoch);
  }

  void make_replicas() {
    for (const pb::Facets& facets : dossier_.header().workloads()) {
      if (facets.replicas() == 0) continue;
      pb::Workload& workload = dossier_.workloads()[facets.name()];
      workload.set_contract(dossier_.id().bytes());
      workload.set_name(facets.name());
      if (workload.replicas_size() == static_cast<int>(facets.replicas())) continue;
      uint64_t floor = load_number(state_, keys::epoch_floor(dossier_.id(), facets.name())).value_or(0);
      while (workload.replicas_size() < static_cast<int>(facets.replicas())) {
        pb::Replica* replica = workload.add_replicas();
        replica->set_epoch(floor);
        replica->set_index(static_cast<uint32_t>(workload.replicas_size() - 1));
        mover_.set_state(*replica, pb::REPLICA_WAITING, "");
      }
    }
  }

  // ---- looking at a bundle -------------------------------------------------------------------

  bool is_online(BytesView node) {
    const pb::Node* record = ground_.find(node);
    return record != nullptr && record->state() == pb::NODE_ONLINE;
  }

  std::string node_name(BytesView node) { return ground_.find(node)->name(); }

  bool is_current(const Bundle& bundle) const {
    return std::all_of(bundle.members.begin(), bundle.members.end(), [&](const Member& member) {
      return member.replica->version() == dossier_.version() && member.replica->node() == bundle.home();
    });
  }

  bool is_leader_ready(const Bundle& bundle) {
    const pb::Replica& leader = bundle.leader();
    return bundle.is_placed() && is_online(bundle.home()) && !leader.node().empty() &&
           is_ready(leader, dossier_.facets_of(bundle.policy().name(), leader));
  }

  // The moment until which it may not be tried again where it stands; 0 when it may.
  uint64_t excluded_until(const Bundle& bundle) const {
    uint64_t until = 0;
    for (const Member& member : bundle.members) {
      for (const pb::Exclusion& exclusion : member.replica->exclusions()) {
        if (exclusion.node() == bundle.home()) until = std::max(until, exclusion.until_ms());
      }
    }
    return until > moment_.time_ms ? until : 0;
  }

  void look_again_at(uint64_t time_ms) { agenda::add_due(state_, time_ms, keys::Due::Contract, dossier_.id().view()); }

  void wait(Bundle& bundle, const std::string& why) {
    for (Member& member : bundle.members) {
      if (member.replica->state() != pb::REPLICA_STUCK) mover_.set_state(*member.replica, pb::REPLICA_WAITING, why);
    }
  }

  // Something that runs is not as wished: said in the contract, as the node owns the replica's message.
  void note(const std::string& text) {
    if (note_.empty()) note_ = text;
  }
  void note(const Bundle& bundle, const std::string& text) { note(bundle.name() + ": " + text); }

  bool may_give_up(const Bundle& bundle) { return sets_.may_give_up(bundle.policy().name(), bundle.leader()); }

  // ---- what happened since -------------------------------------------------------------------

  // Of an unplaced replica: the next place is for the current version, whatever failed before.
  void take_version(pb::Replica& replica) {
    if (replica.version() == dossier_.version()) return;
    replica.set_version(dossier_.version());
    forget_failures(replica);
    if (replica.state() == pb::REPLICA_STUCK) mover_.set_state(replica, pb::REPLICA_WAITING, "");
  }

  // Takes in a new version, a node that is back, a node that gave up.
  void refresh(Bundle& bundle) {
    for (Member& member : bundle.members) {
      if (member.replica->node().empty()) take_version(*member.replica);
    }
    if (!bundle.is_placed()) return;
    bool gave_up = bundle.has_state(pb::REPLICA_CANNOT_RUN) || bundle.has_state(pb::REPLICA_STUCK);
    if (gave_up && !bundle.leaves_data() && may_give_up(bundle)) return give_up_place(bundle);
    if (!is_online(bundle.home())) return;
    if (bundle.has_state(pb::REPLICA_CANNOT_RUN) && is_current(bundle)) return try_again(bundle);
    for (Member& member : bundle.members) {
      if (member.replica->state() != pb::REPLICA_WAITING || member.replica->node().empty()) continue;
      mover_.set_state(*member.replica, pb::REPLICA_ASSIGNED, "");
      mover_.set_changed();  // the node is back: it looks again
    }
  }

  void give_up_place(Bundle& bundle) {
    for (Member& member : bundle.members) {
      mover_.unplace(member.facets->name(), *member.replica);
      take_version(*member.replica);
    }
    wait(bundle, bundle.leader().message());
  }

  // Bound to its node, or needed by its set: the only place where it can be tried again.
  void try_again(Bundle& bundle) {
    uint64_t until = excluded_until(bundle);
    if (until != 0) return look_again_at(until);
    mover_.start_anew(bundle);
  }

  // ---- what has no place, or lost it ---------------------------------------------------------

  void place(Bundle& bundle, const std::string& prefix) {
    std::string lacking;
    if (bundle.has_state(pb::REPLICA_STUCK) || mover_.place(bundle, lacking)) return;
    blocked_ = true;
    wait(bundle, prefix + lacking);
  }

  void face_loss(Bundle& bundle) {
    const pb::Node& node = *ground_.find(bundle.home());
    if (exists(state_, keys::unsettled(node_id_of(node)))) return;
    if (bundle.leader().state() == pb::REPLICA_COMPLETED) return;
    if (bundle.policy().on_node_loss() == pb::NODE_LOSS_WAIT) {
      return wait(bundle, "node " + node.name() + " is lost; waits for it, as its data is there");
    }
    if (node.held() && bundle.policy().on_mass_loss() != pb::MASS_LOSS_MOVE) {
      return wait(bundle, "held: node " + node.name() + " was lost together with more than a third of farm " +
                              node.farm() + "; waits for it or for a drain");
    }
    if (!may_give_up(bundle)) {
      return wait(bundle, "node " + node.name() + " is lost; waits for it, or for a primary of its set to copy from");
    }
    place(bundle, "node " + node.name() + " is lost; ");
  }

  // ---- renewing what runs --------------------------------------------------------------------

  // Its node drains, or came back with less than it gave away. What has done its work stays.
  bool is_to_leave(const Bundle& bundle) {
    const pb::Node& node = *ground_.find(bundle.home());
    return (node.draining() || !fits(node, pb::Demand())) && bundle.leader().state() != pb::REPLICA_COMPLETED;
  }

  bool needs_renewal(const Bundle& bundle) {
    if (!bundle.is_placed() || !is_online(bundle.home())) return false;
    if (!is_current(bundle)) return true;
    if (!is_to_leave(bundle)) return false;
    if (!bundle.leaves_data()) return true;
    note(bundle, "stays on node " + node_name(bundle.home()) + ", which drains or is overfull, as its data is there");
    return false;
  }

  // Ready, and if it was renewed just now, for as long as the update policy asks.
  bool is_available(const Bundle& bundle) {
    if (!is_leader_ready(bundle) || !sets_.is_counted(bundle.policy().name(), bundle.leader())) return false;
    if (!is_current(bundle)) return true;
    uint64_t proven_ms = bundle.leader().since_ms() + bundle.policy().update().healthy_after_ms();
    if (proven_ms <= moment_.time_ms) return true;
    look_again_at(proven_ms);
    return false;
  }

  void renew(Group& group) {
    bool any = std::any_of(group.begin(), group.end(), [&](const Bundle& bundle) { return needs_renewal(bundle); });
    if (!any) return;
    const pb::SetRecord* set = sets_.find(group.front().policy().name());
    uint32_t allowed = set != nullptr ? 1 : std::max(1u, group.front().policy().update().max_unavailable());
    uint32_t missing = set != nullptr && is_electing(*set) ? 1 : 0;
    for (const Bundle& bundle : group) missing += is_available(bundle) ? 0 : 1;
    for (Bundle* bundle : in_order(group)) {
      if (!needs_renewal(*bundle)) continue;
      bool was_available = is_available(*bundle);
      if (was_available && missing >= allowed && !may_precede(*bundle, group)) {
        note(*bundle, std::to_string(missing) + " of " + std::to_string(group.size()) + " replicas are not ready, " +
                          std::to_string(allowed) + " may be: waits for them");
        continue;
      }
      if (renew(*bundle, was_available) && was_available) ++missing;
    }
  }

  // The primary of a set last.
  std::vector<Bundle*> in_order(Group& group) {
    std::vector<Bundle*> order;
    Bundle* last = nullptr;
    for (Bundle& bundle : group) {
      if (sets_.is_primary(bundle.policy().name(), bundle.leader())) {
        last = &bundle;
      } else {
        order.push_back(&bundle);
      }
    }
    if (last != nullptr) order.push_back(last);
    return order;
  }

  // A primary that nobody else has to follow for a write does not wait for those who are not even voters: they may
  // wait for its new version.
  bool may_precede(const Bundle& bundle, const Group& group) {
    const std::string& name = bundle.policy().name();
    if (!sets_.is_primary(name, bundle.leader()) || sets_.find(name)->copies() > 1 || is_to_leave(bundle)) return false;
    return std::all_of(group.begin(), group.end(), [&](const Bundle& other) {
      return is_available(other) || !sets_.is_counted(name, other.leader());
    });
  }

  // Where a member of a set may be begun anew; nothing: not now, and the contract says why.
  std::optional<Renewal> choose_renewal(const Bundle& bundle, bool was_available) {
    const std::string& name = bundle.policy().name();
    const bool leaves = is_to_leave(bundle) && !bundle.leaves_data();
    const Renewal wish = leaves                 ? Renewal::Elsewhere
                         : bundle.leaves_data() ? Renewal::InPlace
                                                : Renewal::Anywhere;
    if (may_give_up(bundle)) return wish;
    const pb::SetRecord& set = *sets_.find(name);
    const bool is_missed = was_available && set.copies() > 1 && bundle.policy().replicas() > 1;
    const bool hands_over = sets_.is_primary(name, bundle.leader()) && (leaves || is_missed);
    if (!leaves && !hands_over) return Renewal::InPlace;
    if (hands_over && sets_.hand_over(name)) {
      mover_.set_changed();
      note(bundle, "hands over to another member of its set first");
    } else {
      note(bundle, "waits until the other members of its set can do without it");
    }
    return std::nullopt;
  }

  bool renew(Bundle& bundle, bool was_available) {
    const Bytes home = bundle.home();
    bool is_scattered = std::any_of(bundle.members.begin() + 1, bundle.members.end(), [&](const Member& member) {
      return !member.replica->node().empty() && member.replica->node() != home;
    });
    std::optional<Renewal> where = choose_renewal(bundle, was_available);
    if (!where) return false;
    std::string lacking = "the data of what it leads is on several nodes";
    if (!is_scattered && mover_.renew(bundle, *where, lacking)) return true;
    blocked_ = !is_scattered || blocked_;
    std::string what = is_current(bundle) ? "cannot leave node " : "update waits on node ";
    note(bundle, what + node_name(home) + ": " + lacking);
    // Until the new version fits, the old one is tried as ever.
    if (bundle.has_state(pb::REPLICA_CANNOT_RUN)) try_again(bundle);
    return false;
  }

  // ---- all of it -----------------------------------------------------------------------------

  void tend() {
    if (sets_.advance()) mover_.set_changed();
    remove_surplus();
    make_replicas();
    mover_.grant_spaces();
    if (mover_.expel_devices()) mover_.set_changed();
    std::vector<Group> groups = make_groups(dossier_);
    for (Group& group : groups) {
      for (Bundle& bundle : group) refresh(bundle);
    }
    for (Group& group : groups) {
      for (Bundle& bundle : group) {
        if (!bundle.is_placed()) {
          place(bundle, "");
        } else if (!is_online(bundle.home())) {
          face_loss(bundle);
        }
      }
    }
    for (Group& group : groups) renew(group);
    bool all_current = std::all_of(groups.begin(), groups.end(), [&](const Group& group) {
      return std::all_of(group.begin(), group.end(), [&](const Bundle& bundle) { return is_current(bundle); });
    });
    if (all_current && !has_surplus_) mover_.drop_old_spaces();
    if (!sets_.settle()) return;
    mover_.set_changed();
    agenda::mark_dirty(state_, dossier_.id());  // what waited for a primary is looked at again
  }

  void write_back() {
    mover_.finish();
    dossier_.contract().mutable_current()->set_reason(note_);
    dossier_.store(state_);
    agenda::set_waiting(state_, dossier_.id(), blocked_);
    if (blocked_ && mover_.retry_ms() != UINT64_MAX) look_again_at(mover_.retry_ms());
  }

  StateWriter& state_;
  Ground& ground_;
  const Moment& moment_;
  Dossier& dossier_;
  Mover mover_;
  SetKeeper sets_;
  bool has_surplus_ = false;
  bool blocked_ = false;  // something waits until others free something
  std::string note_;
};

}  // namespace

Reconciled reconcile(StateWriter& state, Ground& ground, const Moment& moment, const agenda::DirtyItem& item) {
  std::optional<Dossier> dossier = Dossier::load(state, item.contract);
  if (!dossier) return {};
  return Reconciler(state, ground, moment, *dossier).run(item.mark);
}

}  // namespace mcloud::ledger
