#include "contract/approval.h"

#include <map>

#include "contract/header.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

// The last word of each signer among `yes` and `no`.
std::map<BytesView, pb::Decision> last_words(const Decisions& decisions, pb::Decision yes, pb::Decision no) {
  std::map<BytesView, pb::Decision> words;
  for (const pb::RecordedDecision& recorded : decisions) {
    if (recorded.decision() == yes || recorded.decision() == no) words[recorded.signer()] = recorded.decision();
  }
  return words;
}

struct Count {
  ApprovalTally tally;
  uint64_t weight_possible = 0;     // of all who have not said no
  bool required_refused = false;
};

Count count(const pb::ContractHeader& header, const std::map<BytesView, pb::Decision>& words, pb::Decision yes) {
  Count out;
  for (const pb::Signer& signer : header.approvals().signers()) {
    Result<PublicKey> key = PublicKey::from_bytes(signer.key());
    if (!key) continue;  // not in a valid header
    auto word = words.find(signer.key());
    bool is_yes = word != words.end() && word->second == yes;
    if (is_yes) {
      out.tally.weight += signer.weight();
      out.tally.approved_by.push_back(*key);
    } else if (word != words.end()) {
      out.tally.rejected_by.push_back(*key);
      out.required_refused = out.required_refused || signer.required();
    } else {
      out.tally.missing.push_back(*key);
    }
    if (signer.required() && !is_yes) out.tally.missing_required.push_back(*key);
    if (is_yes || word == words.end()) out.weight_possible += signer.weight();
  }
  return out;
}

}  // namespace

ApprovalSubject approval_subject(std::string_view chain_id, const pb::ContractHeader& header, BytesView header_bytes) {
  return {std::string(chain_id), contract_id(header), header.version(), header.expires_ms(), header_hash(header_bytes)};
}

Bytes approval_statement(const ApprovalSubject& subject, pb::Decision decision) {
  pb::ApprovalStatement statement;
  statement.set_chain_id(subject.chain_id);
  statement.set_contract(subject.contract.bytes());
  statement.set_version(subject.version);
  statement.set_expires_ms(subject.expires_ms);
  statement.set_header_hash(subject.header_hash.bytes());
  statement.set_decision(decision);
  return wire::encode(statement);
}

crypto::Signature sign_decision(const crypto::SigningKey& key, const ApprovalSubject& subject, pb::Decision decision) {
  return key.sign(kApprovalDomain, approval_statement(subject, decision));
}

bool verify_decision(const ApprovalSubject& subject, pb::Decision decision, const PublicKey& signer,
                     BytesView signature) {
  return crypto::verify(signer, kApprovalDomain, approval_statement(subject, decision), signature);
}

ApprovalTally tally_approval(const pb::ContractHeader& header, const Decisions& decisions) {
  auto words = last_words(decisions, pb::DECISION_APPROVE, pb::DECISION_REJECT);
  Count counted = count(header, words, pb::DECISION_APPROVE);
  ApprovalTally& tally = counted.tally;
  tally.threshold = header.approvals().threshold();
  tally.reached = tally.weight >= tally.threshold && tally.missing_required.empty();
  tally.impossible = counted.required_refused || counted.weight_possible < tally.threshold;
  return tally;
}

ApprovalTally tally_acceptance(const pb::ContractHeader& header, const Decisions& decisions) {
  auto words = last_words(decisions, pb::DECISION_ACCEPT, pb::DECISION_ACCEPT);
  ApprovalTally tally = count(header, words, pb::DECISION_ACCEPT).tally;
  tally.threshold = header.approvals().acceptance_threshold();
  tally.reached = tally.weight >= tally.threshold;
  tally.missing_required.clear();
  return tally;
}

Status verify_decisions(const pb::ContractHeader& header, const ApprovalSubject& subject, const Decisions& decisions) {
  for (const pb::RecordedDecision& recorded : decisions) {
    PublicKey signer = TRY(PublicKey::from_bytes(recorded.signer()));
    if (find_signer(header, signer) == nullptr) {
      return make_error(Code::Denied, "decision of " + signer.short_hex() + ": not a signer of this contract");
    }
    bool known = recorded.decision() >= pb::DECISION_APPROVE && recorded.decision() <= pb::DECISION_ACCEPT;
    if (!known || !verify_decision(subject, recorded.decision(), signer, recorded.signature())) {
      return make_error(Code::Denied, "decision of " + signer.short_hex() + ": the signature does not fit");
    }
  }
  return {};
}

const pb::Signer* find_signer(const pb::ContractHeader& header, const PublicKey& key) {
  for (const pb::Signer& signer : header.approvals().signers()) {
    if (signer.key() == key.view()) return &signer;
  }
  return nullptr;
}

}  // namespace mcloud::contract
