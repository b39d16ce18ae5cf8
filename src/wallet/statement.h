// An approver's decision about a version of a contract, and the signature under it.
#pragma once

#include <string>

#include "contract/approval.h"
#include "crypto/sign.h"

namespace mcloud::wallet {

struct Statement {
  contract::ApprovalSubject subject;
  pb::Decision decision = pb::DECISION_UNSET;
  Bytes header;        // a ContractHeader, verbatim
  std::string reason;  // of a rejection; not signed
  PublicKey signer;    // none until signed
  Bytes signature;

  bool is_signed() const { return !signature.empty(); }

  // About the header's contract and version. Invalid when it is no header.
  static Result<Statement> about(std::string_view chain_id, BytesView header, pb::Decision decision);
  // Denied when the contract asks no signature of this key.
  Status sign(const crypto::SigningKey& key);
};

// "approve", "reject", "accept".
std::string_view decision_name(pb::Decision decision);
Result<pb::Decision> decision_from_name(std::string_view name);

}  // namespace mcloud::wallet
