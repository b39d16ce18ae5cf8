// What this node must do now: desired x actual -> steps. Pure: no clock, no file, no network.
//
// The steps are a full, ordered way from actual to desired: new images are prepared while the old
// container still serves, stops come before starts, volumes and networks before containers. A step may
// begin when every step in its `after` has succeeded. Nothing is remembered between two calls: after
// any step, or after a crash between any two, plan() is asked again and its answer is taken instead.
//
// Always true of a plan:
//   - a replica is started only when no other container of that replica, and none that mounts one of its
//     volumes, is on the node by then;
//   - a volume is erased only when the ledger says so, never because its placement moved;
//   - with lost contact nothing new is started, and what asked for it (stop_on_isolation) is stopped;
//   - a higher epoch of the same thing is adopted in place: the process is not touched;
//   - what was given up here does not run on.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace mcloud::node {

struct ReplicaKey {
  ContractId contract;
  std::string workload;
  uint32_t index = 0;

  auto operator<=>(const ReplicaKey&) const = default;
};

// ---- contact -----------------------------------------------------------------------------------

// Fresh: the ledger's word is young enough to act on. Lost: it may have fenced us meanwhile.
enum class Contact { Fresh, Lost };

// A cut at the moment C is noticed at C + isolation_limit_ms() at the latest. The last heartbeat that
// arrived is from C - fence_after/5 or later, so nobody else is given our replicas before
// C + 4/5 fence_after; the rest, 1/5 fence_after, is for stopping (isolation_grace_ms() and the kill).
uint64_t isolation_limit_ms(uint64_t fence_after_ms);  // 3/5 fence_after
uint64_t isolation_grace_ms(uint64_t fence_after_ms);  // 1/10 fence_after
// Monotonic times; `last_contact_ms` 0 = never.
Contact contact_at(uint64_t now_ms, uint64_t last_contact_ms, uint64_t fence_after_ms);

// ---- desired -----------------------------------------------------------------------------------

struct DesiredContainer {
  uint64_t epoch = 0;
  uint64_t version = 0;  // of the contract
  Hash spec;             // of everything that makes it another process: image, command, limits, mounts, addresses
  std::vector<ReplicaKey> volumes;  // must be there before it starts
  bool stop_on_isolation = false;
};

struct DesiredVolume {
  uint64_t size_bytes = 0;
};

struct Desired {
  bool known = false;  // false: no verified assignment yet; then nothing but isolation is planned
  std::map<ReplicaKey, DesiredContainer> containers;
  std::map<ReplicaKey, DesiredVolume> volumes;
  // Of each contract that needs networks or publications here: what they must look like. A contract's
  // containers start after it, if it has an entry.
  std::map<ContractId, Hash> networks;
  // Assigned here, but what to run could not be verified: what runs is left alone, nothing is started.
  std::set<ReplicaKey> unverified;
  // Ended for good with erase_volumes: all its volumes here go, once its containers are gone.
  std::set<ContractId> erase;
};

// ---- actual ------------------------------------------------------------------------------------

struct ActualContainer {
  std::string id;  // the runtime's
  ReplicaKey replica;
  uint64_t epoch = 0;
  uint64_t version = 0;
  Hash spec;
  bool stop_on_isolation = false;
  bool running = false;             // false: its process has ended
  bool never_ran = false;           // a start failed and may have left something
  std::vector<ReplicaKey> volumes;  // it mounts these
};

struct Actual {
  std::vector<ActualContainer> containers;  // all the runtime has, ended ones included
  std::map<ReplicaKey, uint64_t> volumes;   // size in bytes
  std::map<ContractId, Hash> networks;
  std::map<ReplicaKey, Hash> prepared;  // image made ready for this spec
  std::set<ReplicaKey> held;            // not to be (re)started now: back-off, completed, given up
  std::set<ReplicaKey> given_up;        // of those, the ones whose running container must end too
};

// ---- steps -------------------------------------------------------------------------------------

enum class StepKind {
  AdoptEpoch,      // container, epoch, version: note the new epoch, leave the process alone
  StopContainer,   // container: stop it and remove what it leaves but volumes
  RemoveNetwork,   // replica.contract
  EraseVolume,     // replica
  EnsureVolume,    // replica, size_bytes: create or grow
  SetNetwork,      // replica.contract, spec
  PrepareImage,    // replica, spec
  StartContainer,  // replica, epoch, version, spec; `container` set: start that ended one again
};
enum class StopReason { None, NotAssigned, Replaced, Duplicate, Isolated, GivenUp };

struct Step {
  StepKind kind = StepKind::AdoptEpoch;
  ReplicaKey replica;     // for networks only .contract is set
  std::string container;  // the runtime's id
  uint64_t epoch = 0;
  uint64_t version = 0;
  Hash spec;
  uint64_t size_bytes = 0;
  StopReason reason = StopReason::None;
  std::vector<size_t> after;  // indices of earlier steps

  bool operator==(const Step&) const = default;
};

std::vector<Step> plan(const Desired& desired, const Actual& actual, Contact contact);

std::string_view step_name(StepKind kind);        // "stop container": for people
std::string describe(const ReplicaKey& replica);  // "1a2b3c4d/web-0"

}  // namespace mcloud::node
