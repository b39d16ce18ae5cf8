// Members of replica sets on a simulated node: the real node/set_member.h says what the process is told and what the
// ledger hears; the process and its disk are those of copy.h.
#include "ledger/state/records.h"
#include "sim/agent.h"
#include "wire/canonical.h"

namespace mcloud::sim {
namespace {

using node::ReplicaKey;

constexpr uint64_t kTickMs = 100;
constexpr int kAsksMax = 4;  // in one turn

std::string host_of(uint32_t index) { return "r" + std::to_string(index); }

}  // namespace

void Agent::start_copy(const ReplicaKey& replica, Container& container) {
  Copy::Hooks hooks{
      .acknowledged = [this, replica](uint64_t value, uint32_t copies, uint64_t term) {
        world_.judge.acknowledged(replica, term, value, copies);
      },
      .leads = [this, replica](uint64_t term, const Log& log) { world_.judge.leads(replica, term, log); },
  };
  container.copy = std::make_shared<Copy>(disks_[replica], std::move(hooks));
  auto member = members_.find(replica);
  if (member != members_.end()) member->second.process_began(world_.clock.now());
}

const Agent::Container* Agent::running_copy(const ReplicaKey& replica) const {
  for (const auto& [id, container] : containers_) {
    if (container.copy && container.actual.replica == replica) return &container;
  }
  return nullptr;
}

const Log* Agent::led_log(const ReplicaKey& replica) const {
  const Container* container = running_copy(replica);
  return container != nullptr && container->copy->is_master() ? &disks_.at(replica).log : nullptr;
}

// Clients write to whoever takes it; followers ask for more.
void Agent::tick_copies() {
  for (auto& [id, container] : containers_) {
    if (!container.copy) continue;
    if (container.copy->is_master() && world_.random.chance(30)) {
      container.copy->write(++world_.peers.values);
      sync_later(container.copy);
    }
    pull(container.actual.replica, *container.copy);
  }
  world_.clock.after(kTickMs, [this, boot = boots_] {
    if (boot == boots_) tick_copies();
  });
}

void Agent::sync_later(const std::shared_ptr<Copy>& copy) {
  std::weak_ptr<Copy> process = copy;
  world_.clock.after(1 + world_.random.below(15), [process, position = copy->position(), cuts = copy->cuts()] {
    if (std::shared_ptr<Copy> alive = process.lock()) alive->synced(position, cuts);
  });
}

void Agent::pull(const ReplicaKey& replica, const Copy& copy) {
  std::string host;
  std::optional<Pull> question = copy.pull(host);
  auto route = routes_.find(replica);
  if (!question || route == routes_.end()) return;
  for (const pb::Replica& other : route->second->replicas()) {
    if (host != host_of(other.index()) + ":1" || other.node().empty()) continue;
    for (auto& [name, peer] : world_.peers.agents) {
      if (id_named(name).view() != other.node()) continue;
      ReplicaKey whom{replica.contract, replica.workload, other.index()};
      world_.network.send(name_, name, [peer, whom, question = *question, from = name_, index = replica.index] {
        peer->serve(whom, question, from, index);
      });
    }
  }
}

void Agent::serve(const ReplicaKey& replica, const Pull& question, const std::string& from, uint32_t from_index) {
  const Container* container = is_machine_up_ ? running_copy(replica) : nullptr;
  std::optional<Push> answer = container == nullptr ? std::nullopt : container->copy->serve(question);
  if (!answer) return;
  Agent* peer = world_.peers.agents.at(from);
  ReplicaKey whom{replica.contract, replica.workload, from_index};
  world_.network.send(name_, from, [peer, whom, answer = *answer] {
    const Container* follower = peer->is_machine_up_ ? peer->running_copy(whom) : nullptr;
    if (follower == nullptr) return;
    follower->copy->take(answer);
    peer->sync_later(follower->copy);
  });
}

void Agent::tend_members() {
  if (!view_) return;
  std::erase_if(members_, [&](const auto& entry) { return told(entry.first) == nullptr; });
  const uint64_t now = world_.clock.now();
  for (const auto& [key, replica] : view_->replicas) {
    if (!replica.set) continue;
    node::SetOrder order = node::set_order(*replica.set, replica.facets->set(), {key.index, replica.epoch});
    if (order.primary) order.primary_host = host_of(order.primary->index);
    order.port = 1;
    auto [member, is_new] = members_.try_emplace(key, order);
    if (!is_new) member->second.ordered(order, now);
    const Container* running = running_copy(key);
    if (running == nullptr) continue;
    const bool is_fresh = view_->node.state() == pb::NODE_ONLINE && contact() == node::Contact::Fresh;
    for (int i = 0; i < kAsksMax && member->second.due_ms() <= now; ++i) {
      node::GroupCommand command = member->second.next(is_fresh);
      member->second.answered(command, running->copy->execute(command), now);
    }
  }
}

// Again and again while others wait for it: a report may be lost, or come too early.
std::optional<pb::SetReport> Agent::set_news(const ReplicaKey& replica) const {
  auto member = members_.find(replica);
  if (member == members_.end() || !member->second.report()) return std::nullopt;
  const pb::SetReport& report = *member->second.report();
  auto told = told_sets_.find(replica);
  if (told == told_sets_.end()) return report;
  const bool is_told = told->second.report == wire::encode(report) && told->second.sequence <= view_->last_sequence;
  const bool is_old = member->second.is_urgent() && world_.clock.now() > told->second.at_ms + 3000;
  return is_told && !is_old ? std::nullopt : std::optional(report);
}

void Agent::erase_disks() {
  if (!view_) return;
  std::erase_if(disks_, [&](const auto& entry) {
    return view_->erase.contains(entry.first.contract) && running_copy(entry.first) == nullptr;
  });
}

}  // namespace mcloud::sim
