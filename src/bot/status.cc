#include "bot/status.h"

#include <algorithm>

#include "contract/header.h"

namespace mcloud::bot {
namespace {

bool is_ready(const pb::Facets& facets, const pb::Replica& replica) {
  if (replica.state() == pb::REPLICA_HEALTHY || replica.state() == pb::REPLICA_COMPLETED) return true;
  return replica.state() == pb::REPLICA_RUNNING && !facets.has_health();
}

const pb::Node* find_node(const std::vector<pb::Node>& nodes, BytesView key) {
  auto found = std::ranges::find_if(nodes, [&](const pb::Node& node) { return node.key() == key; });
  return found == nodes.end() ? nullptr : &*found;
}

ReplicaStatus replica_status(const pb::Facets& facets, const pb::Replica& replica, uint64_t version,
                             const std::vector<pb::Node>& nodes) {
  ReplicaStatus status;
  status.workload = facets.name();
  status.kind = facets.kind();
  status.index = replica.index();
  status.state = replica.state();
  status.node = replica.node();
  if (const pb::Node* node = find_node(nodes, replica.node())) {
    status.node_name = node->name();
    // What a fenced node last said is not the truth any more.
    if (node->state() == pb::NODE_FENCED) status.message = "its node " + node->name() + " is fenced";
  }
  status.ready = is_ready(facets, replica) && replica.version() == version && status.message.empty();
  status.epoch = replica.epoch();
  status.version = replica.version();
  status.restarts = replica.restarts();
  status.since_ms = replica.since_ms();
  if (!replica.message().empty()) status.message += (status.message.empty() ? "" : "; ") + replica.message();
  status.addresses.assign(replica.addresses().begin(), replica.addresses().end());
  return status;
}

SetStatus set_status(const pb::Workload& workload) {
  const pb::SetRecord& record = workload.set();
  auto name_of = [&](const pb::SetMember& member) { return workload.name() + "-" + std::to_string(member.index()); };
  SetStatus status;
  status.workload = workload.name();
  status.term = record.term();
  if (record.has_primary()) status.primary = name_of(record.primary());
  for (const pb::SetMember& voter : record.voters()) status.voters.push_back(name_of(voter));
  for (const pb::SetMember& member : record.partial()) status.partial.push_back(name_of(member));
  status.copies = record.copies();
  status.since_ms = record.since_ms();
  status.message = record.message();
  return status;
}

bool is_member(const pb::SetMember& member, const pb::Replica& replica) {
  return member.index() == replica.index() && member.epoch() == replica.epoch();
}

std::string role_of(const pb::Workload& workload, const pb::Replica& replica) {
  if (!workload.has_set()) return "";
  if (workload.set().has_primary() && is_member(workload.set().primary(), replica)) return "primary";
  bool is_voter = std::ranges::any_of(workload.set().voters(),
                                      [&](const pb::SetMember& voter) { return is_member(voter, replica); });
  return is_voter ? "voter" : "copy";
}

// All its members may be well while none of them leads.
void judge_set(const pb::Workload& workload, ContractStatus& status) {
  if (!workload.has_set() || workload.set().has_primary()) return;
  if (status.condition != Condition::Ready && status.condition != Condition::Starting) return;
  status.condition = Condition::Degraded;
  status.why = workload.name() + " elects its primary";
  if (!workload.set().message().empty()) status.why += ": " + workload.set().message();
}

std::vector<PublishedPort> published_ports(const pb::ContractHeader& header, const ContractStatus& status,
                                           const std::vector<pb::Node>& nodes) {
  std::vector<PublishedPort> ports;
  for (const pb::Facets& facets : header.workloads()) {
    for (const std::string& claim : facets.claims()) {
      PublishedPort port;
      size_t slash = claim.find('/');
      if (slash == std::string::npos) continue;
      port.protocol = claim.substr(0, slash);
      port.port = static_cast<uint32_t>(std::strtoul(claim.c_str() + slash + 1, nullptr, 10));
      port.workload = facets.name();
      port.kind = facets.kind();
      for (const ReplicaStatus& replica : status.replicas) {
        const pb::Node* node = find_node(nodes, replica.node);
        if (replica.workload != facets.name() || node == nullptr) continue;
        port.where.push_back({node->name(), node->addresses().uplink(),
                              replica.ready && (replica.role.empty() || replica.role == "primary")});
      }
      ports.push_back(std::move(port));
    }
  }
  return ports;
}

std::vector<PublicName> public_names(const pb::ContractHeader& header, const ContractStatus& status,
                                     const std::vector<pb::Node>& nodes) {
  std::vector<PublicName> names;
  for (const pb::Facets& facets : header.workloads()) {
    for (const std::string& label : facets.names()) {
      PublicName name{label, facets.name(), {}};
      for (const ReplicaStatus& replica : status.replicas) {
        const pb::Node* node = find_node(nodes, replica.node);
        if (replica.workload != facets.name() || node == nullptr || !node->addresses().has_gateway()) continue;
        const pb::GatewayOffer& gateway = node->addresses().gateway();
        name.hosts.push_back({label + "." + gateway.domain(), gateway.http_port(), node->name(), replica.ready});
      }
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::string waiting_text(const pb::ContractVersion& version, const contract::ApprovalTally& tally) {
  return "version " + std::to_string(version.version()) + " has " + std::to_string(tally.weight) + " of " +
         std::to_string(tally.threshold) + " approvals";
}

void judge_replicas(ContractStatus& status) {
  const ReplicaStatus* worst = nullptr;
  bool was_ready = false;
  for (const ReplicaStatus& replica : status.replicas) {
    bool stuck = replica.state == pb::REPLICA_STUCK || (replica.node.empty() && !replica.message.empty());
    bool worst_stuck = worst != nullptr && worst->state == pb::REPLICA_STUCK;
    if (replica.ready) continue;
    if (worst == nullptr || (stuck && !worst_stuck)) worst = &replica;
    if (stuck) status.condition = Condition::Stuck;
    was_ready = was_ready || replica.epoch > 1 || replica.restarts > 0;
  }
  if (worst == nullptr) {
    status.condition = Condition::Ready;
    return;
  }
  if (status.condition != Condition::Stuck) status.condition = was_ready ? Condition::Degraded : Condition::Starting;
  status.why = worst->name() + " is " + std::string(replica_state_name(worst->state)) +
               (worst->node_name.empty() ? "" : " on " + worst->node_name) +
               (worst->message.empty() ? "" : ": " + worst->message);
}

void judge(ContractStatus& status) {
  const pb::ContractVersion& main = main_version(status.record);
  if (status.record.cancelled_ms() != 0 || status.state == pb::CONTRACT_CANCELLED) {
    status.state = pb::CONTRACT_CANCELLED;
    status.condition = Condition::Ended;
    status.why = "cancelled";
  } else if (status.state == pb::CONTRACT_ACTIVE) {
    status.condition = Condition::Starting;
    judge_replicas(status);
  } else if (status.state == pb::CONTRACT_PENDING) {
    status.condition = Condition::Waiting;
    status.why = waiting_text(main, status.approvals);
  } else {
    status.condition = Condition::Ended;
    status.why = std::string(contract_state_name(status.state)) + (main.reason().empty() ? "" : ": " + main.reason());
  }
}

}  // namespace

std::string_view condition_name(Condition condition) {
  switch (condition) {
    case Condition::Waiting: return "waiting";
    case Condition::Starting: return "starting";
    case Condition::Ready: return "ready";
    case Condition::Degraded: return "degraded";
    case Condition::Stuck: return "stuck";
    case Condition::Ended: return "ended";
  }
  return "unknown";
}

std::string_view replica_state_name(pb::ReplicaState state) {
  switch (state) {
    case pb::REPLICA_WAITING: return "waiting";
    case pb::REPLICA_ASSIGNED: return "assigned";
    case pb::REPLICA_PREPARING: return "preparing";
    case pb::REPLICA_RUNNING: return "running";
    case pb::REPLICA_HEALTHY: return "healthy";
    case pb::REPLICA_UNHEALTHY: return "unhealthy";
    case pb::REPLICA_RESTARTING: return "restarting";
    case pb::REPLICA_COMPLETED: return "completed";
    case pb::REPLICA_CANNOT_RUN: return "cannot-run";
    case pb::REPLICA_STOPPED: return "stopped";
    case pb::REPLICA_STUCK: return "stuck";
    default: return "unknown";
  }
}

std::string_view contract_state_name(pb::ContractState state) {
  switch (state) {
    case pb::CONTRACT_PENDING: return "pending";
    case pb::CONTRACT_ACTIVE: return "active";
    case pb::CONTRACT_REJECTED: return "rejected";
    case pb::CONTRACT_CANCELLED: return "cancelled";
    case pb::CONTRACT_EXPIRED: return "expired";
    default: return "unknown";
  }
}

std::string_view node_state_name(const pb::Node& node) {
  if (node.state() == pb::NODE_FENCED) return node.held() ? "fenced-held" : "fenced";
  if (node.state() == pb::NODE_ONLINE) return node.draining() ? "draining" : "online";
  return "unknown";
}

Result<ContractStatus> summarize(const pb::Contract& contract, const std::vector<pb::Workload>& workloads,
                                 const std::vector<pb::Node>& nodes) {
  ContractStatus status;
  status.record = contract;
  status.id = TRY(ContractId::from_bytes(contract.id()));
  const pb::ContractVersion& main = main_version(contract);
  status.version = main.version();
  status.state = main.state();
  pb::ContractHeader header = TRY(contract::decode_header(main.header()));
  status.has_proposal = contract.proposed().state() == pb::CONTRACT_PENDING;
  pb::ContractHeader proposed =
      status.has_proposal ? TRY(contract::decode_header(contract.proposed().header())) : header;
  status.approvals =
      contract::tally_approval(proposed, status.has_proposal ? contract.proposed().decisions() : main.decisions());
  status.acceptance = contract::tally_acceptance(header, main.decisions());
  for (const pb::Workload& workload : workloads) {
    const pb::Facets* facets = contract::find_facets(header, workload.name());
    if (facets == nullptr) continue;  // of an older version, about to go
    if (workload.has_set()) status.sets.push_back(set_status(workload));
    for (const pb::Replica& replica : workload.replicas()) {
      status.replicas.push_back(replica_status(*facets, replica, status.version, nodes));
      status.replicas.back().role = role_of(workload, replica);
      if (status.replicas.back().ready) status.ready++;
    }
  }
  for (const pb::Facets& facets : header.workloads()) status.wanted += facets.replicas();
  judge(status);
  if (status.condition == Condition::Ready && status.ready < status.wanted) status.condition = Condition::Starting;
  if (status.state == pb::CONTRACT_ACTIVE) {
    for (const pb::Workload& workload : workloads) judge_set(workload, status);
  }
  status.published = published_ports(header, status, nodes);
  status.names = public_names(header, status, nodes);
  return status;
}

Result<ContractStatus> contract_status(LedgerView& view, const pb::Contract& contract) {
  ContractId id = TRY(ContractId::from_bytes(contract.id()));
  std::vector<pb::Workload> workloads = TRY(view.workloads(id));
  std::vector<pb::Node> nodes = TRY(view.nodes());
  return summarize(contract, workloads, nodes);
}

}  // namespace mcloud::bot
