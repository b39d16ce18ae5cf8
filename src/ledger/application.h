// The state machine as an application behind a consensus engine, in the shape of ABCI 2.0
// (InitChain, CheckTx, FinalizeBlock, Commit, Query, snapshots), so that the embedded `solo` engine and CometBFT
// drive the same thing through the same calls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/world.h"
#include "ledger/state/machine.h"
#include "ledger/store/state_store.h"

namespace mcloud::ledger {

struct StateEntry {
  Bytes key;
  std::optional<Bytes> value;  // nullopt: not in the state
  Bytes proof;                 // ledger/tree/proof.h, of inclusion (of absence when there is no value)
};

struct QueryAnswer {
  uint64_t height = 0;  // every entry is of the state after this block
  Hash state_hash;
  std::vector<StateEntry> entries;
  bool more = false;  // list(): there are entries after the last one
};

inline constexpr size_t kQueryKeysMax = 256;
// Of the values in one answer: who asks for the largest records again and again must not use up the server's memory.
inline constexpr size_t kQueryBytesMax = 32 << 20;
inline constexpr size_t kPageBytesMax = 4 << 20;  // a page of list() ends with the entry that reaches it

// The byte that stands for a result in BlockHeader.results_hash: 0 = executed, else 1 + Code.
uint8_t result_byte(const TransactionResult& result);
// Why it was refused; nullopt: executed. Internal for a byte that stands for nothing.
std::optional<Code> refusal_of(uint8_t result_byte);

class Application {
 public:
  virtual ~Application() = default;

  // The state at height 0, kept aside until commit().
  virtual Result<Hash> init_chain(const pb::Genesis& genesis) = 0;

  // Thread-safe; runs against the last committed state plus the sequence numbers of what it accepted since. What it
  // accepts counts as waiting until a block contains it, so hand exactly that to the engine.
  virtual TransactionResult check(BytesView signed_transaction) = 0;

  struct FinalizedBlock {
    std::vector<TransactionResult> results;  // one per transaction, undecodable ones included
    std::vector<Hash> transaction_hashes;
    Hash state_hash;
    uint64_t logic_version = 0;
    std::vector<Hash> named_blobs;  // bodies and keyrings that executed transactions name
  };
  // Executes on top of the committed state and keeps the changes aside. One at a time, from the engine's thread.
  // Unsupported when the state asks for a logic that this binary has not.
  virtual Result<FinalizedBlock> finalize_block(uint64_t height, uint64_t time_ms,
                                                const std::vector<Bytes>& signed_transactions) = 0;
  // Makes the finalized block's changes the committed state, together with its height. From the engine's thread.
  virtual Status commit() = 0;

  // nullopt before the first commit. Thread-safe.
  virtual std::optional<uint64_t> committed_height() const = 0;
  // From which block time on there is work to do that only time holds back; nullopt: none. Thread-safe.
  virtual Result<std::optional<uint64_t>> next_due_ms() const = 0;

  // Thread-safe. At the last committed height. Exhausted for more than kQueryKeysMax keys or kQueryBytesMax of values.
  virtual Result<QueryAnswer> query(const std::vector<Bytes>& keys) = 0;
  struct ListRequest {
    Bytes prefix;
    Bytes after;                     // the last key of the page before; "" = the first page
    size_t limit = kQueryKeysMax;    // at most that
    std::optional<uint64_t> height;  // of the page before; nullopt = the last committed one
  };
  // Thread-safe. One page of the entries under a prefix, each with its proof. NotFound when the state at that height is
  // gone (kRecentViews): begin again.
  virtual Result<QueryAnswer> list(const ListRequest& request) = 0;

  // A consistent copy of the whole state as a file (format: docs/reference/ledger.md). Thread-safe.
  virtual Status snapshot(const std::string& path) = 0;
  // Fills an empty state. Corrupt when the file does not have the state hash it says; compare that with a signed head
  // before relying on it.
  virtual Status restore(const std::string& path) = 0;
};

// The store and the clock outlive it. The clock only serves check(), which asks whether things have expired.
std::unique_ptr<Application> make_application(StateStore& store, const Clock& clock, const std::string& chain_id);

}  // namespace mcloud::ledger
