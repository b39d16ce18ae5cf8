// Transactions for the ledger: one builder for each action, and the signature over all of them.
//
// A builder fills the action only; sign_transaction() adds chain, sender and sequence. Pure. Whether the ledger
// takes it is the ledger's word: nothing is checked here twice.
#pragma once

#include <string>
#include <vector>

#include "crypto/sign.h"
#include "mcloud/ledger.pb.h"
#include "wallet/statement.h"

namespace mcloud::wallet {

// Domains of signatures (crypto/sign.h).
inline constexpr std::string_view kTransactionDomain = "mcloud/transaction";
inline constexpr std::string_view kIdentityDomain = "mcloud/identity";
inline constexpr std::string_view kJoinTokenDomain = "mcloud/join-token";

// SignedTransaction bytes. `sequence` is the sender's next one.
Bytes sign_transaction(const crypto::SigningKey& sender, std::string_view chain_id, uint64_t sequence,
                       pb::Transaction action);

// ---- people, farms, nodes ----
// The new key's word that it wants this name from this sponsor; made where the new key is, carried to the sponsor.
Bytes identity_proof(const crypto::SigningKey& key, std::string_view chain_id, const PublicKey& sponsor,
                     std::string_view name);
pb::Transaction register_identity(const PublicKey& key, std::string_view name, BytesView proof);
pb::Transaction create_farm(std::string_view name, std::string_view country);
pb::Transaction admit_node(const pb::SignedJoinToken& token, std::string_view name, const pb::Demand& capacity,
                           std::vector<pb::Label> labels, const pb::NodeAddresses& addresses);
pb::Transaction rejoin_node(uint64_t node_epoch, const pb::Demand& capacity, const pb::NodeAddresses& addresses);
pb::Transaction drain_node(const NodeId& node);
pb::Transaction resume_node(const NodeId& node);
pb::Transaction suspect(const NodeId& node, uint64_t node_epoch);
pb::Transaction set_parameters(const pb::Parameters& parameters);

// A one-use permission to join `farm`, with a random nonce; no transaction: it is carried to the node.
pb::SignedJoinToken join_token(const crypto::SigningKey& farm_owner, std::string_view chain_id, std::string_view farm,
                               uint64_t expires_ms);
pb::Transaction revoke_token(const pb::JoinToken& token);

// ---- contracts ----
struct SealedFor {  // who can open the contract's secrets; empty when it has none
  Bytes keyring_hash;
  std::vector<NodeId> nodes;
};
pb::Transaction submit_contract(BytesView header, const SealedFor& sealed);
pb::Transaction update_contract(BytesView header, const SealedFor& sealed);
pb::Transaction reseal(const ContractId& contract, const SealedFor& sealed);
pb::Transaction cancel_contract(const ContractId& contract, bool erase_volumes);
pb::Transaction retry(const ContractId& contract, std::string_view workload);
// Approve, reject or accept, as the statement says. It is signed; its signer sends it.
pb::Transaction decide(const Statement& statement);

// ---- networks and names ----
pb::Transaction publish_keys(pb::PublishKeys keys);  // sorted here
struct DevicePlace {
  ContractId contract;
  std::string space;
  std::string name;  // of the device
};
pb::Transaction join_network(const DevicePlace& place, BytesView key);
pb::Transaction leave_network(const DevicePlace& place);
pb::Transaction buy_name(std::string_view name);
pb::Transaction transfer_name(std::string_view name, const PublicKey& to);
pb::Transaction release_name(std::string_view name);

pb::Transaction report_results(const pb::ReportResults& results);

}  // namespace mcloud::wallet
