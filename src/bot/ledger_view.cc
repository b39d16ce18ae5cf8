#include "bot/ledger_view.h"

#include <algorithm>

#include "bot/nearest.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"

namespace mcloud::bot {
namespace {

namespace keys = ledger::keys;
constexpr size_t kIdBeginningMin = 8;

// The prefix of all records whose key ends in a 32-byte id.
Bytes prefix_of(Bytes key_of_none) {
  key_of_none.resize(key_of_none.size() - Hash::kSize);
  return key_of_none;
}

template <typename Record>
Result<std::vector<Record>> list_records(ledger::Client& client, const Bytes& prefix) {
  ledger::Snapshot snapshot = TRY(client.list(prefix));
  std::vector<Record> records;
  for (const ledger::Entry& entry : snapshot.entries) {
    if (entry.value) records.push_back(TRY(wire::decode<Record>(*entry.value, prefix)));
  }
  return records;
}

template <typename Record>
Result<std::optional<Record>> find_record(ledger::Client& client, const Bytes& key) {
  ledger::Snapshot snapshot = TRY(client.get({key}));
  if (snapshot.entries.empty() || !snapshot.entries[0].value) return std::optional<Record>();
  return std::optional<Record>(TRY(wire::decode<Record>(*snapshot.entries[0].value, "record")));
}

bool is_id_beginning(std::string_view text, BytesView id) {
  return text.size() >= kIdBeginningMin && to_hex(id).starts_with(text);
}

}  // namespace

bool is_live(const pb::Contract& contract) {
  return contract.cancelled_ms() == 0 &&
         (contract.current().state() == pb::CONTRACT_ACTIVE || contract.proposed().state() == pb::CONTRACT_PENDING);
}

const pb::ContractVersion& main_version(const pb::Contract& contract) {
  return contract.has_current() ? contract.current() : contract.proposed();
}

Result<std::vector<pb::Identity>> LedgerView::identities() {
  std::vector<pb::Identity> people = TRY(list_records<pb::Identity>(client_, prefix_of(keys::identity({}))));
  std::ranges::sort(people, {}, &pb::Identity::name);
  return people;
}

Result<std::vector<pb::Farm>> LedgerView::farms() { return list_records<pb::Farm>(client_, keys::farm("")); }

Result<std::vector<pb::Node>> LedgerView::nodes() {
  std::vector<pb::Node> nodes = TRY(list_records<pb::Node>(client_, prefix_of(keys::node({}))));
  std::ranges::sort(nodes, {}, [](const pb::Node& node) { return std::pair(node.farm(), node.name()); });
  return nodes;
}

Result<std::vector<pb::Contract>> LedgerView::contracts() {
  std::vector<pb::Contract> contracts = TRY(list_records<pb::Contract>(client_, prefix_of(keys::contract({}))));
  std::ranges::sort(contracts, {},
                    [](const pb::Contract& contract) { return std::pair(contract.name(), contract.id()); });
  return contracts;
}

Result<pb::Parameters> LedgerView::parameters() {
  auto found = TRY(find_record<pb::Parameters>(client_, keys::parameters()));
  if (!found) return make_error(Code::Corrupt, "the ledger has no parameters: is it initialised?");
  return *found;
}

Result<std::vector<LedgerView::SpentToken>> LedgerView::spent_tokens() {
  constexpr size_t kNonceSize = 16;
  const Bytes empty_nonce(kNonceSize, 0);
  Bytes prefix = keys::token("", empty_nonce);  // prefix nonce "/"
  size_t nonce_at = prefix.size() - kNonceSize - 1;
  ledger::Snapshot snapshot = TRY(client_.list(BytesView(prefix).substr(0, nonce_at)));
  std::vector<SpentToken> tokens;
  for (const ledger::Entry& entry : snapshot.entries) {
    if (!entry.value || entry.value->size() != sizeof(uint64_t) || entry.key.size() <= prefix.size()) continue;
    tokens.push_back(
        {entry.key.substr(prefix.size()), entry.key.substr(nonce_at, kNonceSize), read_u64_be(*entry.value)});
  }
  return tokens;
}

Result<pb::Relays> LedgerView::relays() {
  auto found = TRY(find_record<pb::Relays>(client_, keys::relays()));
  return found ? *std::move(found) : pb::Relays();
}

Result<std::vector<pb::NamedRecord>> LedgerView::names() {
  return list_records<pb::NamedRecord>(client_, keys::name(""));
}

Result<std::optional<pb::NamedRecord>> LedgerView::find_name(std::string_view name) {
  return find_record<pb::NamedRecord>(client_, keys::name(name));
}

Result<std::optional<pb::Contract>> LedgerView::find_contract(const ContractId& id) {
  return find_record<pb::Contract>(client_, keys::contract(id));
}

Result<std::optional<pb::Contract>> LedgerView::find_contract(const PublicKey& owner, std::string_view name) {
  ledger::Snapshot snapshot = TRY(client_.get({keys::contract_name(owner, name)}));
  if (snapshot.entries.empty() || !snapshot.entries[0].value) return std::optional<pb::Contract>();
  ContractId id = TRY(ContractId::from_bytes(*snapshot.entries[0].value));
  return find_contract(id);
}

Result<std::optional<pb::Identity>> LedgerView::find_identity(const PublicKey& key) {
  return find_record<pb::Identity>(client_, keys::identity(key));
}

Result<std::map<Bytes, std::vector<pb::Workload>>> LedgerView::all_workloads() {
  Bytes prefix = keys::workloads({});
  prefix.resize(prefix.size() - Hash::kSize - 1);  // without id and '/'
  std::map<Bytes, std::vector<pb::Workload>> all;
  for (pb::Workload& workload : TRY(list_records<pb::Workload>(client_, prefix))) {
    all[workload.contract()].push_back(std::move(workload));
  }
  for (auto& [contract, workloads] : all) std::ranges::sort(workloads, {}, &pb::Workload::name);
  return all;
}

Result<std::vector<pb::Workload>> LedgerView::workloads(const ContractId& id) {
  std::vector<pb::Workload> workloads = TRY(list_records<pb::Workload>(client_, keys::workloads(id)));
  std::ranges::sort(workloads, {}, &pb::Workload::name);
  return workloads;
}

Result<PublicKey> LedgerView::key_of(std::string_view name_or_hex) {
  if (Result<PublicKey> key = PublicKey::from_hex(name_or_hex)) return key;
  ledger::Snapshot snapshot = TRY(client_.get({keys::identity_name(name_or_hex)}));
  if (!snapshot.entries.empty() && snapshot.entries[0].value) return PublicKey::from_bytes(*snapshot.entries[0].value);
  std::vector<std::string> names;
  for (const pb::Identity& identity : TRY(identities())) names.push_back(identity.name());
  return make_error(Code::NotFound, not_found("identity", name_or_hex, names));
}

Result<pb::Node> LedgerView::get_node(std::string_view reference) {
  std::vector<pb::Node> found;
  std::vector<std::string> names;
  for (const pb::Node& node : TRY(nodes())) {
    bool named = reference == node.name() || reference == node.farm() + "/" + node.name();
    if (named || is_id_beginning(reference, node.key())) found.push_back(node);
    names.push_back(node.name());
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) return make_error(Code::NotFound, not_found("node", reference, names));
  std::string choices;
  for (const pb::Node& node : found) choices += (choices.empty() ? "" : ", ") + node.farm() + "/" + node.name();
  return make_error(Code::Invalid, "\"" + std::string(reference) + "\" could be several nodes: " + choices);
}

Result<pb::Contract> LedgerView::get_contract(std::string_view reference, const PublicKey& mine) {
  std::vector<pb::Contract> all = TRY(contracts());
  std::vector<const pb::Contract*> found;
  std::vector<std::string> names;
  for (const pb::Contract& contract : all) {
    if (reference == contract.name() || is_id_beginning(reference, contract.id())) found.push_back(&contract);
    names.push_back(contract.name());
  }
  if (found.empty()) return make_error(Code::NotFound, not_found("contract", reference, names));
  auto keep = [&](auto&& wanted) {
    if (std::ranges::any_of(found, wanted)) std::erase_if(found, [&](const pb::Contract* one) { return !wanted(one); });
  };
  keep([&](const pb::Contract* contract) { return is_live(*contract); });
  keep([&](const pb::Contract* contract) { return contract->owner() == mine.view(); });
  if (found.size() == 1) return *found[0];
  // Ended ones of one name: the last that ended is meant.
  if (!is_live(*found[0])) return **std::ranges::max_element(found, {}, &pb::Contract::cancelled_ms);
  std::string choices;
  for (const pb::Contract* contract : found) {
    choices += (choices.empty() ? "" : ", ") + to_hex(contract->id()).substr(0, kIdBeginningMin);
  }
  return make_error(Code::Invalid, "\"" + std::string(reference) + "\" could be several contracts: " + choices);
}

Status LedgerView::load_names() {
  if (names_loaded_) return {};
  for (const pb::Identity& identity : TRY(identities())) people_[identity.key()] = identity.name();
  for (const pb::Node& node : TRY(nodes())) node_names_[node.key()] = node.name();
  names_loaded_ = true;
  return {};
}

std::string LedgerView::name_of(const PublicKey& key) {
  (void)load_names();
  auto found = people_.find(key.bytes());
  return found == people_.end() ? key.short_hex() : found->second;
}

std::string LedgerView::node_name(BytesView node) {
  if (node.empty()) return "";
  (void)load_names();
  auto found = node_names_.find(Bytes(node));
  if (found == node_names_.end()) {
    names_loaded_ = false;  // one that joined since
    (void)load_names();
    found = node_names_.find(Bytes(node));
  }
  return found == node_names_.end() ? to_hex(node.substr(0, 4)) : found->second;
}

}  // namespace mcloud::bot
