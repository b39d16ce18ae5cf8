// The deterministic state machine: same history, same state, on every validator, in every build.
//
// Pure functions of (state, block). No clock (time is the block's), no floats, no unordered iteration,
// no randomness, no I/O. Everything the ledger decides is decided here: who may do what, approvals,
// placement, fencing, re-placement, epochs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "ledger/state/logic.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {


// A transaction whose encoding and signature were checked. Only verify_transaction() makes one, so the
// machine can trust it. Verification needs no state and may run on any thread.
class VerifiedTransaction {
 public:
  const pb::Transaction& transaction() const { return transaction_; }
  const PublicKey& sender() const { return sender_; }
  const Hash& hash() const { return hash_; }  // of the SignedTransaction bytes

 private:
  friend Result<VerifiedTransaction> verify_transaction(BytesView, std::string_view);
  pb::Transaction transaction_;
  PublicKey sender_;
  Hash hash_;
};

inline constexpr size_t kTransactionBytesMax = 1 << 20;

// Decodes SignedTransaction bytes, checks canonical form, chain id and signature. Invalid or Denied.
Result<VerifiedTransaction> verify_transaction(BytesView signed_transaction, std::string_view chain_id);

struct TransactionResult {
  bool ok = false;
  Code code = Code::Internal;  // when not ok
  std::string message;         // when not ok: what, where, what is allowed
};

struct BlockInput {
  uint64_t height = 0;
  uint64_t time_ms = 0;  // >= the previous block's
  std::span<const VerifiedTransaction> transactions;
};

// Writes the genesis state (height 0). Invalid names what is wrong with it.
Status initialize_state(const pb::Genesis& genesis, StateWriter& state);

// Is it worth putting into a block on top of this state? Checks what every execution begins with: the
// sequence and that the sender is what the action asks for (identity, node, validator). The action itself
// is judged by execution, except AdmitNode, whose sender nobody knows yet and which is tried out in full.
// `sequence_ahead`: how many transactions of this sender already wait before it.
Status check_transaction(const VerifiedTransaction& transaction, const StateReader& state, uint64_t time_ms,
                         uint64_t sequence_ahead);

// Unsupported when the logic in force at that height is newer than this binary: it must not execute the
// block, as it would compute another state than the others. To be asked before each execute_block().
Status check_logic(const StateReader& state, uint64_t height);

// Executes transactions in order, then the end of the block: expiries, fencing, placement. Deterministic.
//
// A refused transaction changes nothing but its sender's sequence, which every executed one uses up,
// refused or not. Not executed, so that they use up nothing, are those with a wrong sequence, those whose
// sender is not what the action asks for, and a refused AdmitNode of a key that never sent anything.
// An accepted ReportResults may carry a message: which of its entries were ignored, and why.
std::vector<TransactionResult> execute_block(const BlockInput& block, StateWriter& state);

// Is there work that waits only for time to pass, or for the next block because the last was full? Then the
// engine makes a block, empty if need be, as soon as block time may reach `next_due_ms` (0 = at once).
// `next_due_ms` is untouched when the answer is no. Reads a few keys.
bool has_pending_time_work(const StateReader& state, uint64_t& next_due_ms);

}  // namespace mcloud::ledger
