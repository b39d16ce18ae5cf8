#include "ledger/engine/backup.h"

#include "io/file.h"
#include "ledger/engine/chain_check.h"
#include "ledger/engine/test_server.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

struct BackedUp {
  BackedUp() { must(server.client()->submit({server.create_farm("ann", "green")})); }
  std::string to() const { return folder / "backup"; }
  Result<BackupReport> back_up(bool with_key = true) { return ledger::back_up({.data_folder = server.folder(), .backup_folder = to(), .with_key = with_key}); }
  std::string newest_segment() const { return server.folder() + "/blocks/00000000000000000000.blocks"; }

  TestServer server;
  testing::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("a backup made beside the server is whole, and a server goes on from it where it was") {
  BackedUp ledger;
  must(ledger.server.client()->put_blob("a body that nothing names"));
  BackupReport report = must(ledger.back_up());
  uint64_t height = ledger.server.server().tip().head.height;
  CHECK_EQ(report.height, height);
  CHECK_EQ(report.new_blocks, height + 1);
  testing::TemporaryFolder scratch;
  ChainReport whole = must(check_chain({.data_folder = ledger.to(), .trust = {}, .scratch_folder = scratch / "state"}));
  CHECK(whole.damage.empty());
  CHECK_EQ(whole.head.height, height);

  Hash hash = ledger.server.server().tip().head.hash;
  ledger.server.stop();
  Server::Options options;
  options.data_folder = ledger.to();
  auto restored = must(Server::start(options));
  CHECK_EQ(restored->tip().head.hash, hash);
}

TEST_CASE("made again it copies what is new, whatever was cut short before") {
  BackedUp ledger;
  must(ledger.back_up());
  CHECK_EQ(must(ledger.back_up()).new_blocks, 0);
  must(ledger.server.client()->submit({ledger.server.create_farm("ann", "blue")}));
  CHECK_EQ(must(ledger.back_up()).new_blocks, 1);
  // The end of a copy that was cut short.
  std::string path = ledger.to() + "/blocks/00000000000000000000.blocks";
  Bytes bytes = must(io::read_file(path));
  must(io::write_file(path, bytes.substr(0, bytes.size() - 9), io::Durability::None, 0600));
  CHECK_EQ(must(ledger.back_up()).new_blocks, 1);
  CHECK_EQ(must(io::read_file(path)).size(), bytes.size());
}

TEST_CASE("an append that is under way is left out; damage before it is told") {
  BackedUp ledger;
  ledger.server.stop();
  Bytes good = must(io::read_file(ledger.newest_segment()));
  must(io::write_file(ledger.newest_segment(), good.substr(0, good.size() - 5), io::Durability::None, 0600));
  BackupReport report = must(ledger.back_up());
  Bytes bad = good;
  bad[100] = static_cast<char>(bad[100] ^ 1);
  must(io::write_file(ledger.newest_segment(), bad, io::Durability::None, 0600));
  Result<BackupReport> damaged = ledger.back_up();
  REQUIRE_FALSE(damaged.has_value());
  CHECK_EQ(damaged.error().code, Code::Corrupt);
  CHECK_NE(damaged.error().message.find("block 0"), std::string::npos);
  must(io::write_file(ledger.newest_segment(), good, io::Durability::None, 0600));
  CHECK_EQ(must(ledger.back_up()).height, report.height + 1);
}

TEST_CASE("another ledger's folder, a shorter ledger and no ledger are refused; without its key it is for reading only") {
  BackedUp ledger, other;
  must(ledger.back_up(false));
  CHECK_FALSE(io::exists(ledger.to() + "/validator.key"));
  Server::Options options;
  options.data_folder = ledger.to();
  CHECK_FALSE(Server::start(options).has_value());
  CHECK_EQ(back_up({.data_folder = other.server.folder(), .backup_folder = ledger.to()}).error().code, Code::Conflict);
  CHECK_EQ(back_up({.data_folder = ledger.folder / "nothing", .backup_folder = ledger.to()}).error().code, Code::NotFound);

  Bytes blocks = must(io::read_file(ledger.newest_segment()));
  must(ledger.server.client()->submit({ledger.server.create_farm("ann", "blue")}));
  must(ledger.back_up());
  ledger.server.stop();
  must(io::write_file(ledger.newest_segment(), blocks, io::Durability::None, 0600));
  CHECK_EQ(ledger.back_up().error().code, Code::Conflict);
}
