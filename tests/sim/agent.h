// A simulated node: the real planner (node/plan.h) over a simulated runtime. The machine crashes and loses
// its processes; the agent alone crashes and loses only what it knew; volumes and prepared images survive.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "node/plan.h"
#include "node/set_member.h"
#include "sim/chain.h"
#include "sim/copy.h"
#include "sim/network.h"

namespace mcloud::sim {

// What the ledger says of one node at one height.
struct View {
  struct Replica {
    uint64_t epoch = 0;
    uint64_t version = 0;
    pb::ReplicaState state = pb::REPLICA_UNSET;
    const pb::Facets* facets = nullptr;  // the judge's, for good
    Hash spec;
    std::shared_ptr<const pb::Workload> set;  // with facets->has_set()
  };
  uint64_t height = 0;
  uint64_t last_sequence = 0;
  pb::Node node;
  std::map<node::ReplicaKey, Replica> replicas;
  std::set<ContractId> erase;
};
std::shared_ptr<const View> read_view(const Chain& chain, const Judge& judge, const std::string& node);

class Agent;

// Nodes find each other by name.
struct Peers {
  std::map<std::string, Agent*> agents;
  uint64_t values = 0;  // that clients wrote
};

class Agent {
 public:
  struct World {
    Clockwork& clock;
    testing::SimulatedRandom& random;
    Network& network;
    Chain& chain;
    Judge& judge;
    const Scenario& scenario;
    Peers& peers;
  };
  Agent(World world, std::string name);
  Agent(const Agent&) = delete;

  const std::string& name() const { return name_; }
  bool is_machine_up() const { return is_machine_up_; }
  void start();
  void crash_machine();
  void boot_machine();
  void crash_agent();
  void restart_agent();
  void set_refusing(bool is_refusing) { is_refusing_ = is_refusing; }
  // Gives up something that runs. False when nothing does.
  bool break_down();

  // What the member here has, when it leads; nullptr when it does not.
  const Log* led_log(const node::ReplicaKey& replica) const;

  // Everything runs that the ledger says, in its version, and nothing else: what is wrong, or nullopt.
  std::optional<std::string> check_settled() const;

 private:
  struct Container {
    node::ActualContainer actual;
    uint64_t healthy_ms = 0;  // from then on
    std::shared_ptr<Copy> copy;  // a member of a set
  };

  // The machine's own clock runs a little slow or fast; what it waits for and measures is by that clock.
  uint64_t own_ms(uint64_t ms) const { return ms * clock_permille_ / 1000; }
  void after_own(uint64_t ms, std::function<void()> act);
  void beat();
  void poll();
  void arrive(const std::shared_ptr<const View>& view, uint64_t asked_ms);
  void turn();  // plan, begin steps, report
  node::Desired desired() const;
  node::Actual actual() const;
  node::Contact contact() const;
  void begin(const node::Step& step);
  void finish(const node::Step& step);
  void start_container(const node::Step& step);
  void report();
  pb::ReplicaState state_of(const node::ReplicaKey& replica, const View::Replica& told) const;
  bool send(const Fill& fill);
  // agent_sets.cc: members of replica sets.
  void start_copy(const node::ReplicaKey& replica, Container& container);
  void tick_copies();
  void tend_members();
  void sync_later(const std::shared_ptr<Copy>& copy);
  void pull(const node::ReplicaKey& replica, const Copy& copy);
  void serve(const node::ReplicaKey& replica, const Pull& pull, const std::string& from, uint32_t from_index);
  void erase_disks();
  const Container* running_copy(const node::ReplicaKey& replica) const;
  std::optional<pb::SetReport> set_news(const node::ReplicaKey& replica) const;
  const View::Replica* told(const node::ReplicaKey& replica) const;
  bool is_volume(const node::ReplicaKey& replica) const;

  World world_;
  const std::string name_;
  const NodeId id_;

  std::shared_ptr<const View> newest_;  // the ledger's, when it was last asked

  // The machine.
  bool is_machine_up_ = true;
  uint64_t clock_permille_ = 1000;
  uint64_t boots_ = 0;
  uint64_t beats_ = 0;
  bool is_refusing_ = false;
  std::map<std::string, Container> containers_;
  std::map<node::ReplicaKey, uint64_t> volumes_;
  std::map<node::ReplicaKey, Hash> prepared_;
  uint64_t containers_made_ = 0;
  std::map<node::ReplicaKey, Disk> disks_;
  std::map<node::ReplicaKey, std::shared_ptr<const pb::Workload>> routes_;  // where the others of its set stand
  uint64_t height_max_ = 0;  // durable

  // The agent's memory.
  bool is_agent_up_ = true;
  uint64_t lives_ = 0;
  std::shared_ptr<const View> view_;
  uint64_t heard_ms_ = 0;
  std::set<std::string> busy_;                     // steps on their way
  std::map<node::ReplicaKey, uint64_t> given_up_;  // replica -> epoch
  std::set<node::ReplicaKey> broken_;              // of those, what ran when it was given up
  std::map<node::ReplicaKey, node::SetMember> members_;
  struct ToldSet {
    Bytes report;
    uint64_t sequence = 0;  // of the transaction that carries it
    uint64_t at_ms = 0;
  };
  std::map<node::ReplicaKey, ToldSet> told_sets_;  // the last report of each member that was sent
  uint64_t sent_sequence_ = 0;
  uint64_t sent_ms_ = 0;
};

}  // namespace mcloud::sim
