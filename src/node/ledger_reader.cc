#include "node/ledger_reader.h"

#include <set>

#include "base/log.h"
#include "contract/header.h"
#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/state/keys.h"
#include "node/life.h"
#include "node/mesh_facts.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kRecordBytesMax = 16 << 20;
constexpr size_t kEvidenceBytesMax = 32 << 20;
constexpr size_t kKeysAtOnce = 100;
constexpr size_t kGuestsMax = 4096;

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
  TRY(read_top());
  TRY(read_meeting_points());
  bool has_changed = told_bytes_ != top_bytes_;
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
  told_bytes_ = top_bytes_;
  reading.view = std::move(view);
  return reading;
}

// Those that no contract here has anything to do with any more.
void LedgerReader::forget_nodes(LedgerView& view) {
  std::set<NodeId> keep(top_.guests.begin(), top_.guests.end());
  for (const Bytes& relay : top_.relays.nodes()) {
    if (auto node = NodeId::from_bytes(relay); node.has_value()) keep.insert(*node);
  }
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

// Where hidden nodes meet; of interest to them and to who lets them meet. Each of the two lists has a revision, so that
// nobody reads either while nothing there has changed.
Status LedgerReader::read_meeting_points() {
  Bytes relays = wire::encode(top_.relays);
  if (relays != relays_bytes_) {
    std::set<NodeId> ids;
    for (const Bytes& relay : top_.relays.nodes()) ids.insert(TRY(NodeId::from_bytes(relay)));
    ids.erase(key_.public_key());
    TRY(load_some_nodes(ids));
    relays_bytes_ = std::move(relays);
  }
  if (!top_.node.addresses().relay()) {
    guests_.clear();
    guests_bytes_.clear();
    guests_read_ = 0;
    return {};
  }
  if (guests_read_ != guests_revision_) TRY(read_guests());
  for (const auto& [id, height] : guests_) top_.guests.push_back(id);
  top_bytes_ += guests_bytes_;
  return {};
}

// Of the hidden nodes only those that have published something since.
Status LedgerReader::read_guests() {
  ledger::Snapshot all = TRY(client_.list(ledger::keys::guests()));
  std::map<NodeId, uint64_t> guests;
  std::set<NodeId> fresh;
  for (const ledger::Entry& entry : all.entries) {
    if (!entry.value || guests.size() >= kGuestsMax) continue;
    NodeId id = TRY(NodeId::from_bytes(BytesView(entry.key).substr(ledger::keys::guests().size())));
    if (entry.value->size() != 8) return make_error(Code::Corrupt, "a guest's height has 8 bytes");
    uint64_t height = read_u64_be(*entry.value);
    guests[id] = height;
    auto known = guests_.find(id);
    if (known == guests_.end() || known->second != height) fresh.insert(id);
  }
  TRY(load_some_nodes(fresh));
  std::erase_if(guests, [&](const auto& guest) { return !nodes_.contains(guest.first); });
  guests_bytes_.clear();
  for (const auto& [id, height] : guests) guests_bytes_ += wire::encode(relevant_node(nodes_.at(id), {0}));
  guests_ = std::move(guests);
  guests_read_ = guests_revision_;
  return {};
}

// What everything else follows from, of one height.
Status LedgerReader::read_top() {
  const NodeId& self = key_.public_key();
  std::vector<Bytes> keys = {ledger::keys::parameters(), ledger::keys::node(self), ledger::keys::assignment(self),
                             ledger::keys::relays(), ledger::keys::guests_revision()};
  ledger::Snapshot snapshot = TRY(client_.get(keys));
  if (snapshot.entries.size() != keys.size()) return make_error(Code::Corrupt, "the ledger did not answer what was asked");
  for (size_t i = 0; i < keys.size(); ++i) {
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
  if (snapshot.entries[3].value && meets_at_relays(top.node))
    top.relays = TRY(wire::decode<pb::Relays>(*snapshot.entries[3].value, "relays", kRecordBytesMax));
  const std::optional<Bytes>& guests = snapshot.entries[4].value;
  if (guests && guests->size() != 8) return make_error(Code::Corrupt, "a revision has 8 bytes");
  guests_revision_ = guests ? read_u64_be(*guests) : 0;
  head_ = snapshot.head;
  top_ = std::move(top);
  // Only what orders are made of: the rest of the node's record changes with every placement.
  pb::Node relevant = top_.node;
  relevant.clear_used();
  relevant.clear_claims();
  relevant.clear_suspected_by();
  top_bytes_ = *snapshot.entries[0].value + wire::encode(relevant) + snapshot.entries[2].value.value_or("") + wire::encode(top_.relays);
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
  return load_some_nodes(ids);
}

Status LedgerReader::load_some_nodes(const std::set<NodeId>& ids) {
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

}  // namespace mcloud::node
