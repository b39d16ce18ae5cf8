// What a client checks before it believes a server. Pure: bytes and trust in, values out.
#pragma once

#include "ledger/client/client.h"

namespace mcloud::ledger {

inline constexpr size_t kHeadBytesMax = 64 << 10;

struct VerifiedHead {
  Head head;
  pb::BlockHeader header;
  Bytes signed_header;  // as it was given
};

// Denied unless validators with more than 2/3 of the power signed exactly this header of this chain; signatures of
// strangers, repeated or wrong ones refuse the whole.
Result<VerifiedHead> verify_head(const Trust& trust, BytesView signed_block_header);

// What the server says of a block's content so that a client can see the outcome of its own transactions.
struct BlockEvidence {
  Bytes head;                // SignedBlockHeader
  Bytes transaction_hashes;  // 32 bytes each, in order
  Bytes results;             // result_byte() each, in order
};

// BlockHeader.transactions_hash and results_hash.
Hash hash_of_transactions(BytesView joined_hashes);
Hash hash_of_results(BytesView result_bytes);

// Of a block that is at hand as a whole (GET /v1/blocks/HEIGHT): Denied unless `results` are those that its verified
// header names, one byte for each of its transactions, in order (refusal_of() in ledger/application.h reads them).
Status verify_results(const pb::BlockHeader& header, BytesView results, size_t transactions);

// Where in a verified block a transaction was executed, and with which result byte. Denied when the evidence does not
// match the head or the transaction is not in it.
Result<uint8_t> verify_outcome(const VerifiedHead& head, const BlockEvidence& evidence, const Hash& transaction);

}  // namespace mcloud::ledger
