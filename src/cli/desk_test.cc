#include "cli/desk.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

const std::string kCluster = R"({"format":1,"name":"default","default_key":"lena","id":"mcloud-1","folder":"/x",
  "trust":{"chain_id":"local-1","validators":[{"key":")" +
                             std::string(64, '1') + R"(","power":1}]},
  "forwards":[{"name":"ledger","port":40001,"targets":[]},{"name":"sink","port":40002,"targets":[]},
              {"name":"tcp-8080-00000000","port":8080,"targets":[]}]})";

// No key of the person who runs the test is looked at.
struct Home {
  testing::TemporaryFolder folder;
  Home() {
    setenv("MCLOUD_HOME", (folder / "home").c_str(), 1);
    unsetenv("MCLOUD_KEY");
    unsetenv("MCLOUD_CLUSTER");
    REQUIRE(io::make_folders(folder / "cluster/keys").has_value());
  }
  Globals globals() const {
    Globals globals;
    globals.cluster = folder / "cluster";
    return globals;
  }
  void add_key(const std::string& place, const std::string& name) const {
    wallet::TerminalPassphrase unused;
    wallet::Wallet wallet({folder / place}, unused);
    REQUIRE(wallet.create(name, wallet::Wallet::Passphrase::None).has_value());
  }
};

}  // namespace

TEST_CASE("a local cluster's file says where its ledger, sink and publications are") {
  Context context = Context::parse(kCluster).value();
  CHECK_EQ(context.ledger[0], "http://127.0.0.1:40001");
  CHECK_EQ(context.sink, "http://127.0.0.1:40002");
  CHECK_EQ(context.ports.at(forward_name("tcp", 8080, ContractId())), 8080);
  CHECK_EQ(context.trust.chain_id, "local-1");
  CHECK_FALSE(Context::parse("{}").has_value());
  CHECK_FALSE(Context::parse("[]").has_value());
}

TEST_CASE("without a cluster the error says how to start one") {
  Home home;
  Output out(stdout, stderr, false);
  Desk desk(home.globals(), out);
  Result<const Context*> context = desk.context();
  REQUIRE_FALSE(context.has_value());
  CHECK_EQ(context.error().code, Code::Unavailable);
  CHECK_NE(context.error().message.find("mcloud cluster up"), std::string::npos);
}

TEST_CASE("a ledger without a trust file is not believed") {
  Home home;
  Globals globals = home.globals();
  globals.ledger = "http://127.0.0.1:1";
  Output out(stdout, stderr, false);
  CHECK_EQ(Desk(globals, out).context().error().code, Code::Invalid);
}

TEST_CASE("the key that signs is the named one, the cluster's default, or the only one") {
  Home home;
  Output out(stdout, stderr, false);
  CHECK_EQ(Desk(home.globals(), out).key_name().error().code, Code::NotFound);
  home.add_key("home/keys", "ida");
  CHECK_EQ(Desk(home.globals(), out).key_name().value(), "ida");
  home.add_key("cluster/keys", "lena");
  CHECK_EQ(Desk(home.globals(), out).key_name().error().code, Code::Invalid);  // which one?
  REQUIRE(io::write_file(home.folder / "cluster/cluster.json", kCluster, io::Durability::None).has_value());
  CHECK_EQ(Desk(home.globals(), out).key_name().value(), "lena");
  Globals named = home.globals();
  named.key = "ida";
  CHECK_EQ(Desk(named, out).key_name().value(), "ida");
  named.key = "bob";
  CHECK_EQ(Desk(named, out).key_name().error().code, Code::NotFound);
}
