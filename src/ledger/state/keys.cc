#include "ledger/state/keys.h"

namespace mcloud::ledger::keys {
namespace {

Bytes join(std::string_view word, BytesView rest) {
  Bytes key;
  key.reserve(word.size() + rest.size());
  key.append(word).append(rest);
  return key;
}

Bytes with_number(std::string_view word, uint64_t number, BytesView rest = {}) {
  Bytes key(word);
  append_u64_be(key, number);
  key.append(rest);
  return key;
}

}  // namespace

Bytes parameters() { return "parameters"; }
Bytes validators() { return "validators"; }
Bytes identity(const PublicKey& key) { return join("identity/", key.view()); }
Bytes identity_name(std::string_view name) { return join("identity-name/", name); }
Bytes sequence(const PublicKey& sender) { return join("sequence/", sender.view()); }
Bytes farm(std::string_view name) { return join("farm/", name); }
Bytes node(const NodeId& node) { return join("node/", node.view()); }
Bytes node_name(std::string_view farm, std::string_view name) {
  return join("node-name/", farm).append("/").append(name);
}
Bytes contract(const ContractId& contract) { return join("contract/", contract.view()); }
Bytes contract_name(const PublicKey& owner, std::string_view name) {
  return join("contract-name/", owner.view()).append("/").append(name);
}
Bytes workloads(const ContractId& contract) { return join("workload/", contract.view()).append("/"); }
Bytes workload(const ContractId& contract, std::string_view name) { return workloads(contract).append(name); }
Bytes assignment(const NodeId& node) { return join("assignment/", node.view()); }

Bytes relays() { return "relays"; }
Bytes guest(const NodeId& node) { return join(guests(), node.view()); }
Bytes guests() { return "guest/"; }
Bytes guests_revision() { return "guests-revision"; }
Bytes name(std::string_view name) { return join("name/", name); }
Bytes names_of(const PublicKey& owner) { return join("name-of/", owner.view()).append("/"); }
Bytes name_of(const PublicKey& owner, std::string_view name) { return names_of(owner).append(name); }

Bytes headers(const ContractId& contract) { return join("header/", contract.view()); }
Bytes header(const ContractId& contract, uint64_t version) {
  Bytes key = headers(contract);
  append_u64_be(key, version);
  return key;
}

Bytes token(std::string_view farm, BytesView nonce) { return join("token/", nonce).append("/").append(farm); }
Bytes token_expiries() { return "token-expiry/"; }
Bytes token_expiry(uint64_t expires_ms, BytesView token_key) {
  return with_number(token_expiries(), expires_ms, token_key);
}

Bytes dues() { return "due/"; }
Bytes due(uint64_t time_ms, Due kind, BytesView id) {
  Bytes key = with_number(dues(), time_ms);
  key.push_back(static_cast<char>(kind));
  key.append(id);
  return key;
}

Bytes dirties() { return "dirty/"; }
Bytes dirty(const ContractId& contract) { return join("dirty/", contract.view()); }

Bytes waitings() { return "waiting/"; }
Bytes waiting(uint64_t generation, const ContractId& contract) {
  return with_number("waiting/", generation, contract.view());
}
Bytes waiting_at(const ContractId& contract) { return join("waiting-at/", contract.view()); }
Bytes waiting_generation() { return "waiting-generation"; }

Bytes unsettled(const NodeId& node) { return join("unsettled/", node.view()); }
Bytes suspicions(const NodeId& node) { return join("suspicion/", node.view()); }
Bytes suspicion(const NodeId& node, BytesView validator) { return suspicions(node).append(validator); }
Bytes reported(const NodeId& node) { return join("reported/", node.view()); }
Bytes crowds() { return "crowd/"; }
Bytes crowd(const NodeId& node) { return join("crowd/", node.view()); }
Bytes kept_of(const ContractId& contract) { return join("kept/", contract.view()); }
Bytes kept(const ContractId& contract, const NodeId& node) { return kept_of(contract).append(node.view()); }
Bytes epoch_floors(const ContractId& contract) { return join("epoch-floor/", contract.view()).append("/"); }
Bytes epoch_floor(const ContractId& contract, std::string_view workload) {
  return epoch_floors(contract).append(workload);
}
Bytes vni(uint32_t number) {
  Bytes key = "vni/";
  append_u32_be(key, number);
  return key;
}
Bytes next_vni() { return "next-vni"; }
Bytes node_number(uint32_t number) {
  Bytes key = "node-number/";
  append_u32_be(key, number);
  return key;
}
Bytes next_node_number() { return "next-node-number"; }
Bytes mesh_key(BytesView key) { return join("mesh-key/", key); }
Bytes published(const NodeId& node) { return join("published/", node.view()); }
Bytes name_count(const PublicKey& key) { return join("name-count/", key.view()); }

}  // namespace mcloud::ledger::keys
