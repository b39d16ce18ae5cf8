#include "ledger/engine/block.h"

#include "crypto/hash.h"
#include "ledger/store/block_store.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

Bytes joined(const std::vector<Hash>& hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * Hash::kSize);
  for (const Hash& hash : hashes) bytes += hash.view();
  return bytes;
}

Bytes result_bytes(const std::vector<TransactionResult>& results) {
  Bytes bytes;
  bytes.reserve(results.size());
  for (const TransactionResult& result : results) bytes += static_cast<char>(result_byte(result));
  return bytes;
}

Error corrupt(uint64_t height, std::string_view why) {
  return make_error(Code::Corrupt, "block " + std::to_string(height) + ": " + std::string(why));
}

}  // namespace

Result<StoredBlock> split_stored(BytesView stored) {
  uint64_t count = 0;
  for (size_t i = 0; i < 4 && stored.size() >= 4; ++i) count = count << 8 | static_cast<uint8_t>(stored[i]);
  if (stored.size() < 4 + count) return make_error(Code::Corrupt, "a stored block ends before its results do");
  return StoredBlock{stored.substr(4, count), stored.substr(4 + count)};
}

SealedBlock seal_block(const std::string& chain_id, const ChainTip* previous, uint64_t time_ms,
                       const std::vector<Bytes>& transactions, const Application::FinalizedBlock& outcome,
                       const crypto::SigningKey& validator) {
  SealedBlock sealed;
  sealed.evidence.transaction_hashes = joined(outcome.transaction_hashes);
  sealed.evidence.results = result_bytes(outcome.results);

  pb::BlockHeader header;
  header.set_chain_id(chain_id);
  header.set_height(previous == nullptr ? 0 : previous->head.height + 1);
  header.set_previous(previous == nullptr ? Hash().bytes() : previous->head.hash.bytes());
  header.set_time_ms(time_ms);
  header.set_transactions_hash(hash_of_transactions(sealed.evidence.transaction_hashes).bytes());
  header.set_results_hash(hash_of_results(sealed.evidence.results).bytes());
  header.set_state_hash(outcome.state_hash.bytes());
  header.set_logic_version(outcome.logic_version);

  pb::Block block;
  pb::SignedBlockHeader& head = *block.mutable_head();
  head.set_header(wire::encode(header));
  pb::ValidatorSignature& signature = *head.add_signatures();
  signature.set_validator(validator.public_key().bytes());
  signature.set_signature(validator.sign("mcloud/block", head.header()));
  for (const Bytes& transaction : transactions) block.add_transactions(transaction);

  sealed.tip.head = {header.height(), time_ms, crypto::blake2b(head.header()), outcome.state_hash};
  sealed.tip.signed_header = wire::encode(head);
  sealed.evidence.head = sealed.tip.signed_header;
  append_u32_be(sealed.stored, static_cast<uint32_t>(transactions.size()));
  sealed.stored += sealed.evidence.results;
  sealed.stored += wire::encode(block);
  return sealed;
}

Result<OpenedBlock> open_block(BytesView bytes, const Trust& trust, uint64_t height, const ChainTip* previous) {
  StoredBlock stored = TRY(split_stored(bytes).with_context("block " + std::to_string(height)));
  auto block = TRY(wire::decode<pb::Block>(stored.block, "block " + std::to_string(height), kBlockBytesMax));
  OpenedBlock opened;
  opened.tip.signed_header = wire::encode(block.head());
  VerifiedHead verified = TRY(verify_head(trust, opened.tip.signed_header));
  opened.tip.head = verified.head;
  opened.header = std::move(verified.header);
  if (opened.header.height() != height) return corrupt(height, "its header says another height");
  Bytes hashes;
  for (Bytes& transaction : *block.mutable_transactions()) {
    hashes += crypto::blake2b(transaction).view();
    opened.transactions.push_back(std::move(transaction));
  }
  if (hash_of_transactions(hashes).view() != opened.header.transactions_hash()) {
    return corrupt(height, "its transactions are not those its header names");
  }
  if (!verify_results(opened.header, stored.results, opened.transactions.size()).has_value()) {
    return corrupt(height, "its results are not those its header names");
  }
  if (previous != nullptr && opened.header.previous() != previous->head.hash.view()) {
    return corrupt(height, "it does not follow on the block before");
  }
  if (previous != nullptr && opened.header.time_ms() < previous->head.time_ms) {
    return corrupt(height, "its time is before that of the block before");
  }
  return opened;
}

Status check_outcome(const OpenedBlock& block, const Application::FinalizedBlock& outcome) {
  uint64_t height = block.tip.head.height;
  if (outcome.state_hash != block.tip.head.state_hash) {
    return corrupt(height, "executing it gives the state hash " + outcome.state_hash.hex() + ", its header says " +
                               block.tip.head.state_hash.hex());
  }
  if (hash_of_results(result_bytes(outcome.results)).view() != block.header.results_hash()) {
    return corrupt(height, "executing it gives other results than its header says");
  }
  return {};
}

}  // namespace mcloud::ledger
