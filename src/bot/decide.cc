#include "bot/decide.h"

#include <algorithm>

#include "contract/header.h"
#include "wallet/transactions.h"

namespace mcloud::bot {
namespace {

const pb::ContractVersion& version_for(const pb::Contract& contract, pb::Decision decision) {
  return decision == pb::DECISION_ACCEPT ? contract.current() : contract.proposed();
}

// A decision is final: approvals and rejections are one round, acceptance another.
bool has_decided(const pb::ContractVersion& version, const PublicKey& key, pb::Decision decision) {
  return std::ranges::any_of(version.decisions(), [&](const pb::RecordedDecision& recorded) {
    bool same_round = (recorded.decision() == pb::DECISION_ACCEPT) == (decision == pb::DECISION_ACCEPT);
    return same_round && recorded.signer() == key.view();
  });
}

// Would this one more decide it? Then further signatures would come too late and be refused.
bool settles(const pb::ContractHeader& header, contract::Decisions& decisions, const PublicKey& signer,
             pb::Decision decision) {
  pb::RecordedDecision& added = *decisions.Add();
  added.set_signer(signer.bytes());
  added.set_decision(decision);
  if (decision == pb::DECISION_ACCEPT) return contract::tally_acceptance(header, decisions).reached;
  contract::ApprovalTally tally = contract::tally_approval(header, decisions);
  return tally.reached || tally.impossible;
}

}  // namespace

Result<wallet::Statement> statement_about(LedgerView& view, const pb::Contract& contract, pb::Decision decision) {
  const pb::ContractVersion& version = version_for(contract, decision);
  if (decision == pb::DECISION_ACCEPT && version.state() != pb::CONTRACT_ACTIVE) {
    return make_error(Code::Conflict, "contract " + contract.name() +
                                          " does not run, so there is nothing to accept; see: mcloud status " +
                                          contract.name());
  }
  if (decision != pb::DECISION_ACCEPT && version.state() != pb::CONTRACT_PENDING) {
    return make_error(Code::Conflict, "contract " + contract.name() +
                                          " has no version that waits for approvals; see: mcloud status " +
                                          contract.name());
  }
  return wallet::Statement::about(view.chain_id(), version.header(), decision);
}

Result<std::vector<std::string>> local_signers(const wallet::Wallet& wallet, const wallet::Statement& statement,
                                               const pb::Contract& contract) {
  pb::ContractHeader header = TRY(contract::decode_header(statement.header));
  std::vector<std::string> names;
  for (const wallet::KeyInfo& key : TRY(wallet.list())) {
    if (contract::find_signer(header, key.public_key) == nullptr) continue;
    if (has_decided(version_for(contract, statement.decision), key.public_key, statement.decision)) continue;
    names.push_back(key.name);
  }
  return names;
}

Status check_signers(LedgerView& view, const wallet::Wallet& wallet, const pb::ContractHeader& header,
                     const std::vector<std::string>& key_names) {
  std::string asked;
  for (const pb::Signer& signer : header.approvals().signers()) {
    asked += (asked.empty() ? "" : ", ") + view.name_of(PublicKey::from_bytes(signer.key()).value_or(PublicKey()));
  }
  for (const std::string& name : key_names) {
    wallet::KeyInfo key = TRY(wallet.find(name));
    if (contract::find_signer(header, key.public_key) != nullptr) continue;
    return make_error(Code::Denied,
                      "contract " + header.name() + " asks no signature of " + name + "; it asks: " + asked);
  }
  return {};
}

Result<uint64_t> decide_as(LedgerView& view, wallet::Wallet& wallet, const wallet::Statement& statement,
                           const std::vector<std::string>& key_names) {
  pb::ContractHeader header = TRY(contract::decode_header(statement.header));
  std::optional<pb::Contract> record = TRY(view.find_contract(statement.subject.contract));
  if (!record) return make_error(Code::NotFound, "contract " + header.name() + " is not on the ledger");
  TRY(check_signers(view, wallet, header, key_names));
  contract::Decisions decisions = version_for(*record, statement.decision).decisions();
  std::vector<Action> actions;
  for (const std::string& name : key_names) {
    crypto::SigningKey key = TRY(wallet.unlock(name));
    wallet::Statement own = statement;
    TRY(own.sign(key).with_context(name));
    actions.push_back({key, wallet::decide(own)});
    if (settles(header, decisions, key.public_key(), statement.decision)) break;
  }
  return send_all(view.client(), actions);
}

Result<wallet::CarriedDecision> carry(LedgerView& view, const wallet::Statement& statement, const PublicKey& signer) {
  wallet::CarriedDecision carried;
  carried.statement = statement;
  carried.signer = signer;
  carried.sequence = TRY(view.client().next_sequence(signer));
  return carried;
}

Result<uint64_t> send_carried(LedgerView& view, const wallet::CarriedDecision& carried) {
  if (carried.statement.subject.chain_id != view.chain_id()) {
    return make_error(Code::Invalid, "it is for the ledger " + carried.statement.subject.chain_id + ", this one is " +
                                         view.chain_id());
  }
  uint64_t height = 0;
  ledger::TransactionResult result = TRY(send_signed(view.client(), carried.transaction, height));
  if (result.ok) return height;
  return make_error(result.code, result.message);
}

}  // namespace mcloud::bot
