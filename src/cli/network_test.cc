// The `network` and `name` commands against a real ledger in this process, with nodes that the test plays.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "bot/test_ledger.h"
#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/program.h"

using namespace mcloud;
using namespace mcloud::cli;
using bot::good;

namespace {

const std::string kTeam = R"(name: team
workloads:
  office:
    kind: network
    range: 10.77.0.0/16
    access: true
    members: [lena]
    allow: ["devices -> web:http"]
  web:
    kind: container
    image: oci:./image
    networks: [office]
    ports: {http: 80}
)";

struct Answer {
  Code code = Code::Internal;
  bool ok = false;
  int exit_status = 0;
  std::string error;
  nlohmann::json json;
};

// One node that strangers can reach, and contract "team" on it.
class Team {
 public:
  Team() {
    setenv("MCLOUD_HOME", (world.folder / "").c_str(), 1);
    unsetenv("MCLOUD_KEY");
    good(io::write_file(world.folder / "trust.json", world.trust.to_json(), io::Durability::None));
    add_node("n1");
    bot::Quiet progress;
    bot::ApplyOptions options;
    options.owner = "ida";
    options.wait = false;
    bot::Draft draft = world.draft(kTeam);
    good(bot::apply(*world.view, world.wallet, world.clock, draft, options, progress));
    world.all_healthy(draft.id);
  }

  Answer run(std::vector<std::string> words, const std::string& key = "ida") {
    const ClusterMaker maker;
    const Commands all = all_commands(maker);  // new ones: options of a run before stay in a command
    for (const std::string& word : {std::string("--json"), std::string("--key"), key, std::string("--ledger"),
                                    world.endpoint(), std::string("--trust"), std::string(world.folder / "trust.json")}) {
      words.push_back(word);
    }
    Selected selected = good(select(all, words));
    Globals globals;
    bool help = false;
    good(parse_parameters(*selected.command, selected.arguments, globals, help));
    char* text = nullptr;
    size_t size = 0;
    FILE* out = open_memstream(&text, &size);
    Answer answer;
    {
      Output output(out, stderr, true);
      Desk desk(globals, output);
      Status status = (*selected.command)(desk);
      answer.ok = status.has_value();
      if (!status) answer.code = status.error().code, answer.error = status.error().message;
      answer.exit_status = desk.exit_status();
    }
    fclose(out);
    answer.json = nlohmann::json::parse(std::string(text, size), nullptr, false);
    free(text);
    return answer;
  }

  bot::TestLedger world;

 private:
  void add_node(const std::string& name) {
    crypto::SigningKey node = crypto::SigningKey::generate();
    pb::Demand capacity;
    capacity.set_cpu_milli(4000);
    capacity.set_memory_bytes(4ull << 30);
    capacity.set_disk_bytes(40ull << 30);
    capacity.set_pids(10'000);
    pb::NodeAddresses addresses;
    addresses.set_uplink("10.250.0.11");
    addresses.add_endpoints("2001:db8::11");
    pb::Label inbound;
    inbound.set_key("inbound");
    inbound.set_value("yes");
    pb::SignedJoinToken token = wallet::join_token(world.key("ida"), "test-1", "home", world.clock.wall_ms() + 3'600'000);
    good(bot::send(*world.client, node, wallet::admit_node(token, name, capacity, {inbound}, addresses)));
    world.nodes.push_back(node);
  }
};

}  // namespace

TEST_CASE("a device joins, its configuration is printed again with the same key, and it leaves") {
  Team team;
  Answer joined = team.run({"network", "join", "team/office", "--as", "laptop"});
  REQUIRE_MESSAGE(joined.ok, joined.error);
  const std::string config = joined.json["config"];
  CHECK_EQ(joined.json["endpoint"].get<std::string>().substr(0, 15), "[2001:db8::11]:");
  CHECK_NE(config.find("Address = " + joined.json["address"].get<std::string>() + "/32, fd"), std::string::npos);
  CHECK_NE(config.find("DNS = 10.77.0."), std::string::npos);

  Answer again = team.run({"network", "config", "team", "--as", "laptop", "-o", team.world.folder / "laptop.conf"});
  REQUIRE_MESSAGE(again.ok, again.error);
  CHECK_EQ(good(io::read_file(team.world.folder / "laptop.conf", 1 << 16)), config);
  struct stat info{};
  REQUIRE_EQ(::stat((team.world.folder / "laptop.conf").c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0600);
  CHECK_EQ(team.run({"network", "join", "team/office", "--as", "laptop"}).json["config"], config);  // nothing new

  Answer devices = team.run({"network", "devices", "team"});
  REQUIRE_EQ(devices.json["devices"].size(), 1);
  CHECK_EQ(devices.json["devices"][0]["owner_name"], "ida");
  CHECK(team.run({"network", "leave", "team", "--as", "laptop"}).ok);
  CHECK_EQ(team.run({"network", "devices", "team"}).json["devices"].size(), 0);
  CHECK_EQ(team.run({"network", "config", "team", "--as", "laptop"}).code, Code::NotFound);
}

TEST_CASE("members join their own devices, others none; the owner takes out anybody's") {
  Team team;
  CHECK(team.run({"network", "join", "team/office", "--as", "phone"}, "lena").ok);
  CHECK_EQ(team.run({"network", "join", "team/office", "--as", "spy"}, "bob").code, Code::Denied);
  CHECK_EQ(team.run({"network", "leave", "team/office", "--as", "phone"}, "bob").code, Code::Denied);
  CHECK(team.run({"network", "leave", "team/office", "--as", "phone"}, "ida").ok);
  CHECK_EQ(team.run({"network", "leave", "team/office", "--as", "phone"}, "ida").code, Code::NotFound);
  CHECK_EQ(team.run({"network", "join", "team/lab", "--as", "phone"}).code, Code::NotFound);
  CHECK_EQ(team.run({"network", "join", "team/office", "--as", "No Name"}).code, Code::Invalid);
  CHECK_EQ(team.run({"network", "join", "team/office", "--as", "phone", "--via", "n9"}).code, Code::NotFound);
}

TEST_CASE("show and why tell what the ledger says, and why's exit status is the answer") {
  Team team;
  REQUIRE(team.run({"network", "join", "team/office", "--as", "laptop"}).ok);
  Answer shown = team.run({"network", "show", "team/office"});
  REQUIRE_MESSAGE(shown.ok, shown.error);
  const nlohmann::json network = shown.json["networks"][0];
  CHECK_EQ(network["encryption"], "wireguard");
  CHECK(network["restricted"]);
  CHECK_EQ(network["members"].size(), 2);
  CHECK_EQ(network["reach"].size(), 4);  // web -> web, web -> laptop, web -> world, laptop -> web
  CHECK_EQ(team.run({"network", "show"}).json["networks"][0]["contract"], "team");
  Answer works = team.run({"network", "why", "team/device:laptop", "web:http"});
  CHECK_EQ(works.exit_status, 0);
  CHECK(works.json["works"]);
  Answer fails = team.run({"network", "why", "team/web", "web:http"});
  CHECK(fails.ok);
  CHECK_EQ(fails.exit_status, 1);
  CHECK_FALSE(fails.json["works"]);
  CHECK_EQ(team.run({"network", "why", "web", "db:1"}).code, Code::Invalid);
  CHECK_EQ(team.run({"network", "why", "team/wbe", "web:80"}).code, Code::NotFound);
}

TEST_CASE("names are bought, listed, given away and released") {
  Team team;
  CHECK(team.run({"name", "buy", "shop"}).ok);
  CHECK_EQ(team.run({"name", "buy", "shop"}, "lena").code, Code::AlreadyExists);
  CHECK_EQ(team.run({"name", "buy", "x_y"}).code, Code::Invalid);
  CHECK_EQ(team.run({"name", "show", "shop"}).json["owner_name"], "ida");
  CHECK_EQ(team.run({"name", "show", "shpo"}).code, Code::NotFound);
  CHECK_EQ(team.run({"name", "transfer", "shop", "--to", "nobody"}).code, Code::NotFound);
  CHECK_EQ(team.run({"name", "release", "shop"}, "lena").code, Code::Denied);
  CHECK(team.run({"name", "transfer", "shop", "--to", "lena"}).ok);
  CHECK_EQ(team.run({"name", "list", "--mine"}).json["names"].size(), 0);
  CHECK_EQ(team.run({"name", "list"}).json["names"][0]["owner_name"], "lena");
  CHECK(team.run({"name", "release", "shop"}, "lena").ok);
  CHECK_EQ(team.run({"name", "list"}).json["names"].size(), 0);
}
