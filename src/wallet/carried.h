// A decision that travels: prepared where the ledger can be seen, signed where the key is (without a network), sent
// from anywhere.
//
// The file is JSON so that a person can read what is about to be signed:
//   {"format":1,"decision":"approve","chain_id":"...","contract":HEX32,"version":1,"expires_ms":N,"header_hash":HEX32,
//    "header":BASE64,"reason":"...","signer":HEX32,"sequence":N,"transaction":BASE64}
// `reason` only with a rejection, `transaction` (a SignedTransaction) only once signed. `header` is the ContractHeader
// that is decided upon, so that the signer sees it; everything else about it must follow from it. `sequence` is the
// signer's next: a transaction of theirs in between makes the file useless.
#pragma once

#include <string>

#include "wallet/statement.h"

namespace mcloud::wallet {

struct CarriedDecision {
  Statement statement;  // unsigned until sign()
  PublicKey signer;     // who shall sign
  uint64_t sequence = 0;
  Bytes transaction;  // SignedTransaction; empty until signed

  bool is_signed() const { return !transaction.empty(); }

  // Invalid names what is wrong; Corrupt when the text speaks of another contract than the header beside it; Denied
  // when the signer is none of the contract's, or the transaction is there and is not exactly what these would give.
  static Result<CarriedDecision> parse(std::string_view json);
  std::string to_json() const;
  // Denied when it is for another key.
  Status sign(const crypto::SigningKey& key);
};

}  // namespace mcloud::wallet
