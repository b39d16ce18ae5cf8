// What a reading leaves on disk, for an agent that starts while the ledger is away.
#include "base/log.h"
#include "io/file.h"
#include "node/ledger_reader.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kMemoryBytesMax = 64 << 20;

}  // namespace

void LedgerReader::remember(const LedgerView& view) const {
  pb::LocalMemory memory;
  memory.set_chain_id(view.chain_id);
  *memory.mutable_parameters() = view.parameters;
  *memory.mutable_node() = view.node;
  *memory.mutable_assignment() = view.assignment;
  for (const auto& [id, contract] : view.contracts) {
    pb::LocalMemoryContract& added = *memory.add_contracts();
    *added.mutable_record() = contract.record;
    for (const auto& [name, workload] : contract.workloads) *added.add_workloads() = workload;
    added.set_keyring(contract.keyring);
  }
  for (const auto& [id, node] : view.nodes) *memory.add_nodes() = node;
  *memory.mutable_relays() = view.relays;
  for (const NodeId& guest : view.guests) memory.add_guests(guest.bytes());
  Status saved = io::write_file(options_.memory_file, wire::encode(memory), io::Durability::None, 0600);
  if (!saved.has_value()) log::warning("node", "the reading is not kept", {{"reason", saved.error().message}});
}

Result<LedgerView> LedgerReader::recall() {
  Bytes bytes = TRY(io::read_file(options_.memory_file, kMemoryBytesMax));
  auto memory = TRY(wire::decode<pb::LocalMemory>(bytes, "memory", kMemoryBytesMax));
  if (memory.chain_id() != client_.trust().chain_id)
    return make_error(Code::NotFound, "the memory is of another chain");
  LedgerView view{.chain_id = memory.chain_id(),
                  .node_id = key_.public_key(),
                  .parameters = memory.parameters(),
                  .node = memory.node(),
                  .assignment = memory.assignment()};
  view.relays = memory.relays();
  for (const Bytes& guest : memory.guests()) view.guests.push_back(TRY(NodeId::from_bytes(guest)));
  for (const pb::Node& node : memory.nodes()) view.nodes[TRY(NodeId::from_bytes(node.key()))] = node;
  for (const pb::LocalMemoryContract& remembered : memory.contracts()) {
    ContractId id = TRY(ContractId::from_bytes(remembered.record().id()));
    for (const pb::AssignedContract& assigned : view.assignment.contracts()) {
      if (assigned.contract() != id.view()) continue;
      auto contract = recall_contract(assigned, remembered);
      if (contract.has_value()) view.contracts[id] = std::move(*contract);
    }
  }
  return view;
}

Result<ContractView> LedgerReader::recall_contract(const pb::AssignedContract& assigned,
                                                   const pb::LocalMemoryContract& remembered) {
  ContractId id = TRY(ContractId::from_bytes(remembered.record().id()));
  ContractView view{.record = remembered.record()};
  for (const pb::Workload& workload : remembered.workloads()) view.workloads[workload.name()] = workload;
  for (const pb::AssignedReplica& replica : assigned.replicas()) {
    auto version = load_older(id, replica.version());
    if (version.has_value()) view.versions[replica.version()] = *version;
  }
  if (view.versions.empty() || remembered.keyring().empty()) return view;
  view.secret_key = TRY(open_secret_key(client_.trust().chain_id, *view.versions.rbegin()->second, view.record,
                                        remembered.keyring(), key_));
  view.keyring = remembered.keyring();
  return view;
}

// Forgets versions that nothing here is to run.
void LedgerReader::sweep_evidence() {
  std::set<std::string> keep;
  for (const pb::AssignedContract& assigned : top_.assignment.contracts()) {
    auto id = ContractId::from_bytes(assigned.contract());
    if (!id.has_value()) continue;
    auto known = known_.find(*id);
    if (known != known_.end() && known->second.view) {
      keep.insert(id->hex() + "-" + std::to_string(known->second.view->record.current().version()));
    }
    for (const pb::AssignedReplica& replica : assigned.replicas()) {
      keep.insert(id->hex() + "-" + std::to_string(replica.version()));
    }
  }
  std::erase_if(verified_, [&](const auto& entry) {
    return !keep.contains(entry.first.first.hex() + "-" + std::to_string(entry.first.second));
  });
  auto names = io::list_folder(options_.evidence_folder);
  if (!names.has_value()) return;
  for (const std::string& name : *names) {
    if (keep.contains(name)) continue;
    Status removed = io::remove_tree(options_.evidence_folder + "/" + name);
    if (!removed.has_value()) log::warning("node", "old evidence stays", {{"reason", removed.error().message}});
  }
}

}  // namespace mcloud::node
