// Is this contract really what its signers approved? Asked by every node itself, of everything it runs. Pure.
#pragma once

#include <memory>
#include <string_view>

#include "base/ids.h"
#include "crypto/sign.h"
#include "mcloud/contract.pb.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::node {

// One version of a contract; only verify_contract() makes one.
class VerifiedContract {
 public:
  const ContractId& id() const { return id_; }
  const Hash& header_hash() const { return header_hash_; }
  const PublicKey& owner() const { return owner_; }
  const pb::ContractHeader& header() const { return header_; }
  const pb::ContractBody& body() const { return body_; }

 private:
  friend struct ContractVerifier;
  VerifiedContract() = default;
  ContractId id_;
  Hash header_hash_;
  PublicKey owner_;
  pb::ContractHeader header_;
  pb::ContractBody body_;
};

// `record` is the ledger's, proven by the client; its `current` version is meant. Still everything that has a
// signature or a hash is checked here: the header's form, that id, owner, nonce and version fit together, each
// recorded approval, that they reach the threshold, and that `body` is the one the header names.
// Denied, Corrupt or Invalid say what does not hold.
Result<std::shared_ptr<const VerifiedContract>> verify_contract(std::string_view chain_id, const ContractId& id,
                                                               const pb::Contract& record, BytesView body);

// The contract's secret key from the keyring that the record names; "" when the contract has no secrets.
// NotFound: this node is not among the readers; Denied: the box was made for another contract or node.
Result<Bytes> open_secret_key(std::string_view chain_id, const VerifiedContract& contract, const pb::Contract& record,
                              BytesView keyring, const crypto::SigningKey& node_key);

}  // namespace mcloud::node
