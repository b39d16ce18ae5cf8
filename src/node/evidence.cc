#include "node/evidence.h"

#include "contract/approval.h"
#include "contract/header.h"
#include "contract/secrets.h"
#include "crypto/hash.h"

namespace mcloud::node {

struct ContractVerifier {
  static Status check_identity(const ContractId& id, const pb::Contract& record, VerifiedContract& contract) {
    const pb::ContractVersion& current = record.current();
    if (current.state() != pb::CONTRACT_ACTIVE) return make_error(Code::Denied, "the contract is not active");
    if (record.id() != id.view()) return make_error(Code::Denied, "the record is of another contract");
    contract.header_hash_ = contract::header_hash(current.header());
    if (current.header_hash() != contract.header_hash_.view()) {
      return make_error(Code::Corrupt, "the header does not have the hash the ledger recorded");
    }
    contract.header_ = TRY(contract::decode_header(current.header()));
    contract.id_ = contract::contract_id(contract.header_);
    contract.owner_ = TRY(PublicKey::from_bytes(contract.header_.owner()));
    if (contract.id_ != id) return make_error(Code::Denied, "owner and nonce of the header are another contract's");
    if (contract.header_.owner() != record.owner()) return make_error(Code::Denied, "the header has another owner");
    if (contract.header_.version() != current.version()) {
      return make_error(Code::Denied, "the header is of version " + std::to_string(contract.header_.version()) +
                                          " instead of " + std::to_string(current.version()));
    }
    return {};
  }

  static Status check_approvals(std::string_view chain_id, const pb::Contract& record, const VerifiedContract& contract) {
    const pb::ContractVersion& current = record.current();
    auto subject = contract::approval_subject(chain_id, contract.header_, current.header());
    TRY(contract::verify_decisions(contract.header_, subject, current.decisions()));
    contract::ApprovalTally tally = contract::tally_approval(contract.header_, current.decisions());
    if (!tally.reached) {
      return make_error(Code::Denied, "approvals weigh " + std::to_string(tally.weight) + " of " +
                                          std::to_string(tally.threshold) + ", required signers missing: " +
                                          std::to_string(tally.missing_required.size()));
    }
    return {};
  }

  static Result<std::shared_ptr<const VerifiedContract>> verify(std::string_view chain_id, const ContractId& id,
                                                                const pb::Contract& record, BytesView body) {
    VerifiedContract contract;
    TRY(check_identity(id, record, contract));
    TRY(check_approvals(chain_id, record, contract));
    contract.body_ = TRY(contract::decode_body(contract.header_, body));
    if (contract.body_.nonce() != contract.header_.nonce()) {
      return make_error(Code::Denied, "the body belongs to another contract");
    }
    return std::make_shared<const VerifiedContract>(std::move(contract));
  }
};

Result<std::shared_ptr<const VerifiedContract>> verify_contract(std::string_view chain_id, const ContractId& id,
                                                               const pb::Contract& record, BytesView body) {
  return ContractVerifier::verify(chain_id, id, record, body);
}

Result<Bytes> open_secret_key(std::string_view chain_id, const VerifiedContract& contract, const pb::Contract& record,
                              BytesView keyring, const crypto::SigningKey& node_key) {
  if (!contract.header().sealed_secrets()) return Bytes();
  if (crypto::blake2b(keyring).view() != record.keyring_hash()) {
    return make_error(Code::Corrupt, "the keyring does not have the hash the ledger recorded");
  }
  pb::Keyring decoded = TRY(contract::decode_keyring(keyring));
  if (decoded.contract() != contract.id().view()) return make_error(Code::Denied, "the keyring is another contract's");
  return contract::open_keyring(contract::secret_scope(chain_id, contract.header()), decoded, node_key);
}

}  // namespace mcloud::node
