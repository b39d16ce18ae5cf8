// A server's answers, as JSON, to values that are verified or refused. Pure; inside this folder only.
#pragma once

#include "ledger/client/verify.h"

namespace mcloud::ledger {

struct VerifiedEntries {
  VerifiedHead head;
  std::vector<Entry> entries;
  bool more = false;
};

// The answer of GET or POST /v1/state: exactly these keys, in order, each with its proof. Denied when not.
Result<VerifiedEntries> verify_state_reply(const Trust& trust, const std::vector<Bytes>& keys, std::string_view body);

// One page of GET /v1/list: keys under the prefix, rising, above `after`. Denied when not.
Result<VerifiedEntries> verify_list_reply(const Trust& trust, BytesView prefix, BytesView after, std::string_view body);

// The answer of GET /v1/head; nullopt when no new head came.
Result<std::optional<VerifiedHead>> verify_head_reply(const Trust& trust, std::string_view body);

struct VerifiedOutcomes {
  std::vector<SubmitOutcome> outcomes;
  std::vector<VerifiedHead> heads;  // of the blocks that contain them
};
// The answer of POST /v1/transactions with "wait" and "prove". What was executed, where and with which code, is proven
// by the blocks' headers; a refusal before any block and all messages are the server's word.
Result<VerifiedOutcomes> verify_submit_reply(const Trust& trust, const std::vector<Bytes>& signed_transactions,
                                             std::string_view body);

}  // namespace mcloud::ledger
