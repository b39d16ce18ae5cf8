#include "ledger/engine/solo.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace mcloud::ledger {
namespace {

size_t total_bytes(const std::vector<Bytes>& transactions) {
  size_t bytes = 0;
  for (const Bytes& transaction : transactions) bytes += transaction.size();
  return bytes;
}

// For figures only; nothing is decided by it.
class Stopwatch {
 public:
  uint64_t lap_us() {
    auto now = std::chrono::steady_clock::now();
    auto lap = std::chrono::duration_cast<std::chrono::microseconds>(now - std::exchange(start_, now));
    return static_cast<uint64_t>(lap.count());
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Solo::Solo(io::Loop& loop, Application& application, BlockStore& blocks, const Clock& clock, const LedgerFolder& folder,
           ChainTip tip, const Limits& limits, OnBlock on_block)
    : loop_(loop),
      application_(application),
      blocks_(blocks),
      clock_(clock),
      folder_(folder),
      tip_(std::move(tip)),
      limits_(limits),
      on_block_(std::move(on_block)) {}

void Solo::start() { schedule(); }

Result<std::vector<Outcome>> Solo::submit(std::vector<Bytes> transactions,
                                          std::function<void(const Submission&)> done) {
  size_t count = transactions.size();
  size_t bytes = total_bytes(transactions);
  TRY(shared_.with([&](Shared& shared) -> Status {
    TRY(Status(shared.failure));
    if (shared.transactions + count > limits_.mempool_transactions_max ||
        shared.bytes + bytes > limits_.mempool_bytes_max) {
      return make_error(Code::Exhausted, "the ledger has " + std::to_string(shared.transactions) +
                                             " transactions waiting; try again later");
    }
    shared.transactions += count;
    shared.bytes += bytes;
    return {};
  }));
  auto submission = std::make_shared<Submission>();
  submission->done = std::move(done);
  submission->outcomes.resize(count);
  for (size_t i = 0; i < count; ++i) {
    submission->outcomes[i].result = application_.check(transactions[i]);
    if (!submission->outcomes[i].result.ok) continue;
    bytes -= transactions[i].size();
    submission->accepted.push_back({i, std::move(transactions[i])});
  }
  submission->waiting = submission->accepted.size();
  release(count - submission->waiting, bytes);
  std::vector<Outcome> known = submission->outcomes;
  loop_.post([this, submission] { enqueue(submission); });
  return known;
}

void Solo::release(size_t transactions, size_t bytes) {
  shared_.with([&](Shared& shared) {
    shared.transactions -= transactions;
    shared.bytes -= bytes;
  });
}

void Solo::enqueue(const std::shared_ptr<Submission>& submission) {
  if (submission->waiting == 0) return submission->done(*submission);
  for (auto& [place, transaction] : submission->accepted) {
    mempool_.push_back({submission, place, std::move(transaction)});
  }
  submission->accepted.clear();
  if (Status failed = failure(); !failed.has_value()) {
    std::vector<Item> items(std::make_move_iterator(mempool_.begin()), std::make_move_iterator(mempool_.end()));
    mempool_.clear();
    return fail(failed.error(), items);
  }
  schedule();
}

// A block at once when transactions wait; else when time-driven work is due, but not too often.
void Solo::schedule() {
  if (is_scheduled_ || !failure().has_value()) return;
  if (!mempool_.empty()) {
    is_scheduled_ = true;
    due_.cancel();
    return loop_.post([this] {
      is_scheduled_ = false;
      make_block();
    });
  }
  Result<std::optional<uint64_t>> due_ms = application_.next_due_ms();
  if (!due_ms.has_value()) {
    std::vector<Item> none;
    return fail(due_ms.error(), none);
  }
  if (!due_ms->has_value()) return due_.cancel();
  uint64_t wall_ms = clock_.wall_ms();
  uint64_t wait_ms = **due_ms > wall_ms ? **due_ms - wall_ms : 0;
  uint64_t since_ms = clock_.monotonic_ms() - last_block_ms_;
  if (since_ms < limits_.time_work_interval_ms) wait_ms = std::max(wait_ms, limits_.time_work_interval_ms - since_ms);
  // Woken at least hourly: the wall clock may be set meanwhile.
  bool is_far = wait_ms > 3'600'000;
  due_ = loop_.after(std::min<uint64_t>(wait_ms, 3'600'000), [this, is_far] { is_far ? schedule() : make_block(); });
}

std::vector<Solo::Item> Solo::take_items() {
  std::vector<Item> items;
  size_t bytes = 0;
  while (!mempool_.empty() && items.size() < limits_.block_transactions_max) {
    bytes += mempool_.front().transaction.size();
    if (!items.empty() && bytes > limits_.block_bytes_max) break;
    items.push_back(std::move(mempool_.front()));
    mempool_.pop_front();
  }
  return items;
}

void Solo::make_block() {
  if (!failure().has_value()) return;
  std::vector<Item> items = take_items();
  size_t bytes = 0;
  for (const Item& item : items) bytes += item.transaction.size();
  Status sealed = seal(items);
  release(items.size(), bytes);
  if (!sealed.has_value()) return fail(sealed.error(), items);
  schedule();
}

Status Solo::seal(std::vector<Item>& items) {
  std::vector<Bytes> transactions;
  transactions.reserve(items.size());
  for (Item& item : items) transactions.push_back(std::move(item.transaction));
  uint64_t height = tip_.head.height + 1;
  uint64_t time_ms = std::max(tip_.head.time_ms, clock_.wall_ms());

  Stopwatch watch;
  auto outcome = TRY(application_.finalize_block(height, time_ms, transactions));
  uint64_t execute_us = watch.lap_us();
  SealedBlock sealed = seal_block(folder_.trust.chain_id, &tip_, time_ms, transactions, outcome, folder_.validator);
  watch.lap_us();
  TRY(blocks_.append(height, sealed.stored));
  uint64_t sync_us = watch.lap_us();
  TRY(application_.commit());
  uint64_t commit_us = watch.lap_us();

  tip_ = sealed.tip;
  last_block_ms_ = clock_.monotonic_ms();
  auto executed = static_cast<uint64_t>(
      std::count_if(outcome.results.begin(), outcome.results.end(), [](const auto& result) { return result.ok; }));
  shared_.with([&](Shared& shared) {
    Figures& figures = shared.figures;
    ++figures.blocks;
    figures.executed += executed;
    figures.refused += outcome.results.size() - executed;
    figures.execute_us += execute_us;
    figures.sync_us += sync_us;
    figures.commit_us += commit_us;
  });
  on_block_(tip_, outcome);
  settle(items, outcome, sealed);
  return {};
}

void Solo::settle(std::vector<Item>& items, const Application::FinalizedBlock& outcome, const SealedBlock& sealed) {
  auto evidence = std::make_shared<const BlockEvidence>(sealed.evidence);
  for (size_t i = 0; i < items.size(); ++i) {
    Submission& submission = *items[i].submission;
    submission.outcomes[items[i].place] = {sealed.tip.head.height, outcome.results[i]};
    submission.blocks.emplace(sealed.tip.head.height, evidence);
    if (--submission.waiting == 0) submission.done(submission);
  }
}

void Solo::fail(const Error& error, std::vector<Item>& items) {
  log::error("ledger", "the engine stops making blocks", {{"error", error.message}});
  Error told = make_error(Code::Unavailable, "the ledger has stopped making blocks: " + error.message);
  shared_.with([&](Shared& shared) {
    if (shared.failure.has_value()) shared.failure = told;
  });
  // Whether a block that failed halfway is durable shows at the next start, so the outcome is not known.
  for (Item& item : items) {
    Submission& submission = *item.submission;
    submission.outcomes[item.place] = {0, {false, Code::Unavailable, told.message}};
    if (--submission.waiting == 0) submission.done(submission);
  }
  for (Item& item : mempool_) {
    item.submission->outcomes[item.place] = {0, {false, Code::Unavailable, told.message}};
    if (--item.submission->waiting == 0) item.submission->done(*item.submission);
  }
  mempool_.clear();
}

Solo::Figures Solo::figures() const {
  return shared_.with([](Shared& shared) {
    shared.figures.mempool_transactions = shared.transactions;
    return shared.figures;
  });
}

}  // namespace mcloud::ledger
