#include "ledger/engine/chain_check.h"

#include "io/file.h"
#include "ledger/engine/recovery.h"
#include "ledger/engine/test_server.h"
#include "ledger/store/segment.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr uint64_t kTop = 11;

// A chain of kTop blocks in several segments, a farm in each, and a blob.
class CheckedChain {
 public:
  CheckedChain() {
    log::set_level(log::Level::Error);
    make_test_ledger(folder_.path());
    LedgerFolder folder = must(load_ledger_folder(folder_.path()));
    auto blocks = must(BlockStore::open(folder_ / "blocks", {.segment_bytes_max = 2000}));
    auto state = must(StateStore::open(folder_ / "state"));
    auto application = make_application(*state, clock_, "test");
    ChainTip tip = must(recover_chain(folder, *application, *state, *blocks));
    while (tip.head.height < kTop) tip = append(folder, *blocks, *application, tip);
    tip_ = tip.head;
    must(io::make_folders(folder_ / "blobs/kept"));
    must(io::write_file(folder_ / ("blobs/kept/" + crypto::blake2b("a body").hex()), "a body", io::Durability::None));
  }

  Result<ChainReport> check(std::optional<Trust> trust = std::nullopt) const {
    testing::TemporaryFolder scratch;
    return check_chain({.data_folder = folder_.path(), .trust = std::move(trust), .scratch_folder = scratch / "state"});
  }

  std::vector<std::string> segments() const {
    std::vector<std::string> out;
    for (const std::string& name : must(io::list_folder(folder_ / "blocks"))) out.push_back(folder_ / ("blocks/" + name));
    return out;
  }
  const testing::TemporaryFolder& folder() const { return folder_; }
  const Head& tip() const { return tip_; }

 private:
  static ChainTip append(const LedgerFolder& folder, BlockStore& blocks, Application& application, const ChainTip& tip) {
    uint64_t height = tip.head.height + 1;
    std::vector<Bytes> transactions = {farm_transaction("ann", "farm-" + std::to_string(height), height)};
    auto outcome = must(application.finalize_block(height, tip.head.time_ms + 1000, transactions));
    SealedBlock sealed = seal_block("test", &tip, tip.head.time_ms + 1000, transactions, outcome, folder.validator);
    must(blocks.append(height, sealed.stored));
    must(application.commit());
    return sealed.tip;
  }

  testing::TemporaryFolder folder_;
  io::SystemClock clock_;
  Head tip_;
};

// The file with one bit turned, for as long as this lives.
class Flip {
 public:
  Flip(const std::string& path, size_t at) : path_(path), whole_(must(io::read_file(path))) {
    Bytes flipped = whole_;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    must(io::write_file(path_, flipped, io::Durability::None, 0600));
  }
  ~Flip() { static_cast<void>(io::write_file(path_, whole_, io::Durability::None, 0600)); }
  Flip(const Flip&) = delete;
  Flip& operator=(const Flip&) = delete;

 private:
  std::string path_;
  Bytes whole_;
};

// Which block owns each byte of a segment; its header belongs to the first.
std::vector<uint64_t> owners_of(const std::string& path) {
  uint64_t first = *height_of_segment_name(path.substr(path.rfind('/') + 1));
  SegmentFile file = must(SegmentFile::open(path, first, SegmentFile::Access::Read));
  uint64_t size = must(file.size());
  std::vector<uint64_t> owners(kSegmentHeaderSize, first);
  for (uint64_t height = first; owners.size() < size; ++height) {
    owners.resize(must(file.record_at(owners.size(), height, size)).end(), height);
  }
  return owners;
}

}  // namespace

TEST_CASE("a whole chain is read, executed anew and found to be what its validators signed") {
  CheckedChain chain;
  CHECK(chain.segments().size() > 2);
  ChainReport report = must(chain.check());
  CHECK(report.damage.empty());
  CHECK(report.executed_to == kTop);
  CHECK(report.blocks == kTop + 1);
  CHECK(report.transactions == kTop);
  CHECK(report.blobs == 1);
  CHECK(report.head.hash == chain.tip().hash);
  CHECK(report.head.state_hash == chain.tip().state_hash);
}

TEST_CASE("a bit that turned anywhere in the blocks is found, at its block's height") {
  CheckedChain chain;
  for (const std::string& path : chain.segments()) {
    std::vector<uint64_t> owners = owners_of(path);
    for (size_t at = 0; at < owners.size(); at += at < kSegmentHeaderSize ? 5 : 199) {
      Flip flip(path, at);
      ChainReport report = must(chain.check());
      CAPTURE(path);
      CAPTURE(at);
      REQUIRE(!report.damage.empty());
      CHECK(report.damage[0].height == owners[at]);
    }
  }
  CHECK(must(chain.check()).damage.empty());
}

TEST_CASE("what is wrong in genesis.json is found before anything is executed on it") {
  CheckedChain chain;
  std::string path = chain.folder() / "genesis.json";
  size_t size = must(io::read_file(path)).size();
  for (size_t at = 0; at < size; at += 11) {
    Flip flip(path, at);
    Result<ChainReport> report = chain.check();
    CAPTURE(at);
    if (!report.has_value()) continue;  // not even a trust can be read from it
    REQUIRE(!report->damage.empty());
    CHECK(report->damage[0].height == 0u);
    CHECK(!report->executed_to.has_value());
  }
}

TEST_CASE("blocks behind the damage are still checked for signatures and links") {
  CheckedChain chain;
  std::string path = chain.segments()[1];
  std::vector<uint64_t> owners = owners_of(path);
  Flip flip(path, owners.size() - 1);
  uint64_t height = owners.back();
  ChainReport report = must(chain.check());
  REQUIRE(report.damage.size() == 1);
  CHECK(report.damage[0].height == height);
  CHECK(report.executed_to == height - 1);
  CHECK(report.blocks == kTop);  // all but the damaged one
  CHECK(report.head.height == kTop);
}

TEST_CASE("a block that other validators signed, a missing file and a spoilt blob are found") {
  CheckedChain chain;
  Trust stranger{"test", {}};
  stranger.validators.emplace_back();
  stranger.validators.back().set_key(test_key("mallory").public_key().bytes());
  stranger.validators.back().set_power(1);
  ChainReport report = must(chain.check(stranger));
  CHECK(report.blocks == 0);
  CHECK(report.damage.size() == kTop + 1);

  {
    Flip flip(chain.folder() / ("blobs/kept/" + crypto::blake2b("a body").hex()), 3);
    report = must(chain.check());
    REQUIRE(report.damage.size() == 1);
    CHECK(!report.damage[0].height.has_value());
  }
  std::string path = chain.segments()[1];
  uint64_t first = owners_of(path).front(), last = owners_of(path).back();
  must(io::remove_tree(path));
  report = must(chain.check());
  REQUIRE(report.damage.size() == 1);
  CHECK(report.damage[0].height == first);
  CHECK(report.damage[0].what.find(std::to_string(last)) != std::string::npos);
}

TEST_CASE("a ledger is verified while its server goes on, and nothing in its folder is changed") {
  TestServer server;
  auto client = server.client();
  must(client->submit({server.create_farm("ann", "green")}));
  testing::TemporaryFolder scratch;
  ChainReport report = must(check_chain({.data_folder = server.folder(), .trust = {}, .scratch_folder = scratch / "state"}));
  CHECK(report.damage.empty());
  CHECK(report.head.height >= 1);
  must(client->submit({server.create_farm("bob", "blue")}));
}
