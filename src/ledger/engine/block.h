// Blocks as values: making, signing and checking them. Pure.
#pragma once

#include "crypto/sign.h"
#include "ledger/application.h"
#include "ledger/client/verify.h"

namespace mcloud::ledger {

// The newest block, as much of it as the next one needs.
struct ChainTip {
  Head head;
  Bytes signed_header;  // SignedBlockHeader, verbatim
};

struct SealedBlock {
  ChainTip tip;
  Bytes stored;  // as BlockStore keeps it
  BlockEvidence evidence;
};

// What a block is in the store:
//   0   4  n, number of transactions, u32be
//   4   n  their result bytes, so that whoever reads the history knows what became of each
//   4+n    pb::Block
struct StoredBlock {
  BytesView results;
  BytesView block;
};
// Views into `stored`; Corrupt when it is too short.
Result<StoredBlock> split_stored(BytesView stored);

// The block after `previous` (nullptr: the genesis block), signed.
SealedBlock seal_block(const std::string& chain_id, const ChainTip* previous, uint64_t time_ms,
                       const std::vector<Bytes>& transactions, const Application::FinalizedBlock& outcome,
                       const crypto::SigningKey& validator);

struct OpenedBlock {
  ChainTip tip;
  pb::BlockHeader header;
  std::vector<Bytes> transactions;
};

// Denied or Corrupt unless it is signed, of this chain, has this height and follows on `previous` (nullptr: not
// checked), with the transactions and the results that its header names.
Result<OpenedBlock> open_block(BytesView stored, const Trust& trust, uint64_t height, const ChainTip* previous);

// Corrupt unless executing the block gave what its header says.
Status check_outcome(const OpenedBlock& block, const Application::FinalizedBlock& outcome);

}  // namespace mcloud::ledger
