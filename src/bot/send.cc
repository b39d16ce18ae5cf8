#include "bot/send.h"

#include <algorithm>
#include <map>

#include "wallet/transactions.h"

namespace mcloud::bot {
namespace {

constexpr int kTriesMax = 5;

// The ledger says Conflict of many things; this one is worth another try with the next number.
bool is_about_sequence(const ledger::TransactionResult& result) {
  return !result.ok && result.code == Code::Conflict && result.message.starts_with("sequence of ");
}

}  // namespace

Result<uint64_t> send(ledger::Client& client, const crypto::SigningKey& sender, const pb::Transaction& action) {
  for (int attempt = 1;; attempt++) {
    uint64_t sequence = TRY(client.next_sequence(sender.public_key()));
    uint64_t height = 0;
    Bytes bytes = wallet::sign_transaction(sender, client.trust().chain_id, sequence, action);
    ledger::TransactionResult result = TRY(send_signed(client, bytes, height));
    if (result.ok) return height;
    if (!is_about_sequence(result) || attempt == kTriesMax) return make_error(result.code, result.message);
  }
}

Result<ledger::TransactionResult> send_signed(ledger::Client& client, BytesView signed_transaction, uint64_t& height) {
  std::vector<ledger::SubmitOutcome> outcomes = TRY(client.submit({Bytes(signed_transaction)}));
  if (outcomes.size() != 1)
    return make_error(Code::Corrupt, "the ledger answered another number of transactions than sent");
  height = outcomes[0].height;
  return outcomes[0].result;
}

Result<uint64_t> send_all(ledger::Client& client, const std::vector<Action>& actions) {
  std::map<PublicKey, uint64_t> next;
  std::vector<Bytes> transactions;
  for (const Action& action : actions) {
    const PublicKey& sender = action.sender.public_key();
    if (!next.contains(sender)) next[sender] = TRY(client.next_sequence(sender));
    transactions.push_back(
        wallet::sign_transaction(action.sender, client.trust().chain_id, next[sender]++, action.action));
  }
  if (transactions.empty()) return client.head().height;
  std::vector<ledger::SubmitOutcome> outcomes = TRY(client.submit(transactions));
  if (outcomes.size() != transactions.size()) {
    return make_error(Code::Corrupt, "the ledger answered another number of transactions than sent");
  }
  uint64_t height = 0;
  for (size_t i = 0; i < outcomes.size(); i++) {
    const ledger::TransactionResult& result = outcomes[i].result;
    if (result.ok)
      height = std::max(height, outcomes[i].height);
    else if (!is_about_sequence(result))
      return make_error(result.code, result.message);
    else
      height = std::max(height, TRY(send(client, actions[i].sender, actions[i].action)));
  }
  return height;
}

}  // namespace mcloud::bot
