// For tests: a machine as values, for the reconciler's jobs one by one.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "node/reconciler.h"
#include "node/sample_test.h"

namespace mcloud::node::sample {

// Knows what runs, breaks what the test tells it to, and notes what must never happen.
class FakeMachine {
 public:
  struct Process {
    pb::LocalContainer record;
    runtime::ContainerStatus status;
    std::vector<ReplicaKey> volumes;
  };

  JobOutcome execute(const Job& job) {
    done.push_back(job.kind);
    if (auto failure = failures.find(job.kind); failure != failures.end()) {
      return {.status = failure->second, .networks = {}};
    }
    switch (job.kind) {
      case JobKind::Adopt:
        REQUIRE(containers.contains(job.container));
        containers[job.container].record.set_epoch(job.epoch);
        containers[job.container].record.set_version(job.version);
        return {};
      case JobKind::Stop:
        containers.erase(job.container);
        graces[job.container] = job.grace_ms;
        return {};
      case JobKind::ChangeNetworks: return change(job);
      case JobKind::EraseVolume:
        for (const auto& [id, process] : containers) {
          REQUIRE(std::find(process.volumes.begin(), process.volumes.end(), job.replica) == process.volumes.end());
        }
        volumes.erase(job.replica);
        return {};
      case JobKind::EnsureVolume: volumes[job.replica] = job.size_bytes; return {};
      case JobKind::PrepareImage: images.insert(job.task->container->image().digest()); return {};
      case JobKind::Start: return start(job);
      case JobKind::DropDisk:
        REQUIRE(!containers.contains(job.container));
        disks.erase(job.container);
        return {};
      case JobKind::Probe: return {.status = probe, .networks = {}};
      case JobKind::AskMember: return ask(job);
      case JobKind::SetNames: names = job.names; return {};
      case JobKind::SetGateways:
        gateway = job.gateway;
        tunnel = job.tunnel;
        return {};
      case JobKind::LookAtGateway: return {.status = {}, .networks = {}, .gateway = gateway_state};
      case JobKind::TendNetworks: return {};
      case JobKind::Measure:
        return {.status = {}, .networks = {}, .usage = job.container.empty() ? volume_usage : disk_usage};
    }
    return {};
  }

  void end(const std::string& id, int exit_code, uint64_t at_ms) {
    runtime::ContainerStatus& status = containers.at(id).status;
    status.state = runtime::ContainerState::Stopped;
    status.exit_code = exit_code;
    status.finished_ms = at_ms;
  }

  Reconciler::Found found() const {
    Reconciler::Found found{.volumes = volumes, .networks = networks, .disks = disks};
    for (const auto& [id, process] : containers) found.containers.push_back({id, process.record, process.status});
    return found;
  }

  std::map<std::string, Process> containers;
  std::map<ReplicaKey, uint64_t> volumes;
  std::map<ContractId, pb::LocalNetworks> networks;
  std::set<std::string> images;
  std::set<std::string> disks;
  std::map<std::string, uint64_t> graces;
  std::map<JobKind, Status> failures;
  Status probe;
  DiskUsage disk_usage;    // of every container
  DiskUsage volume_usage;  // of every volume
  std::map<std::string, GroupStatus> members;  // by container: what their processes say
  std::vector<GroupCommand> told;              // to members, questions left out
  size_t network_changes = 0;  // of contracts
  pb::LocalMesh mesh;
  std::vector<network::NetworkNames> names;
  pb::LocalGateway gateway;
  pb::LocalTunnel tunnel;
  pb::GatewayState gateway_state;
  std::vector<JobKind> done;
  uint64_t now_ms = 1;

 private:
  JobOutcome change(const Job& job) {
    JobOutcome outcome;
    network_changes += job.networks.set.size() + job.networks.remove.size();
    if (job.networks.mesh) {
      mesh = *job.networks.mesh;
      outcome.networks[{}] = {};
    }
    for (const auto& [contract, local] : job.networks.set) {
      networks[contract] = local;
      outcome.networks[contract] = {};
    }
    for (const ContractId& contract : job.networks.remove) {
      networks.erase(contract);
      outcome.networks[contract] = {};
    }
    return outcome;
  }

  // Obeys as a managed kv does, and has everything at once.
  JobOutcome ask(const Job& job) {
    REQUIRE(containers.contains(job.container));
    GroupStatus& status = members[job.container];
    const GroupCommand& command = job.group;
    if (command.verb == GroupVerb::Status) return {.status = {}, .networks = {}, .group = status};
    told.push_back(command);
    if (command.term < status.term) return {.status = make_error(Code::Denied, "FENCED"), .networks = {}};
    status.term = command.term;
    status.master.clear();
    if (command.verb == GroupVerb::Promise) status.role = GroupRole::Nobody;
    if (command.verb == GroupVerb::Lead) {
      status.role = GroupRole::Master;
      status.voters_revision = command.voters_revision;
      status.proposal = command.voters == command.candidates ? std::vector<GroupMember>() : command.candidates;
    }
    if (command.verb == GroupVerb::Follow) {
      status.role = GroupRole::Follower;
      status.master = command.host + ":" + std::to_string(command.port);
    }
    return {.status = {}, .networks = {}, .group = status};
  }

  JobOutcome start(const Job& job) {
    const ContainerTask& task = *job.task;
    REQUIRE(images.contains(task.container->image().digest()));
    Process process;
    for (const auto& [path, volume] : task.volumes) {
      REQUIRE(volumes.contains(volume));
      process.volumes.push_back(volume);
    }
    for (const auto& [id, other] : containers) {
      bool is_running = other.status.state == runtime::ContainerState::Running;
      bool is_same = other.record.contract() == task.replica.contract.view() &&
                     other.record.workload() == task.replica.workload && other.record.index() == task.replica.index;
      REQUIRE(!(is_same && is_running));
      for (const ReplicaKey& volume : process.volumes) {
        bool holds = std::find(other.volumes.begin(), other.volumes.end(), volume) != other.volumes.end();
        REQUIRE(!(holds && is_running));
      }
    }
    if (!task.addresses.empty()) REQUIRE(networks.contains(task.replica.contract));
    process.record.set_chain_id(kChain);
    process.record.set_contract(task.replica.contract.bytes());
    process.record.set_workload(task.replica.workload);
    process.record.set_index(task.replica.index);
    process.record.set_epoch(task.epoch);
    process.record.set_version(task.version);
    process.record.set_spec(task.spec.bytes());
    process.record.set_stop_on_isolation(task.facets->on_isolation() == pb::ISOLATION_STOP);
    process.record.set_restarts(job.restarts);
    process.record.set_stop_grace_ms(task.container->stop_grace_ms());
    for (const ReplicaKey& volume : process.volumes) {
      pb::LocalVolume& local = *process.record.add_volumes();
      local.set_workload(volume.workload);
      local.set_index(volume.index);
    }
    process.status.state = runtime::ContainerState::Running;
    process.status.started_ms = now_ms;
    disks.insert(job.container);
    members[job.container].role = GroupRole::Nobody;
    containers[job.container] = std::move(process);
    return {};
  }
};

// A reconciler whose jobs are done at once on a fake machine.
class Bench {
 public:
  explicit Bench(FakeMachine& machine, Reconciler::Limits limits = {}) : machine_(machine), reconciler(limits) {
    reconciler.found(machine.found(), kChain);
  }

  void orders(const Ledger& ledger) {
    reconciler.set_contact(now_ms, 5000);
    reconciler.set_orders(ledger.orders(), now_ms);
  }

  // Does jobs until there are none at this moment.
  void settle() {
    for (int round = 0; round < 100; ++round) {
      std::vector<Job> jobs = reconciler.take_jobs(now_ms);
      if (jobs.empty()) return;
      machine_.now_ms = now_ms;
      for (const Job& job : jobs) reconciler.job_done(job.id, machine_.execute(job), now_ms);
    }
    FAIL("it does not settle");
  }

  void pass(uint64_t ms, bool with_contact = true) {
    uint64_t until = now_ms + ms;
    settle();
    while (now_ms < until) {
      now_ms = std::min(until, std::max(now_ms + 1, std::min(reconciler.next_ms(now_ms), now_ms + 250)));
      if (with_contact) reconciler.set_contact(now_ms, 5000);
      for (const auto& [id, process] : machine_.containers) reconciler.observed(id, process.status, now_ms, now_ms);
      settle();
    }
  }

  // The state of "web-0" and so on of the only, or this, contract.
  const pb::Result* result(const std::string& workload, uint32_t index = 0, const ContractId& contract = {}) {
    reports_ = reconciler.reports();
    for (const Report& report : reports_) {
      bool is_of = contract.is_none() || report.replica.contract == contract;
      if (is_of && report.replica.workload == workload && report.replica.index == index) return &report.result;
    }
    return nullptr;
  }
  pb::ReplicaState state(const std::string& workload, uint32_t index = 0, const ContractId& contract = {}) {
    const pb::Result* found = result(workload, index, contract);
    return found == nullptr ? pb::REPLICA_UNSET : found->state();
  }

  FakeMachine& machine_;
  Reconciler reconciler;
  uint64_t now_ms = 1'000'000;

 private:
  std::vector<Report> reports_;
};

}  // namespace mcloud::node::sample
