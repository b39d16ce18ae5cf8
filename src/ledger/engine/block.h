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
  Bytes block;  // pb::Block, as it is stored
  BlockEvidence evidence;
};

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
// checked).
Result<OpenedBlock> open_block(BytesView block, const Trust& trust, uint64_t height, const ChainTip* previous);

// Corrupt unless executing the block gave what its header says.
Status check_outcome(const OpenedBlock& block, const Application::FinalizedBlock& outcome);

}  // namespace mcloud::ledger
