#include "sim/cluster.h"

#include <algorithm>
#include <deque>

#include "contract/header.h"
#include "ledger/state/records.h"
#include "sim/agent.h"
#include "sim/people.h"

namespace mcloud::sim {
namespace {

class Cluster {
 public:
  explicit Cluster(const Scenario& scenario)
      : scenario_(scenario),
        random_(scenario.seed ^ 0x5eed),
        network_(clock_, random_, scenario.network, figures_),
        judge_(clock_, scenario_),
        chain_(clock_, scenario_, judge_),
        people_(world()) {
    for (int i = 0; i < scenario.nodes; ++i) {
      Agent& agent = agents_.emplace_back(world(), "n" + std::to_string(i));
      peers_.agents[agent.name()] = &agent;
    }
  }

  RunFigures run() {
    chain_.set_up();
    chain_.start();
    people_.start();
    for (Agent& agent : agents_) agent.start();
    start_faults();
    clock_.run_until(clock_.now() + scenario_.chaos_ms);
    repair();
    clock_.run_until(clock_.now() + scenario_.quiet_ms);
    judge_.settled(chain_.state());
    settle_sets();
    for (const Agent& agent : agents_) {
      if (auto wrong = agent.check_settled()) throw Violation("at the end: " + *wrong);
    }
    chain_.replay();
    figures_.blocks = chain_.height();
    figures_.starts = judge_.starts();
    figures_.moves = judge_.moves();
    figures_.fencings = judge_.fencings();
    figures_.elections = judge_.elections();
    figures_.leaders = judge_.sets().leaders();
    figures_.acknowledged = judge_.sets().acknowledged();
    return figures_;
  }

 private:
  Agent::World world() { return {clock_, random_, network_, chain_, judge_, scenario_, peers_}; }
  Agent& some_agent() { return agents_[random_.below(agents_.size())]; }

  // Calls `fault` again and again while the chaos lasts.
  void every(uint64_t mean_ms, const std::function<void()>& fault) {
    if (mean_ms == 0) return;
    clock_.after(1 + random_.below(2 * mean_ms), [this, mean_ms, fault] {
      if (is_repaired_) return;
      fault();
      every(mean_ms, fault);
    });
  }

  // `undo` happens once: after a while, or when everything is repaired.
  void for_a_while(uint64_t most_ms, const std::function<void()>& undo) {
    clock_.after(1 + random_.below(most_ms), [this, undo] {
      if (!is_repaired_) undo();
    });
  }

  // A node may be crashed and cut at the same time; it is undisturbed when both are over.
  void disturb(Agent& agent, int change) {
    int& count = disturbances_[agent.name()];
    count += change;
    judge_.disturbed(id_named(agent.name()), count > 0);
  }

  void start_faults() {
    every(scenario_.crash_every_ms, [this] { crash(some_agent()); });
    every(scenario_.agent_crash_every_ms, [this] { crash_agent(some_agent()); });
    every(scenario_.cut_every_ms, [this] { cut(some_agent(), true); });
    every(scenario_.partition_every_ms, [this] { part(some_agent()); });
    every(scenario_.deaf_every_ms, [this] { cut(some_agent(), false); });
    every(scenario_.outage_every_ms, [this] { stop_ledger(); });
    every(scenario_.validator_every_ms, [this] {
      chain_.restart_validator(random_.below(static_cast<uint64_t>(scenario_.validators)));
      ++figures_.validator_restarts;
    });
    every(scenario_.breakdown_every_ms, [this] { figures_.breakdowns += some_agent().break_down() ? 1 : 0; });
    every(scenario_.refusal_every_ms, [this] {
      Agent& agent = some_agent();
      ++figures_.refusals;
      agent.set_refusing(true);
      for_a_while(6000, [&agent] { agent.set_refusing(false); });
    });
  }

  void crash(Agent& agent) {
    if (!agent.is_machine_up()) return;
    ++figures_.crashes;
    agent.crash_machine();
    disturb(agent, +1);
    for_a_while(12'000, [this, &agent] {
      agent.boot_machine();
      disturb(agent, -1);
    });
  }

  void crash_agent(Agent& agent) {
    ++figures_.agent_crashes;
    agent.crash_agent();
    clock_.after(1 + random_.below(400), [&agent] { agent.restart_agent(); });
  }

  // From one other node, or from all.
  void part(Agent& agent) {
    uint64_t alone = random_.chance(40) ? agents_.size() : random_.below(agents_.size());
    std::vector<std::string> others;
    for (uint64_t i = 0; i < agents_.size(); ++i) {
      const std::string& other = agents_[i].name();
      if (other == agent.name() || (alone != agents_.size() && alone != i)) continue;
      if (network_.is_cut(agent.name(), other)) continue;
      others.push_back(other);
      network_.cut(agent.name(), other);
    }
    ++figures_.partitions;
    for_a_while(10'000, [this, &agent, others] {
      for (const std::string& other : others) network_.restore(agent.name(), other);
    });
  }

  // Every set has a primary, which leads and has everything; all its replicas that stand somewhere count.
  void settle_sets() {
    each_set([this](const pb::Workload& workload) {
      const pb::SetRecord& set = workload.set();
      const std::string what = "the set " + workload.name() + " ";
      if (!set.has_primary()) judge_.fail(what + "has no primary at the end: " + set.message());
      for (const pb::Replica& replica : workload.replicas()) {
        auto is_it = [&](const pb::SetMember& member) {
          return member.index() == replica.index() && member.epoch() == replica.epoch();
        };
        bool counts = std::any_of(set.voters().begin(), set.voters().end(), is_it) &&
                      std::none_of(set.partial().begin(), set.partial().end(), is_it);
        if (!counts && !replica.node().empty()) judge_.fail(what + "does not count on all its members at the end");
      }
      node::ReplicaKey key{ledger::contract_id_of(workload.contract()), workload.name(), set.primary().index()};
      const Log* log = nullptr;
      for (const Agent& agent : agents_) log = log != nullptr ? log : agent.led_log(key);
      if (log == nullptr) judge_.fail(what + "has a primary that does not lead at the end");
      auto stands = [](const pb::Replica& replica) { return !replica.node().empty(); };
      auto standing = std::count_if(workload.replicas().begin(), workload.replicas().end(), stands);
      const pb::ContractHeader* told = judge_.header(key.contract, workload.replicas(static_cast<int>(key.index)).version());
      const uint32_t copies = contract::find_facets(*told, key.workload)->set().copies();
      judge_.settled_set(key, *log, static_cast<uint32_t>(standing) >= copies);
    });
  }

  void each_set(const std::function<void(const pb::Workload&)>& act) const {
    chain_.state().each("workload/", [&](BytesView key, BytesView value) {
      pb::Workload workload;
      ledger::parse_record(workload, value, key);
      if (workload.has_set()) act(workload);
      return true;
    });
  }

  // Enough of them do not hear it to fence it.
  bool is_majority(size_t validators) const { return validators * 3 > static_cast<size_t>(scenario_.validators) * 2; }

  void cut(Agent& agent, bool from_ledger) {
    if (cuts_.contains(agent.name())) return;
    std::vector<std::string> others;
    uint64_t count = static_cast<uint64_t>(scenario_.validators);
    uint64_t first = random_.below(count);
    uint64_t wanted = from_ledger ? count : 1 + random_.below(count);
    for (uint64_t i = 0; i < wanted; ++i) others.push_back("v" + std::to_string((first + i) % count));
    bool disturbs = is_majority(others.size());
    if (from_ledger) others.push_back("ledger");
    ++(from_ledger ? figures_.cuts : figures_.deaf);
    cuts_.insert(agent.name());
    for (const std::string& other : others) network_.cut(agent.name(), other);
    if (disturbs) disturb(agent, +1);
    for_a_while(10'000, [this, &agent, others, disturbs] {
      for (const std::string& other : others) network_.restore(agent.name(), other);
      cuts_.erase(agent.name());
      if (disturbs) disturb(agent, -1);
    });
  }

  void stop_ledger() {
    if (!chain_.is_up()) return;
    chain_.go_down();
    ++figures_.outages;
    bool is_restarted = random_.chance(50);
    uint64_t begin_ms = clock_.now();
    for_a_while(scenario_.outage_ms_max, [this, is_restarted, begin_ms] {
      figures_.outage_ms_max = std::max(figures_.outage_ms_max, clock_.now() - begin_ms);
      chain_.come_up(is_restarted);
    });
  }

  void repair() {
    is_repaired_ = true;
    network_.calm();
    people_.calm_down();
    if (!chain_.is_up()) chain_.come_up(true);
    for (Agent& agent : agents_) {
      agent.set_refusing(false);
      if (!agent.is_machine_up()) agent.boot_machine();
      agent.restart_agent();
      if (disturbances_[agent.name()] > 0) disturb(agent, -disturbances_[agent.name()]);
    }
    clock_.after(scenario_.quiet_ms / 2, [this] {
      each_set([this](const pb::Workload& workload) {
        if (workload.set().has_primary() || workload.set().since_ms() + scenario_.quiet_ms / 4 > clock_.now()) return;
        judge_.fail("nothing fails any more, and the set " + workload.name() + " still elects: " + workload.set().message());
      });
    });
  }

  const Scenario scenario_;
  RunFigures figures_;
  Clockwork clock_;
  testing::SimulatedRandom random_;
  Network network_;
  Judge judge_;
  Chain chain_;
  Peers peers_;
  People people_;
  std::deque<Agent> agents_;
  std::map<std::string, int> disturbances_;
  std::set<std::string> cuts_;  // agents that are cut from somebody
  bool is_repaired_ = false;
};

}  // namespace

RunFigures run_seed(uint64_t seed) { return Cluster(make_scenario(seed)).run(); }

}  // namespace mcloud::sim
