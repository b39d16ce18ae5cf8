#include "ledger/engine/recovery.h"

#include "io/file.h"
#include "ledger/engine/test_server.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

// The parts of a server without its threads, so that a test can stop between any two steps.
struct Parts {
  LedgerFolder folder;
  std::unique_ptr<BlockStore> blocks;
  std::unique_ptr<StateStore> state;
  std::unique_ptr<Application> application;
  io::SystemClock clock;

  explicit Parts(const std::string& path)
      : folder(must(load_ledger_folder(path))),
        blocks(must(BlockStore::open(path + "/blocks", {}))),
        state(must(StateStore::open(path + "/state"))),
        application(make_application(*state, clock, folder.trust.chain_id)) {}

  Result<ChainTip> recover() { return recover_chain(folder, *application, *state, *blocks); }
};

enum class Until { Finalized, Appended, Committed };

// Makes one block with one new farm and stops after the given step, as a kill -9 would.
ChainTip make_block(Parts& parts, const ChainTip& tip, Until until) {
  uint64_t height = tip.head.height + 1;
  std::vector<Bytes> transactions = {farm_transaction("ann", "farm-" + std::to_string(height), height)};
  uint64_t time_ms = tip.head.time_ms + 1000;
  auto outcome = must(parts.application->finalize_block(height, time_ms, transactions));
  SealedBlock sealed = seal_block("test", &tip, time_ms, transactions, outcome, parts.folder.validator);
  if (until == Until::Finalized) return tip;
  must(parts.blocks->append(height, sealed.stored));
  if (until == Until::Committed) must(parts.application->commit());
  return sealed.tip;
}

ChainTip make_chain(const std::string& path, uint64_t height) {
  log::set_level(log::Level::Error);
  make_test_ledger(path);
  Parts parts(path);
  ChainTip tip = must(parts.recover());
  while (tip.head.height < height) tip = make_block(parts, tip, Until::Committed);
  return tip;
}

std::string block_file(const std::string& path) { return path + "/blocks/00000000000000000000.blocks"; }

}  // namespace

TEST_CASE("a new chain begins with its genesis block, signed, and begins only once") {
  testing::TemporaryFolder folder;
  ChainTip first = make_chain(folder.path(), 0);
  CHECK(first.head.height == 0);
  Parts parts(folder.path());
  CHECK(must(parts.recover()).head.hash == first.head.hash);
  must(verify_head(parts.folder.trust, first.signed_header));
}

TEST_CASE("a kill between any two steps of a block loses nothing that was durable and invents nothing") {
  for (Until until : {Until::Finalized, Until::Appended, Until::Committed}) {
    testing::TemporaryFolder folder;
    ChainTip tip = make_chain(folder.path(), 5);
    {
      Parts parts(folder.path());
      must(parts.recover());
      tip = make_block(parts, tip, until);
    }
    Parts parts(folder.path());
    ChainTip recovered = must(parts.recover());
    CHECK(recovered.head.hash == tip.head.hash);
    CHECK(recovered.head.height == (until == Until::Finalized ? 5 : 6));
    CHECK(parts.state->view()->state_hash() == recovered.head.state_hash);
    // And it goes on.
    CHECK(make_block(parts, recovered, Until::Committed).head.height == recovered.head.height + 1);
  }
}

TEST_CASE("a block torn by a loss of power is as if it had never been made") {
  testing::TemporaryFolder folder;
  ChainTip tip = make_chain(folder.path(), 4);
  {
    Parts parts(folder.path());
    must(parts.recover());
    make_block(parts, tip, Until::Appended);
  }
  Bytes bytes = must(io::read_file(block_file(folder.path())));
  must(io::write_file(block_file(folder.path()), BytesView(bytes).substr(0, bytes.size() - 7), io::Durability::None));
  Parts parts(folder.path());
  CHECK(must(parts.recover()).head.hash == tip.head.hash);
}

TEST_CASE("a state that was lost altogether is computed again from the blocks") {
  testing::TemporaryFolder folder;
  ChainTip tip = make_chain(folder.path(), 30);
  must(io::remove_tree(folder / "state"));
  Parts parts(folder.path());
  CHECK(must(parts.recover()).head.hash == tip.head.hash);
  CHECK(parts.state->view()->height() == 30);
  CHECK(parts.state->view()->state_hash() == tip.head.state_hash);
}

TEST_CASE("blocks that end before the state, or are gone, are corruption: a block was lost") {
  testing::TemporaryFolder folder;
  make_chain(folder.path(), 4);
  Bytes bytes = must(io::read_file(block_file(folder.path())));
  must(io::write_file(block_file(folder.path()), BytesView(bytes).substr(0, bytes.size() - 1), io::Durability::None));
  {
    Parts parts(folder.path());
    CHECK(parts.recover().error().code == Code::Corrupt);
  }
  must(io::remove_tree(folder / "blocks"));
  Parts parts(folder.path());
  CHECK(parts.recover().error().code == Code::Corrupt);
}

TEST_CASE("blocks of another chain or another validator are refused") {
  testing::TemporaryFolder ours;
  testing::TemporaryFolder theirs;
  make_chain(ours.path(), 3);
  make_chain(theirs.path(), 3);
  must(io::write_file(block_file(ours.path()), must(io::read_file(block_file(theirs.path()))), io::Durability::None));
  Parts parts(ours.path());
  CHECK(parts.recover().error().code == Code::Denied);
}

TEST_CASE("a block whose header promises another state is refused") {
  testing::TemporaryFolder folder;
  ChainTip tip = make_chain(folder.path(), 3);
  {
    Parts parts(folder.path());
    must(parts.recover());
    auto outcome = must(parts.application->finalize_block(4, tip.head.time_ms, {}));
    outcome.state_hash = Hash();
    SealedBlock wrong = seal_block("test", &tip, tip.head.time_ms, {}, outcome, parts.folder.validator);
    must(parts.blocks->append(4, wrong.stored));
  }
  Parts parts(folder.path());
  CHECK(parts.recover().error().code == Code::Corrupt);
}

TEST_CASE("a chain with another genesis.json than it began with is refused when it is replayed") {
  testing::TemporaryFolder folder;
  make_chain(folder.path(), 2);
  std::string path = folder / "genesis.json";
  Bytes text = must(io::read_file(path));
  size_t at = text.find("\"bob\"");
  REQUIRE(at != Bytes::npos);
  text.replace(at, 5, "\"rob\"");
  must(io::write_file(path, text, io::Durability::None));
  must(io::remove_tree(folder / "state"));
  Parts parts(folder.path());
  CHECK(parts.recover().error().code == Code::Corrupt);
}
