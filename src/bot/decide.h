// Approve, reject, accept: with keys that are here, or with statements that were signed elsewhere.
#pragma once

#include <string>
#include <vector>

#include "bot/ledger_view.h"
#include "bot/send.h"
#include "wallet/carried.h"
#include "wallet/wallet.h"

namespace mcloud::bot {

// About the version that waits (approve, reject) or runs (accept). Conflict says why there is nothing to decide.
Result<wallet::Statement> statement_about(LedgerView& view, const pb::Contract& contract, pb::Decision decision);

// Names of local keys that the version asks to sign and that have not yet. Empty: none of them is here.
Result<std::vector<std::string>> local_signers(const wallet::Wallet& wallet, const wallet::Statement& statement,
                                               const pb::Contract& contract);

// Denied, naming who is asked, unless the contract asks for signatures of all these local keys. NotFound for a name
// that is no local key.
Status check_signers(LedgerView& view, const wallet::Wallet& wallet, const pb::ContractHeader& header,
                     const std::vector<std::string>& key_names);

// Signs with each of these keys (Denied when one is not asked) and sends all in one request; those that would come
// after the outcome is settled are left out. The height.
Result<uint64_t> decide_as(LedgerView& view, wallet::Wallet& wallet, const wallet::Statement& statement,
                           const std::vector<std::string>& key_names);

// For signing elsewhere, and back.
Result<wallet::CarriedDecision> carry(LedgerView& view, const wallet::Statement& statement, const PublicKey& signer);
Result<uint64_t> send_carried(LedgerView& view, const wallet::CarriedDecision& carried);

}  // namespace mcloud::bot
