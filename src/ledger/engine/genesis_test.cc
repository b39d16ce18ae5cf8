#include "ledger/engine/genesis.h"

#include <sys/stat.h>

#include "io/file.h"
#include "ledger/engine/test_server.h"

using namespace mcloud;
using namespace mcloud::ledger;

TEST_CASE("a ledger folder is made once, loads as it was made, and keeps its key to itself") {
  testing::TemporaryFolder folder;
  Trust trust = make_test_ledger(folder.path());
  LedgerFolder loaded = must(load_ledger_folder(folder.path()));
  CHECK(loaded.trust.to_json() == trust.to_json());
  CHECK(loaded.genesis.members_size() == 4);
  CHECK(loaded.genesis.parameters().governors_size() == 4);
  CHECK(loaded.validator.public_key().view() == trust.validators[0].key());
  struct stat about{};
  REQUIRE(::stat((folder / "validator.key").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  std::vector<GenesisMember> members = {{"ann", test_key("ann").public_key()}};
  CHECK(init_ledger(folder.path(), "again", members, default_parameters(members), io::SystemClock()).error().code ==
        Code::AlreadyExists);
}

TEST_CASE("a genesis that the state machine refuses leaves nothing behind") {
  testing::TemporaryFolder folder;
  std::vector<GenesisMember> members = {{"Not A Name", test_key("ann").public_key()}};
  CHECK_FALSE(init_ledger(folder / "x", "chain", members, default_parameters(members), io::SystemClock()).has_value());
  CHECK_FALSE(io::exists(folder / "x"));
}

TEST_CASE("a genesis is the same after being written and read") {
  TestChain chain;
  pb::Genesis genesis = chain.make_genesis({3, 4});
  for (pb::Identity& member : *genesis.mutable_members()) member.set_since_ms(genesis.time_ms());
  CHECK(wire::encode(must(parse_genesis(genesis_to_json(genesis)))) == wire::encode(genesis));
}

TEST_CASE("a trust that is not well-formed is refused with its reason") {
  Trust trust = must(Trust::parse(R"({"chain_id":"c","validators":[{"key":")" + test_key("v").public_key().hex() +
                                  R"(","power":1}]})"));
  CHECK(must(Trust::parse(trust.to_json())).to_json() == trust.to_json());
  std::string key = test_key("v").public_key().hex();
  for (const std::string& text :
       std::vector<std::string>{"", "{}", "[]", R"({"chain_id":"c"})", R"({"chain_id":"c","validators":[]})",
                                R"({"chain_id":"","validators":[{"key":")" + key + R"(","power":1}]})",
                                R"({"chain_id":"c","validators":[{"key":"00","power":1}]})",
                                R"({"chain_id":"c","validators":[{"key":")" + key + R"(","power":0}]})",
                                R"({"chain_id":"c","validators":[{"key":")" + key + R"(","power":-1}]})",
                                R"({"chain_id":"c","validators":[{"key":")" + key + R"(","power":1},{"key":")" + key +
                                    R"(","power":1}]})"}) {
    CHECK(Trust::parse(text).error().code == Code::Invalid);
  }
}

TEST_CASE("a folder without a ledger, or with somebody else's key, does not load") {
  testing::TemporaryFolder folder;
  CHECK(load_ledger_folder(folder.path()).error().code == Code::NotFound);
  make_test_ledger(folder.path());
  must(io::write_file(folder / "validator.key", to_hex(test_key("other").seed()), io::Durability::None));
  CHECK(load_ledger_folder(folder.path()).error().code == Code::Invalid);
}
