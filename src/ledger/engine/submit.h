// POST /v1/transactions: from JSON through the engine to an answer that comes when the transactions are in blocks.
#pragma once

#include "ledger/engine/solo.h"
#include "wire/http_server.h"

namespace mcloud::ledger {

// Thread-safe. Invalid for a malformed request, Exhausted when the mempool is full.
Result<wire::HttpAnswer> submit_transactions(Solo& engine, io::Loop& loop, const wire::HttpRequest& request);

}  // namespace mcloud::ledger
