// The embedded engine: one validator orders transactions into blocks, by itself.
//
// Group commit without delay: an idle ledger makes a block of the first transaction at once; what arrives while that
// block is executed and synced makes up the next one. A block is durable (file synced) before its state is committed,
// and committed before anybody is told.
#pragma once

#include <deque>

#include "base/world.h"
#include "crypto/sign.h"
#include "io/loop.h"
#include "ledger/engine/block.h"
#include "ledger/engine/genesis.h"
#include "ledger/engine/submission.h"
#include "ledger/guarded.h"
#include "ledger/store/block_store.h"

namespace mcloud::ledger {

class Solo {
 public:
  struct Limits {
    size_t block_transactions_max = 2'000;
    size_t block_bytes_max = 8 << 20;
    size_t mempool_transactions_max = 20'000;
    size_t mempool_bytes_max = 64 << 20;
    uint64_t time_work_interval_ms = 500;  // between blocks that only time-driven work asks for
  };
  struct Figures {  // since the start
    uint64_t blocks = 0;
    uint64_t executed = 0;    // transactions that changed the state
    uint64_t refused = 0;     // that a block records as refused
    uint64_t execute_us = 0;  // in finalize_block
    uint64_t sync_us = 0;     // in append
    uint64_t commit_us = 0;
    size_t mempool_transactions = 0;
  };
  // What has happened, told on the loop after each commit.
  using OnBlock = std::function<void(const ChainTip& tip, const Application::FinalizedBlock& block)>;

  // Everything given outlives it; `loop` runs in one thread and everything but submit() and figures() belongs there.
  Solo(io::Loop& loop, Application& application, BlockStore& blocks, const Clock& clock, const LedgerFolder& folder,
       ChainTip tip, const Limits& limits, OnBlock on_block);

  // Looks for work that waits for its time.
  void start();

  // Thread-safe; called on HTTP workers, where it verifies signatures. Returns what is known at once: what was refused,
  // and height 0 with ok for what was accepted. `done` is called on the loop, once, when all are in blocks (not when
  // the engine is destroyed before). Exhausted (nothing is accepted then) when the mempool is full, Unavailable when
  // the engine has failed.
  Result<std::vector<Outcome>> submit(std::vector<Bytes> transactions, std::function<void(const Submission&)> done);

  const ChainTip& tip() const { return tip_; }
  Figures figures() const;
  // Why the engine stopped making blocks; it stays so until the ledger is started again.
  Status failure() const { return shared_.copy().failure; }

 private:
  struct Item {
    std::shared_ptr<Submission> submission;
    size_t place = 0;
    Bytes transaction;
  };
  // What workers and the loop share.
  struct Shared {
    size_t transactions = 0;  // being checked or in the mempool
    size_t bytes = 0;
    Figures figures;
    Status failure;
  };

  void enqueue(const std::shared_ptr<Submission>& submission);
  void make_block();
  std::vector<Item> take_items();
  Status seal(std::vector<Item>& items);
  void settle(std::vector<Item>& items, const Application::FinalizedBlock& outcome, const SealedBlock& sealed);
  void fail(const Error& error, std::vector<Item>& items);
  void schedule();
  void release(size_t transactions, size_t bytes);

  io::Loop& loop_;
  Application& application_;
  BlockStore& blocks_;
  const Clock& clock_;
  const LedgerFolder& folder_;
  ChainTip tip_;
  const Limits limits_;
  const OnBlock on_block_;

  std::deque<Item> mempool_;
  bool is_scheduled_ = false;
  io::Timer due_;
  uint64_t last_block_ms_ = 0;  // monotonic
  mutable Guarded<Shared> shared_;
};

}  // namespace mcloud::ledger
