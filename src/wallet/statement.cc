#include "wallet/statement.h"

#include "contract/header.h"

namespace mcloud::wallet {
namespace {

Status check_signer(BytesView header, const PublicKey& key) {
  pb::ContractHeader decoded = TRY(contract::decode_header(header));
  if (contract::find_signer(decoded, key) != nullptr) return {};
  return make_error(Code::Denied, "contract " + decoded.name() + " asks no signature of key " + key.short_hex());
}

}  // namespace

std::string_view decision_name(pb::Decision decision) {
  switch (decision) {
    case pb::DECISION_APPROVE: return "approve";
    case pb::DECISION_REJECT: return "reject";
    case pb::DECISION_ACCEPT: return "accept";
    default: return "none";
  }
}

Result<pb::Decision> decision_from_name(std::string_view name) {
  for (pb::Decision decision : {pb::DECISION_APPROVE, pb::DECISION_REJECT, pb::DECISION_ACCEPT}) {
    if (decision_name(decision) == name) return decision;
  }
  return make_error(Code::Invalid,
                    "decision is \"" + std::string(name.substr(0, 32)) + "\"; it is approve, reject or accept");
}

Result<Statement> Statement::about(std::string_view chain_id, BytesView header, pb::Decision decision) {
  pb::ContractHeader decoded = TRY(contract::decode_header(header));
  Statement statement;
  statement.subject = contract::approval_subject(chain_id, decoded, header);
  statement.decision = decision;
  statement.header = Bytes(header);
  return statement;
}

Status Statement::sign(const crypto::SigningKey& key) {
  TRY(check_signer(header, key.public_key()));
  signer = key.public_key();
  signature = contract::sign_decision(key, subject, decision);
  return {};
}

}  // namespace mcloud::wallet
