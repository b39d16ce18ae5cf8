#include "node/ledger_reader.h"

#include <set>

#include "base/log.h"
#include "contract/header.h"
#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/state/keys.h"
#include "node/life.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kRecordBytesMax = 16 << 20;
constexpr size_t kEvidenceBytesMax = 32 << 20;
constexpr size_t kMemoryBytesMax = 64 << 20;
constexpr size_t kKeysAtOnce = 100;

// Whatever keeps an answer from us, a server that lies included, says nothing about the contract: it may heal.
Error as_passing(const Error& error) { return make_error(Code::Unavailable, error.message); }

// The values of exactly these keys, in their order.
Result<std::vector<std::optional<Bytes>>> get_values(ledger::Client& client, const std::vector<Bytes>& keys) {
  std::vector<std::optional<Bytes>> values;
  for (size_t first = 0; first < keys.size(); first += kKeysAtOnce) {
    std::vector<Bytes> some(keys.begin() + static_cast<long>(first),
                            keys.begin() + static_cast<long>(std::min(keys.size(), first + kKeysAtOnce)));
    Result<ledger::Snapshot> snapshot = client.get(some);
    if (!snapshot.has_value()) return as_passing(snapshot.error());
    if (snapshot->entries.size() != some.size())
      return make_error(Code::Unavailable, "the ledger did not answer what was asked");
    for (size_t i = 0; i < some.size(); ++i) {
      if (snapshot->entries[i].key != some[i])
        return make_error(Code::Unavailable, "the ledger did not answer what was asked");
      values.push_back(std::move(snapshot->entries[i].value));
    }
  }
  return values;
}

Result<Bytes> get_blob(ledger::Client& client, const Hash& hash, std::string_view what) {
  Result<Bytes> blob = client.get_blob(hash);
  if (!blob.has_value()) return as_passing(blob.error()).with_context(what);
  return blob;
}

}  // namespace

Result<LedgerReader::Reading> LedgerReader::read() {
  fresh_.clear();
  Bytes before = top_bytes_;
  TRY(read_top());
  bool has_changed = before != top_bytes_;
  std::set<ContractId> assigned_now;
  Reading reading{.head = head_, .is_complete = true};
  for (const pb::AssignedContract& assigned : top_.assignment.contracts()) {
    ContractId id = TRY(ContractId::from_bytes(assigned.contract()));
    assigned_now.insert(id);
    Known& known = known_[id];
    if (known.revision != assigned.revision() || !known.is_settled) {
      read_contract(assigned, id);
      has_changed = true;
    }
    reading.is_complete = reading.is_complete && known.is_settled;
  }
  if (!has_changed) return reading;
  std::erase_if(known_, [&](const auto& entry) { return !assigned_now.contains(entry.first); });
  reading.fresh = fresh_;
  LedgerView view = top_;
  for (const auto& [id, known] : known_) {
    if (known.view) view.contracts[id] = *known.view;
    if (known.refusal) view.refused.emplace(id, *known.refusal);
  }
  view.nodes = nodes_;
  if (reading.is_complete) {
    forget_nodes(view);
    remember(view);
    sweep_evidence();
  }
  reading.view = std::move(view);
  return reading;
}

// Those that no contract here has anything to do with any more.
void LedgerReader::forget_nodes(LedgerView& view) {
  std::set<NodeId> keep;
  for (const auto& [id, contract] : view.contracts) {
    for (const auto& [name, workload] : contract.workloads) {
      for (const pb::Replica& replica : workload.replicas()) {
        if (auto node = NodeId::from_bytes(replica.node()); node.has_value()) keep.insert(*node);
      }
    }
  }
  std::erase_if(nodes_, [&](const auto& entry) { return !keep.contains(entry.first); });
  view.nodes = nodes_;
}

// What everything else follows from, of one height.
Status LedgerReader::read_top() {
  const NodeId& self = key_.public_key();
  std::vector<Bytes> keys = {ledger::keys::parameters(), ledger::keys::node(self), ledger::keys::assignment(self)};
  ledger::Snapshot snapshot = TRY(client_.get(keys));
  if (snapshot.entries.size() != 3) return make_error(Code::Corrupt, "the ledger did not answer what was asked");
  for (size_t i = 0; i < 3; ++i) {
    if (snapshot.entries[i].key != keys[i])
      return make_error(Code::Corrupt, "the ledger did not answer what was asked");
  }
  if (!snapshot.entries[0].value) return make_error(Code::Corrupt, "the ledger has no parameters");
  if (!snapshot.entries[1].value) return make_error(Code::NotFound, "node " + self.hex() + " is not on the ledger");
  LedgerView top{.chain_id = client_.trust().chain_id, .node_id = self};
  top.parameters = TRY(wire::decode<pb::Parameters>(*snapshot.entries[0].value, "parameters", kRecordBytesMax));
  top.node = TRY(wire::decode<pb::Node>(*snapshot.entries[1].value, "node record", kRecordBytesMax));
  if (snapshot.entries[2].value) {
    top.assignment = TRY(wire::decode<pb::Assignment>(*snapshot.entries[2].value, "assignment", kRecordBytesMax));
  }
  head_ = snapshot.head;
  top_ = std::move(top);
  // Only what orders are made of: the rest of the node's record changes with every placement.
  pb::Node relevant = top_.node;
  relevant.clear_used();
  relevant.clear_claims();
  relevant.clear_suspected_by();
  top_bytes_ = *snapshot.entries[0].value + wire::encode(relevant) + snapshot.entries[2].value.value_or("");
  return {};
}

void LedgerReader::read_contract(const pb::AssignedContract& assigned, const ContractId& id) {
  Known& known = known_[id];
  Result<ContractView> view = load_view(assigned, id);
  known.revision = assigned.revision();
  known.refusal.reset();
  if (view.has_value()) {
    known.view = std::move(*view);
    known.is_settled = true;
    fresh_.insert(id);
    return;
  }
  // What may heal is asked for again, what was refused only when the ledger says something new. Until it heals, what
  // was known is still what its signers approved: build_orders() takes of it what the new assignment still says.
  known.is_settled = is_final(view.error().code);
  if (known.is_settled) known.view.reset();
  if (!known.view) known.refusal = view.error();
  log::warning("node", "contract is not run as it stands",
               {{"contract", id.short_hex()}, {"reason", view.error().message}});
}

Result<ContractView> LedgerReader::load_view(const pb::AssignedContract& assigned, const ContractId& id) {
  ContractView view;
  auto values = TRY(get_values(client_, {ledger::keys::contract(id)}));
  if (!values[0]) return make_error(Code::Unavailable, "the ledger has no record of it");
  view.record = TRY(wire::decode<pb::Contract>(*values[0], "contract record", kRecordBytesMax));
  if (assigned.replicas().empty()) return view;  // only to be forgotten
  std::shared_ptr<const VerifiedContract> current = TRY(load_current(id, view.record));
  std::set<uint64_t> versions;
  for (const pb::AssignedReplica& replica : assigned.replicas()) versions.insert(replica.version());
  for (uint64_t version : versions) {
    if (version == current->header().version()) {
      view.versions[version] = current;
    } else if (auto older = load_older(id, version); older.has_value()) {
      view.versions[version] = *older;
    }
  }
  TRY(load_workloads(id, view));
  TRY(load_nodes(view));
  if (current->header().sealed_secrets()) {
    Hash hash = TRY(Hash::from_bytes(view.record.keyring_hash()));
    view.keyring = TRY(get_blob(client_, hash, "keyring"));
    view.secret_key =
        TRY(open_secret_key(top_.chain_id, *current, view.record, view.keyring, key_).with_context("secrets"));
  }
  return view;
}

Result<std::shared_ptr<const VerifiedContract>> LedgerReader::load_current(const ContractId& id,
                                                                           const pb::Contract& record) {
  uint64_t version = record.current().version();
  auto known = verified_.find({id, version});
  // Signatures and body were checked for exactly this header; whether it is active may have changed.
  if (known != verified_.end() && known->second->header_hash().view() == record.current().header_hash() &&
      record.current().state() == pb::CONTRACT_ACTIVE) {
    return known->second;
  }
  pb::ContractHeader header = TRY(contract::decode_header(record.current().header()));
  Hash body_hash = TRY(Hash::from_bytes(header.body_hash()));
  std::optional<Bytes> body = stored_body(id, record, body_hash);
  bool is_stored = body.has_value();
  if (!is_stored) body = TRY(get_blob(client_, body_hash, "body"));
  auto verified = TRY(verify_contract(top_.chain_id, id, record, *body));
  verified_[{id, version}] = verified;
  if (is_stored) return verified;
  pb::LocalEvidence evidence;
  evidence.set_contract_record(wire::encode(record));
  evidence.set_body(*body);
  Status saved = io::write_file(evidence_file(id, version), wire::encode(evidence), io::Durability::None, 0600);
  if (!saved.has_value()) log::warning("node", "evidence is not kept", {{"reason", saved.error().message}});
  return verified;
}

// Approved once, replaced on the ledger since, still to be run by some replicas.
Result<std::shared_ptr<const VerifiedContract>> LedgerReader::load_older(const ContractId& id, uint64_t version) {
  auto known = verified_.find({id, version});
  if (known != verified_.end()) return known->second;
  Bytes bytes = TRY(io::read_file(evidence_file(id, version), kEvidenceBytesMax));
  auto evidence = TRY(wire::decode<pb::LocalEvidence>(bytes, "evidence", kEvidenceBytesMax));
  auto record = TRY(wire::decode<pb::Contract>(evidence.contract_record(), "contract record", kRecordBytesMax));
  auto verified = TRY(verify_contract(client_.trust().chain_id, id, record, evidence.body()));
  if (verified->header().version() != version) return make_error(Code::Corrupt, "evidence of another version");
  verified_[{id, version}] = verified;
  return verified;
}

std::optional<Bytes> LedgerReader::stored_body(const ContractId& id, const pb::Contract& record,
                                               const Hash& body_hash) const {
  auto bytes = io::read_file(evidence_file(id, record.current().version()), kEvidenceBytesMax);
  if (!bytes.has_value()) return std::nullopt;
  auto evidence = wire::decode<pb::LocalEvidence>(*bytes, "evidence", kEvidenceBytesMax);
  if (!evidence.has_value() || crypto::blake2b(evidence->body()) != body_hash) return std::nullopt;
  return evidence->body();
}

Status LedgerReader::load_workloads(const ContractId& id, ContractView& view) {
  pb::ContractHeader header = TRY(contract::decode_header(view.record.current().header()));
  std::set<std::string> names;
  for (const pb::Facets& facets : header.workloads()) {
    if (facets.replicas() > 0) names.insert(facets.name());
  }
  for (const auto& [version, contract] : view.versions) {
    for (const pb::Facets& facets : contract->header().workloads()) {
      if (facets.replicas() > 0) names.insert(facets.name());
    }
  }
  std::vector<Bytes> keys;
  for (const std::string& name : names) keys.push_back(ledger::keys::workload(id, name));
  auto values = TRY(get_values(client_, keys));
  size_t i = 0;
  for (const std::string& name : names) {
    const std::optional<Bytes>& value = values[i++];
    if (value) view.workloads[name] = TRY(wire::decode<pb::Workload>(*value, "workload record", kRecordBytesMax));
  }
  return {};
}

Status LedgerReader::load_nodes(const ContractView& view) {
  std::set<NodeId> ids;
  for (const auto& [name, workload] : view.workloads) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (replica.node().empty() || replica.node() == key_.public_key().view()) continue;
      ids.insert(TRY(NodeId::from_bytes(replica.node())));
    }
  }
  std::vector<Bytes> keys;
  for (const NodeId& id : ids) keys.push_back(ledger::keys::node(id));
  auto values = TRY(get_values(client_, keys));
  size_t i = 0;
  for (const NodeId& id : ids) {
    const std::optional<Bytes>& value = values[i++];
    if (value) nodes_[id] = TRY(wire::decode<pb::Node>(*value, "node record", kRecordBytesMax));
  }
  return {};
}

std::string LedgerReader::evidence_file(const ContractId& id, uint64_t version) const {
  return options_.evidence_folder + "/" + id.hex() + "-" + std::to_string(version);
}

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
