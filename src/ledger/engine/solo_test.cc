// The engine over an application and a disk that do what a test says. The test's thread is the loop's.
#include "ledger/engine/solo.h"

#include "crypto/hash.h"
#include "ledger/engine/test_server.h"
#include "testing/simulated_clock.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

// Accepts all but "bad..."; executes all but "refused...".
class FakeApplication final : public Application {
 public:
  std::optional<uint64_t> due_ms;
  Status finalize_failure;
  std::vector<size_t> block_sizes;
  std::vector<Bytes> order;

  Result<Hash> init_chain(const pb::Genesis&) override { return Hash(); }
  TransactionResult check(BytesView transaction) override {
    if (transaction.starts_with("bad")) return {false, Code::Invalid, "bad"};
    return {true, Code::Internal, ""};
  }
  Result<FinalizedBlock> finalize_block(uint64_t height, uint64_t, const std::vector<Bytes>& transactions) override {
    TRY(Status(finalize_failure));
    block_sizes.push_back(transactions.size());
    FinalizedBlock block;
    for (const Bytes& transaction : transactions) {
      order.push_back(transaction);
      block.transaction_hashes.push_back(crypto::blake2b(transaction));
      bool is_refused = transaction.starts_with("refused");
      block.results.push_back(is_refused ? TransactionResult{false, Code::Conflict, "no"} : TransactionResult{true});
    }
    block.state_hash = crypto::blake2b(std::to_string(height));
    block.logic_version = 1;
    return block;
  }
  Status commit() override { return {}; }
  std::optional<uint64_t> committed_height() const override { return 0; }
  Result<std::optional<uint64_t>> next_due_ms() const override { return due_ms; }
  Result<QueryAnswer> query(const std::vector<Bytes>&) override { return QueryAnswer(); }
  Result<QueryAnswer> list(const ListRequest&) override { return QueryAnswer(); }
  Status snapshot(const std::string&) override { return {}; }
  Status restore(const std::string&) override { return {}; }
};

class FakeBlocks final : public BlockStore {
 public:
  Status failure;
  std::vector<Bytes> blocks;

  std::optional<uint64_t> last_height() const override { return std::nullopt; }
  Status append(uint64_t, BytesView block) override {
    TRY(Status(failure));
    blocks.push_back(Bytes(block));
    return {};
  }
  Result<Bytes> read(uint64_t) const override { return make_error(Code::NotFound, ""); }
};

struct Fixture {
  testing::TemporaryFolder path;
  Trust trust = make_test_ledger(path.path());
  LedgerFolder folder = must(load_ledger_folder(path.path()));
  io::SystemClock clock;
  io::Loop loop;
  FakeApplication application;
  FakeBlocks blocks;
  std::vector<uint64_t> heights;
  std::unique_ptr<Solo> engine;

  explicit Fixture(const Solo::Limits& limits = {}) {
    log::set_level(log::Level::Error);
    engine = std::make_unique<Solo>(
        loop, application, blocks, clock, folder, ChainTip(), limits,
        [this](const ChainTip& tip, const Application::FinalizedBlock&) { heights.push_back(tip.head.height); });
  }
  ~Fixture() { log::set_level(log::Level::Info); }

  // Submits them in one request and runs the loop until they are settled.
  std::vector<Outcome> settle(std::vector<Bytes> transactions) {
    std::vector<Outcome> outcomes;
    must(engine->submit(std::move(transactions), [&](const Submission& submission) {
      outcomes = submission.outcomes;
      loop.stop();
    }));
    loop.run();
    return outcomes;
  }
};

std::vector<Bytes> numbered(size_t count) {
  std::vector<Bytes> transactions;
  for (size_t i = 0; i < count; ++i) transactions.push_back("transaction " + std::to_string(i));
  return transactions;
}

}  // namespace

TEST_CASE("what waits together goes into one block, in order, and each gets its own outcome") {
  Fixture fixture;
  std::vector<Outcome> outcomes = fixture.settle({"one", "bad one", "refused one", "two"});
  CHECK(fixture.application.order == std::vector<Bytes>{"one", "refused one", "two"});
  CHECK(outcomes[0].height == 1);
  CHECK(outcomes[0].result.ok);
  CHECK(outcomes[1].height == 0);
  CHECK(outcomes[1].result.code == Code::Invalid);
  CHECK(outcomes[2].height == 1);
  CHECK(outcomes[2].result.code == Code::Conflict);
  CHECK(outcomes[3].result.ok);
  CHECK(fixture.heights == std::vector<uint64_t>{1});
  Solo::Figures figures = fixture.engine->figures();
  CHECK(figures.executed == 2);
  CHECK(figures.refused == 1);
  CHECK(figures.mempool_transactions == 0);
}

TEST_CASE("blocks are bounded in transactions and bytes, and a submission may span several") {
  Fixture by_count({.block_transactions_max = 10});
  CHECK(by_count.settle(numbered(25)).back().height == 3);
  CHECK(by_count.application.block_sizes == std::vector<size_t>{10, 10, 5});
  CHECK(by_count.application.order == numbered(25));
  Fixture by_bytes({.block_bytes_max = 1000});
  by_bytes.settle({Bytes(600, 'a'), Bytes(300, 'b'), Bytes(200, 'c'), Bytes(5000, 'd'), Bytes(10, 'e')});
  CHECK(by_bytes.application.block_sizes == std::vector<size_t>{2, 1, 1, 1});
}

TEST_CASE("a full mempool refuses a whole request, and has room again after a block") {
  Fixture fixture({.mempool_transactions_max = 10, .mempool_bytes_max = 10'000});
  CHECK(fixture.engine->submit(numbered(11), {}).error().code == Code::Exhausted);
  CHECK(fixture.engine->submit({Bytes(20'000, 'x')}, {}).error().code == Code::Exhausted);
  must(fixture.engine->submit(numbered(8), [](const Submission&) {}));
  CHECK(fixture.engine->submit(numbered(3), {}).error().code == Code::Exhausted);
  CHECK(fixture.settle(numbered(2)).size() == 2);
  CHECK(fixture.engine->figures().mempool_transactions == 0);
}

TEST_CASE("a disk that fails stops the engine: nobody is told OK, and later requests are told why") {
  Fixture fixture;
  fixture.blocks.failure = make_error(Code::Exhausted, "no space left on device");
  std::vector<Outcome> outcomes = fixture.settle(numbered(3));
  for (const Outcome& outcome : outcomes) CHECK(outcome.result.code == Code::Unavailable);
  CHECK(fixture.heights.empty());
  CHECK(fixture.engine->tip().head.height == 0);
  Result<std::vector<Outcome>> later = fixture.engine->submit(numbered(1), {});
  REQUIRE_FALSE(later.has_value());
  CHECK(later.error().code == Code::Unavailable);
  CHECK(later.error().message.find("no space left") != std::string::npos);
}

TEST_CASE("a state machine that cannot go on stops the engine, too") {
  Fixture fixture;
  fixture.application.finalize_failure = make_error(Code::Unsupported, "logic version 2");
  CHECK(fixture.settle(numbered(1))[0].result.code == Code::Unavailable);
  CHECK(fixture.engine->failure().error().message.find("logic version 2") != std::string::npos);
  CHECK(fixture.blocks.blocks.empty());
}

TEST_CASE("work that only time holds back makes empty blocks, not too often; without it there are none") {
  Fixture fixture({.time_work_interval_ms = 20});
  fixture.application.due_ms = 0;
  uint64_t start_ms = fixture.clock.monotonic_ms();
  io::Timer stop = fixture.loop.after(110, [&] { fixture.loop.stop(); });
  fixture.loop.post([&] { fixture.engine->start(); });
  fixture.loop.run();
  uint64_t took_ms = fixture.clock.monotonic_ms() - start_ms;
  CHECK(fixture.heights.size() >= 1);
  CHECK(fixture.heights.size() <= took_ms / 20 + 1);
  for (size_t size : fixture.application.block_sizes) CHECK(size == 0);
}

TEST_CASE("each block is signed, follows on the one before and says what its transactions did") {
  Fixture fixture({.block_transactions_max = 2});
  fixture.settle({"a", "refused b", "c"});
  REQUIRE(fixture.blocks.blocks.size() == 2);
  OpenedBlock first = must(open_block(fixture.blocks.blocks[0], fixture.trust, 1, nullptr));
  OpenedBlock second = must(open_block(fixture.blocks.blocks[1], fixture.trust, 2, &first.tip));
  CHECK(second.transactions == std::vector<Bytes>{"c"});
  CHECK(first.header.results_hash() == hash_of_results(Bytes("\0\6", 2)).view());
  CHECK(open_block(fixture.blocks.blocks[1], fixture.trust, 1, nullptr).error().code == Code::Corrupt);
  CHECK(open_block(fixture.blocks.blocks[0], fixture.trust, 1, &second.tip).error().code == Code::Corrupt);
  Bytes other_results = fixture.blocks.blocks[0];
  other_results[5] = '\0';  // "refused b" was refused
  CHECK(open_block(other_results, fixture.trust, 1, nullptr).error().code == Code::Corrupt);
  for (size_t size = 0; size < 8; ++size) {
    BytesView cut = BytesView(fixture.blocks.blocks[0]).substr(0, size);
    CHECK(open_block(cut, fixture.trust, 1, nullptr).error().message != "");
  }
}
