// Approvals: what is signed, and what the signatures add up to. Ledger, node and CLI use the same
// functions, so they cannot disagree. Pure.
//
// A version is approved when the weights of those who approve reach the threshold and every required
// signer is among them. It is rejected when that can no longer happen: a required signer rejects, or
// the others together stay below the threshold. Of several decisions of one signer the last counts;
// the ledger records none of them after the outcome. Acceptance, after success, counts weights only.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "crypto/sign.h"
#include "mcloud/contract.pb.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::contract {

inline constexpr std::string_view kApprovalDomain = "mcloud/approval";

// What a decision is about.
struct ApprovalSubject {
  std::string chain_id;
  ContractId contract;
  uint64_t version = 0;
  uint64_t expires_ms = 0;
  Hash header_hash;
};
// `header` is the decoded form of `header_bytes`.
ApprovalSubject approval_subject(std::string_view chain_id, const pb::ContractHeader& header, BytesView header_bytes);

// Canonical ApprovalStatement bytes.
Bytes approval_statement(const ApprovalSubject& subject, pb::Decision decision);
crypto::Signature sign_decision(const crypto::SigningKey& key, const ApprovalSubject& subject, pb::Decision decision);
bool verify_decision(const ApprovalSubject& subject, pb::Decision decision, const PublicKey& signer,
                     BytesView signature);

using Decisions = google::protobuf::RepeatedPtrField<pb::RecordedDecision>;

struct ApprovalTally {
  uint32_t threshold = 0;
  uint32_t weight = 0;        // of those whose last word is yes
  bool reached = false;       // approved (accepted): threshold and every required signer
  bool impossible = false;    // rejected: it cannot be reached any more
  std::vector<PublicKey> approved_by;
  std::vector<PublicKey> rejected_by;
  std::vector<PublicKey> missing_required;  // who must sign and has not
  std::vector<PublicKey> missing;           // everybody who has not decided, required ones included
};

// Counts what the ledger recorded; signatures are not looked at. Decisions of strangers count nothing.
ApprovalTally tally_approval(const pb::ContractHeader& header, const Decisions& decisions);
// Acceptance: `reached` at once when none is asked for; never `impossible`.
ApprovalTally tally_acceptance(const pb::ContractHeader& header, const Decisions& decisions);

// For those who trust nobody (nodes): every recorded signature is verified first. Denied names the
// first decision that is not by a signer of the header or whose signature does not fit `subject`.
Status verify_decisions(const pb::ContractHeader& header, const ApprovalSubject& subject, const Decisions& decisions);

// nullptr when this key may not sign.
const pb::Signer* find_signer(const pb::ContractHeader& header, const PublicKey& key);

}  // namespace mcloud::contract
