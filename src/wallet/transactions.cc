#include "wallet/transactions.h"

#include <algorithm>

#include "base/check.h"
#include "crypto/box.h"
#include "wire/canonical.h"

namespace mcloud::wallet {
namespace {

constexpr size_t kTokenNonceSize = 16;

template <typename Action>
void set_sealed(Action& action, const SealedFor& sealed) {
  std::vector<NodeId> nodes = sealed.nodes;
  std::ranges::sort(nodes);
  action.set_keyring_hash(sealed.keyring_hash);
  for (const NodeId& node : nodes) action.add_keyring_nodes(node.bytes());
}

template <typename Action>
void set_decision(Action& action, const Statement& statement) {
  action.set_contract(statement.subject.contract.bytes());
  action.set_version(statement.subject.version);
  action.set_header_hash(statement.subject.header_hash.bytes());
  action.set_signature(statement.signature);
}

}  // namespace

Bytes sign_transaction(const crypto::SigningKey& sender, std::string_view chain_id, uint64_t sequence,
                       pb::Transaction action) {
  action.set_chain_id(std::string(chain_id));
  action.set_sender(sender.public_key().bytes());
  action.set_sequence(sequence);
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_transaction(wire::encode(action));
  signed_transaction.set_signature(sender.sign(kTransactionDomain, signed_transaction.transaction()));
  return wire::encode(signed_transaction);
}

Bytes identity_proof(const crypto::SigningKey& key, std::string_view chain_id, const PublicKey& sponsor,
                     std::string_view name) {
  Bytes message(chain_id);
  message += sponsor.view();
  message += name;
  return key.sign(kIdentityDomain, message);
}

pb::Transaction register_identity(const PublicKey& key, std::string_view name, BytesView proof) {
  pb::Transaction transaction;
  auto& action = *transaction.mutable_register_identity();
  action.set_key(key.bytes());
  action.set_name(std::string(name));
  action.set_proof(Bytes(proof));
  return transaction;
}

pb::Transaction create_farm(std::string_view name, std::string_view country) {
  pb::Transaction transaction;
  transaction.mutable_create_farm()->set_name(std::string(name));
  transaction.mutable_create_farm()->set_country(std::string(country));
  return transaction;
}

pb::Transaction admit_node(const pb::SignedJoinToken& token, std::string_view name, const pb::Demand& capacity,
                           std::vector<pb::Label> labels, const pb::NodeAddresses& addresses) {
  std::ranges::sort(labels, {}, [](const pb::Label& label) { return std::pair(label.key(), label.value()); });
  pb::Transaction transaction;
  auto& action = *transaction.mutable_admit_node();
  *action.mutable_token() = token;
  action.set_name(std::string(name));
  *action.mutable_capacity() = capacity;
  for (pb::Label& label : labels) *action.add_labels() = std::move(label);
  *action.mutable_addresses() = addresses;
  return transaction;
}

pb::Transaction rejoin_node(uint64_t node_epoch, const pb::Demand& capacity, const pb::NodeAddresses& addresses) {
  pb::Transaction transaction;
  auto& action = *transaction.mutable_rejoin_node();
  action.set_node_epoch(node_epoch);
  *action.mutable_capacity() = capacity;
  *action.mutable_addresses() = addresses;
  return transaction;
}

pb::Transaction drain_node(const NodeId& node) {
  pb::Transaction transaction;
  transaction.mutable_drain_node()->set_node(node.bytes());
  return transaction;
}

pb::Transaction resume_node(const NodeId& node) {
  pb::Transaction transaction;
  transaction.mutable_resume_node()->set_node(node.bytes());
  return transaction;
}

pb::Transaction suspect(const NodeId& node, uint64_t node_epoch) {
  pb::Transaction transaction;
  transaction.mutable_suspect()->set_node(node.bytes());
  transaction.mutable_suspect()->set_node_epoch(node_epoch);
  return transaction;
}

pb::Transaction set_parameters(const pb::Parameters& parameters) {
  pb::Transaction transaction;
  *transaction.mutable_set_parameters()->mutable_parameters() = parameters;
  return transaction;
}

pb::SignedJoinToken join_token(const crypto::SigningKey& farm_owner, std::string_view chain_id, std::string_view farm,
                               uint64_t expires_ms) {
  pb::JoinToken token;
  token.set_chain_id(std::string(chain_id));
  token.set_farm(std::string(farm));
  token.set_nonce(crypto::random_bytes(kTokenNonceSize));
  token.set_expires_ms(expires_ms);
  pb::SignedJoinToken signed_token;
  signed_token.set_token(wire::encode(token));
  signed_token.set_signer(farm_owner.public_key().bytes());
  signed_token.set_signature(farm_owner.sign(kJoinTokenDomain, signed_token.token()));
  return signed_token;
}

pb::Transaction revoke_token(const pb::JoinToken& token) {
  pb::Transaction transaction;
  auto& action = *transaction.mutable_revoke_token();
  action.set_nonce(token.nonce());
  action.set_expires_ms(token.expires_ms());
  action.set_farm(token.farm());
  return transaction;
}

pb::Transaction publish_keys(pb::PublishKeys keys) {
  std::ranges::sort(*keys.mutable_keys(), {}, [](const pb::MeshKey& key) { return std::pair(key.vni(), key.slot()); });
  pb::Transaction transaction;
  *transaction.mutable_publish_keys() = std::move(keys);
  return transaction;
}

pb::Transaction join_network(const DevicePlace& place, BytesView key) {
  pb::Transaction transaction;
  auto& action = *transaction.mutable_join_network();
  action.set_contract(place.contract.bytes());
  action.set_space(place.space);
  action.set_name(place.name);
  action.set_key(Bytes(key));
  return transaction;
}

pb::Transaction leave_network(const DevicePlace& place) {
  pb::Transaction transaction;
  auto& action = *transaction.mutable_leave_network();
  action.set_contract(place.contract.bytes());
  action.set_space(place.space);
  action.set_name(place.name);
  return transaction;
}

pb::Transaction buy_name(std::string_view name) {
  pb::Transaction transaction;
  transaction.mutable_buy_name()->set_name(std::string(name));
  return transaction;
}

pb::Transaction transfer_name(std::string_view name, const PublicKey& to) {
  pb::Transaction transaction;
  transaction.mutable_transfer_name()->set_name(std::string(name));
  transaction.mutable_transfer_name()->set_to(to.bytes());
  return transaction;
}

pb::Transaction release_name(std::string_view name) {
  pb::Transaction transaction;
  transaction.mutable_release_name()->set_name(std::string(name));
  return transaction;
}

pb::Transaction submit_contract(BytesView header, const SealedFor& sealed) {
  pb::Transaction transaction;
  transaction.mutable_submit_contract()->set_header(Bytes(header));
  set_sealed(*transaction.mutable_submit_contract(), sealed);
  return transaction;
}

pb::Transaction update_contract(BytesView header, const SealedFor& sealed) {
  pb::Transaction transaction;
  transaction.mutable_update_contract()->set_header(Bytes(header));
  set_sealed(*transaction.mutable_update_contract(), sealed);
  return transaction;
}

pb::Transaction reseal(const ContractId& contract, const SealedFor& sealed) {
  pb::Transaction transaction;
  transaction.mutable_reseal()->set_contract(contract.bytes());
  set_sealed(*transaction.mutable_reseal(), sealed);
  return transaction;
}

pb::Transaction cancel_contract(const ContractId& contract, bool erase_volumes) {
  pb::Transaction transaction;
  transaction.mutable_cancel_contract()->set_contract(contract.bytes());
  transaction.mutable_cancel_contract()->set_erase_volumes(erase_volumes);
  return transaction;
}

pb::Transaction retry(const ContractId& contract, std::string_view workload) {
  pb::Transaction transaction;
  transaction.mutable_retry()->set_contract(contract.bytes());
  transaction.mutable_retry()->set_workload(std::string(workload));
  return transaction;
}

pb::Transaction decide(const Statement& statement) {
  CHECK(statement.is_signed());
  pb::Transaction transaction;
  switch (statement.decision) {
    case pb::DECISION_APPROVE: set_decision(*transaction.mutable_approve(), statement); break;
    case pb::DECISION_ACCEPT: set_decision(*transaction.mutable_accept(), statement); break;
    case pb::DECISION_REJECT:
      set_decision(*transaction.mutable_reject(), statement);
      transaction.mutable_reject()->set_reason(statement.reason);
      break;
    default: CHECK(false && "a statement decides something");
  }
  return transaction;
}

pb::Transaction report_results(const pb::ReportResults& results) {
  pb::Transaction transaction;
  *transaction.mutable_report_results() = results;
  return transaction;
}

}  // namespace mcloud::wallet
