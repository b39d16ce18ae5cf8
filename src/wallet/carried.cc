#include "wallet/carried.h"

#include <nlohmann/json.hpp>
#include <set>

#include "contract/header.h"
#include "wallet/transactions.h"
#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::wallet {
namespace {

constexpr size_t kFileBytesMax = 2 << 20;

Result<Bytes> hex_of(const nlohmann::json& json, std::string_view member) {
  std::string text = TRY(wire::json_string(json, member));
  return from_hex(text).with_context(member);
}

Result<Bytes> base64_of(const nlohmann::json& json, std::string_view member) {
  std::string text = TRY(wire::json_string(json, member));
  return from_base64(text).with_context(member);
}

Status check_members(const nlohmann::json& json) {
  static const std::set<std::string> kAllowed = {"format",  "decision",   "chain_id",    "contract",
                                                 "version", "expires_ms", "header_hash", "header",
                                                 "reason",  "signer",     "sequence",    "transaction"};
  if (!json.is_object()) return make_error(Code::Invalid, "no JSON object");
  for (const auto& [member, value] : json.items()) {
    if (!kAllowed.contains(member)) return make_error(Code::Invalid, "unknown member \"" + member.substr(0, 32) + "\"");
  }
  if (TRY(wire::json_u64(json, "format")) != 1) return make_error(Code::Invalid, "format is not 1");
  return {};
}

// What people read in the file must be what the header says.
Status check_subject(const nlohmann::json& json, const contract::ApprovalSubject& subject) {
  bool same = TRY(hex_of(json, "contract")) == subject.contract.view() &&
              TRY(hex_of(json, "header_hash")) == subject.header_hash.view() &&
              TRY(wire::json_u64(json, "version")) == subject.version &&
              TRY(wire::json_u64(json, "expires_ms")) == subject.expires_ms;
  if (same) return {};
  return make_error(Code::Corrupt,
                    "the statement speaks of another contract than the header beside it: do not sign it");
}

Status check_signer(const CarriedDecision& carried) {
  pb::ContractHeader header = TRY(contract::decode_header(carried.statement.header));
  if (contract::find_signer(header, carried.signer) != nullptr) return {};
  return make_error(Code::Denied,
                    "contract " + header.name() + " asks no signature of key " + carried.signer.short_hex());
}

// Everything but the two signatures must be exactly what the file says; those must be the signer's.
Status check_transaction(const CarriedDecision& carried) {
  auto outer = TRY(wire::decode<pb::SignedTransaction>(carried.transaction, "transaction"));
  auto inner = TRY(wire::decode<pb::Transaction>(outer.transaction(), "transaction"));
  Statement expected = carried.statement;
  expected.signer = carried.signer;
  switch (expected.decision) {
    case pb::DECISION_APPROVE: expected.signature = inner.approve().signature(); break;
    case pb::DECISION_REJECT: expected.signature = inner.reject().signature(); break;
    default: expected.signature = inner.accept().signature(); break;
  }
  pb::Transaction wanted = expected.signature.empty() ? pb::Transaction() : decide(expected);
  wanted.set_chain_id(expected.subject.chain_id);
  wanted.set_sender(carried.signer.bytes());
  wanted.set_sequence(carried.sequence);
  bool good = wire::encode(wanted) == outer.transaction() &&
              crypto::verify(carried.signer, kTransactionDomain, outer.transaction(), outer.signature()) &&
              contract::verify_decision(expected.subject, expected.decision, carried.signer, expected.signature);
  if (good) return {};
  return make_error(Code::Denied,
                    "the transaction in it is not " + carried.signer.short_hex() + "'s over this statement");
}

Result<CarriedDecision> parse_carried(std::string_view text) {
  nlohmann::json json = TRY(wire::parse_json(text, kFileBytesMax));
  TRY(check_members(json));
  std::string chain_id = TRY(wire::json_string(json, "chain_id"));
  std::string decision_text = TRY(wire::json_string(json, "decision"));
  pb::Decision decision = TRY(decision_from_name(decision_text));
  Bytes header = TRY(base64_of(json, "header"));
  CarriedDecision carried;
  carried.statement = TRY(Statement::about(chain_id, header, decision));
  TRY(check_subject(json, carried.statement.subject));
  if (json.contains("reason")) carried.statement.reason = TRY(wire::json_string(json, "reason"));
  Bytes signer = TRY(hex_of(json, "signer"));
  carried.signer = TRY(PublicKey::from_bytes(signer));
  carried.sequence = TRY(wire::json_u64(json, "sequence"));
  TRY(check_signer(carried));
  if (!json.contains("transaction")) return carried;
  carried.transaction = TRY(base64_of(json, "transaction"));
  TRY(check_transaction(carried));
  return carried;
}

}  // namespace

Result<CarriedDecision> CarriedDecision::parse(std::string_view text) {
  return parse_carried(text).with_context("statement file");
}

std::string CarriedDecision::to_json() const {
  nlohmann::ordered_json json;
  json["format"] = 1;
  json["decision"] = std::string(decision_name(statement.decision));
  json["chain_id"] = statement.subject.chain_id;
  json["contract"] = statement.subject.contract.hex();
  json["version"] = statement.subject.version;
  json["expires_ms"] = statement.subject.expires_ms;
  json["header_hash"] = statement.subject.header_hash.hex();
  json["header"] = to_base64(statement.header);
  if (!statement.reason.empty()) json["reason"] = statement.reason;
  json["signer"] = signer.hex();
  json["sequence"] = sequence;
  if (is_signed()) json["transaction"] = to_base64(transaction);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Status CarriedDecision::sign(const crypto::SigningKey& key) {
  if (key.public_key() != signer) {
    return make_error(Code::Denied,
                      "it is for key " + signer.short_hex() + " to sign, not for " + key.public_key().short_hex());
  }
  Statement own = statement;
  TRY(own.sign(key));
  transaction = sign_transaction(key, own.subject.chain_id, sequence, decide(own));
  return {};
}

}  // namespace mcloud::wallet
