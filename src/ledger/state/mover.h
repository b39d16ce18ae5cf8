// Puts bundles of one contract on nodes and takes them off, with everything that hangs on it: what nodes
// give away, addresses, epochs, and in the end what the nodes are told. When and why is reconcile's affair.
#pragma once

#include <map>
#include <set>
#include <string>

#include "ledger/state/bundle.h"
#include "ledger/state/ground.h"
#include "ledger/state/reconcile.h"
#include "ledger/state/spaces.h"
#include "ledger/state/surroundings.h"

namespace mcloud::ledger {

// Where a bundle that is begun anew may go.
enum class Renewal {
  InPlace,
  Anywhere,   // in place if it still fits there
  Elsewhere,
};

class Mover {
 public:
  Mover(StateWriter& state, Ground& ground, const Moment& moment, Dossier& dossier);

  // Off its node, if it is on one; its addresses stay.
  void unplace(const std::string& workload, pb::Replica& replica);
  void release_addresses(const std::string& workload, uint32_t index) { addresses_.release(workload, index); }
  void grant_spaces() { addresses_.grant(dossier_.header()); }
  // Of people who may not be there any more. Were there any?
  bool expel_devices() { return addresses_.expel(dossier_.header()); }
  void drop_old_spaces() { freed_ = addresses_.drop(&dossier_.header()) || freed_; }
  void drop_all_spaces() { freed_ = addresses_.drop(nullptr) || freed_; }

  // For what has no place or lost it. False: no place, `lacking` says why.
  bool place(Bundle& bundle, std::string& lacking);
  // As if it took nothing where it stands. False: it stays as it is, `lacking` says why.
  bool renew(Bundle& bundle, Renewal where, std::string& lacking);
  // The next epoch where it stands.
  void start_anew(Bundle& bundle);

  void set_state(pb::Replica& replica, pb::ReplicaState state, const std::string& message) const;
  // Nodes look again, although nothing moved.
  void set_changed() { changed_ = true; }

  bool freed() const { return freed_; }  // others may have a place now
  uint64_t retry_ms() const { return surroundings_.retry_ms(); }
  // Tells the nodes and writes the contract's addresses and revision into its record.
  void finish();

 private:
  BytesView contract() const { return dossier_.id().view(); }
  Status reserve_addresses(const Bundle& bundle);
  Choice choose_renewed(const Bundle& bundle, Renewal where);
  // The bundle's own replica does not count while `act` chooses.
  template <typename Act>
  Choice choose_apart_from(const Bundle& bundle, Act act);
  void occupy(Bundle& bundle, const Bytes& node);
  void start_epoch(Member& member);
  void assign();

  StateWriter& state_;
  Ground& ground_;
  const Moment& moment_;
  Dossier& dossier_;
  AddressBook addresses_;
  Surroundings surroundings_;
  const std::set<Bytes> nodes_before_;
  std::map<std::string, std::string> placeless_;  // leaders that found no place in this block, with the reason
  bool freed_ = false;
  bool changed_ = false;
};

// What an exclusion or a count of failures says is about the version that failed.
void forget_failures(pb::Replica& replica);

}  // namespace mcloud::ledger
