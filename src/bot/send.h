// Actions to the ledger: signed with the sender's next sequence number, sent, and waited for.
#pragma once

#include <vector>

#include "crypto/sign.h"
#include "ledger/client/client.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::bot {

// The height it was executed at. A sequence number that somebody with the same key took meanwhile is fetched again, a
// few times; everything else the ledger refuses is returned as its error. TimedOut: it may still be executed.
Result<uint64_t> send(ledger::Client& client, const crypto::SigningKey& sender, const pb::Transaction& action);

// One that was signed elsewhere, as it is. `height` is set when it was executed.
Result<ledger::TransactionResult> send_signed(ledger::Client& client, BytesView signed_transaction, uint64_t& height);

struct Action {
  crypto::SigningKey sender;
  pb::Transaction action;
};
// Several in one request, so that they can share a block (at most 100). All were executed, or the first error.
Result<uint64_t> send_all(ledger::Client& client, const std::vector<Action>& actions);

}  // namespace mcloud::bot
