// The small files and folders a node keeps: key, config, user ranges, liveness, volumes.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/log.h"
#include "io/file.h"
#include "node/config.h"
#include "node/heartbeat.h"
#include "node/identity.h"
#include "node/liveness.h"
#include "node/user_ranges.h"
#include "node/volume_adapter.h"
#include "testing/temporary_folder.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

ContractId contract(int number) {
  ContractId id;
  id.data()[0] = static_cast<uint8_t>(number);
  return id;
}

const std::string kTrust = R"({"chain_id":"c","validators":[{"key":")" + std::string(64, '1') + R"(","power":1}]})";

std::string config_text(const std::string& more = "") {
  return R"({"name":"n1","data":"/data","cgroup":"x/n1","ledger":["http://10.0.0.1:1"],"backplane":{"address":"10.251.0.1"},)"
         R"("trust":)" +
         kTrust + more + "}";
}
std::string why(const std::string& text) {
  auto parsed = parse_config(text);
  return parsed.has_value() ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("the node's key is made once, for itself only, and never replaced") {
  testing::TemporaryFolder folder;
  auto first = load_or_create_key(folder / "node.key");
  REQUIRE(first.has_value());
  struct stat status{};
  REQUIRE(::stat((folder / "node.key").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(load_or_create_key(folder / "node.key")->public_key() == first->public_key());
  REQUIRE(io::write_file(folder / "node.key", "short", io::Durability::None).has_value());
  CHECK(!load_or_create_key(folder / "node.key").has_value());
  CHECK(*io::read_file(folder / "node.key") == "short");
}

TEST_CASE("a config says what is wrong with it") {
  auto config = parse_config(
      config_text(R"(,"uplink":{"interface":"up0","address":"10.250.0.11"},"labels":{"disk":"ssd"},)"
                  R"("capacity":{"cpu_milli":2000},"image_cache_bytes":67108864,"services":[{"name":"bird","command":["bird","-f"]}])"));
  REQUIRE_MESSAGE(config.has_value(), (config.has_value() ? "" : config.error().message));
  CHECK(config->uplink_interface == "up0");
  CHECK(config->addresses.uplink() == "10.250.0.11");
  CHECK(config->labels.at("disk") == "ssd");
  CHECK(config->capacity.cpu_milli() == 2000);
  CHECK(config->services.at(0).command == std::vector<std::string>{"bird", "-f"});
  CHECK(image_cache_bytes(*config) == 64 << 20);
  CHECK(why("[]").find("must be an object") != std::string::npos);
  CHECK(why(config_text(R"(,"colour":"red")")).find("colour: unknown key; allowed: name") != std::string::npos);
  CHECK(why(config_text(R"(,"runtime":"run")")).find("runtime: must be an absolute path") != std::string::npos);
  CHECK(why(config_text(R"(,"forbidden":["10.0.0.1/8"])")).find("forbidden") != std::string::npos);
  CHECK(why(config_text(R"(,"forbidden":["2001:db8::1/32"])")).find("forbidden") != std::string::npos);
  CHECK(parse_config(config_text(R"(,"forbidden":["10.0.0.0/8","2001:db8::/32"])"))->forbidden.size() == 2);
  CHECK(why(config_text(R"(,"token":"***")")).find("token") != std::string::npos);
  CHECK(why(config_text(R"(,"image_cache_bytes":1)")).find("image_cache_bytes") != std::string::npos);
  CHECK(why(config_text(R"(,"services":[{"name":"x","command":[]}])")).find("services.x.command") != std::string::npos);
  CHECK(why(config_text(R"(,"capacity":{"cpus":1})")).find("capacity.cpus: unknown key") != std::string::npos);
}

TEST_CASE("a config says where a node is reached and what it offers to the network") {
  auto config = parse_config(config_text(
      R"(,"uplink":{"interface":"up0","address":"10.250.0.11","endpoints":["203.0.113.7","2001:db8::7"]},"relay":true,)"
      R"("gateway":{"domain":"gw.example","https_port":8443},"bridges":{"hall-2":"eth7"},"resolver":["192.0.2.53"],)"
      R"("mesh_secret":")" + to_base64(Bytes(32, 'm')) + R"(","labels":{"disk":"ssd"})"));
  REQUIRE_MESSAGE(config.has_value(), (config.has_value() ? "" : config.error().message));
  CHECK(config->addresses.endpoints_size() == 2);
  CHECK(config->addresses.relay());
  CHECK(!config->addresses.hidden());
  CHECK(config->addresses.gateway().domain() == "gw.example");
  CHECK(config->addresses.gateway().http_port() == 80);
  CHECK(config->addresses.gateway().https_port() == 8443);
  CHECK(config->labels == std::map<std::string, std::string>{{"bridge.hall-2", "yes"}, {"disk", "ssd"}, {"gateway", "yes"}, {"inbound", "yes"}});
  CHECK(config->bridges.at("hall-2") == "eth7");
  CHECK(config->mesh_secret == Bytes(32, 'm'));
  CHECK(config->resolvers == std::vector<std::string>{"192.0.2.53"});
}

TEST_CASE("a config with addresses that contradict each other is refused with a reason") {
  const std::string uplink = R"(,"uplink":{"interface":"up0","address":"10.250.0.11"})";
  CHECK(why(config_text(R"(,"uplink":{"interface":"up0","address":"1.2.3.4","endpoints":["home"]})")).find("endpoints: must be") !=
        std::string::npos);
  CHECK(why(config_text(R"(,"hidden":true,"relay":true)")).find("relay: must be false") != std::string::npos);
  CHECK(why(config_text(R"(,"hidden":1)")).find("hidden: must be true or false") != std::string::npos);
  CHECK(why(config_text(R"(,"gateway":{"domain":"gw.example"})")).find("uplink") != std::string::npos);
  CHECK(why(config_text(uplink + R"(,"hidden":true,"gateway":{"domain":"gw.example"})")).find("not hidden") != std::string::npos);
  CHECK(why(config_text(uplink + R"(,"gateway":{"domain":"gw..example"})")).find("gateway.domain") != std::string::npos);
  CHECK(why(config_text(uplink + R"(,"gateway":{"domain":"gw","http_port":443})")).find("three different") != std::string::npos);
  CHECK(why(config_text(uplink + R"(,"gateway":{"domain":"gw","tunnel_port":70000})")).find("gateway.tunnel_port") !=
        std::string::npos);
  CHECK(why(config_text(R"(,"bridges":{"Hall":"eth7"})")).find("bridges") != std::string::npos);
  CHECK(why(config_text(R"(,"bridges":{"hall":"../eth7"})")).find("bridges.hall") != std::string::npos);
  CHECK(why(config_text(R"(,"mesh_secret":"AAAA")")).find("mesh_secret: must be 32 bytes") != std::string::npos);
  std::string bare = R"({"name":"n1","data":"/data","cgroup":"x/n1","ledger":["http://10.0.0.1:1"],"trust":)" + kTrust;
  CHECK(why(bare + "}").find("backplane") != std::string::npos);
  CHECK(why(bare + uplink + "}").empty());
}

TEST_CASE("a machine offers what it has where the config does not say") {
  testing::TemporaryFolder folder;
  Config config;
  config.data_folder = folder.path();
  config.capacity.set_cpu_milli(500);
  auto capacity = offered_capacity(config);
  REQUIRE(capacity.has_value());
  CHECK(capacity->cpu_milli() == 500);
  CHECK(capacity->memory_bytes() > 64 << 20);
  CHECK(capacity->disk_bytes() > 0);
  CHECK(capacity->pids() > 0);
}

TEST_CASE("each contract has a range of user ids of its own, over restarts, and gives it back") {
  testing::TemporaryFolder folder;
  {
    UserRanges ranges = *UserRanges::open(folder / "ranges");
    CHECK(*ranges.base_uid(contract(1)) == 65'536);
    CHECK(*ranges.base_uid(contract(2)) == 2 * 65'536);
    CHECK(*ranges.base_uid(contract(1)) == 65'536);
  }
  UserRanges ranges = *UserRanges::open(folder / "ranges");
  CHECK(*ranges.base_uid(contract(2)) == 2 * 65'536);
  REQUIRE(ranges.keep_only({contract(2)}).has_value());
  CHECK(*ranges.base_uid(contract(3)) == 65'536);
  REQUIRE(io::write_file(folder / "ranges", "rubbish", io::Durability::None).has_value());
  CHECK(!UserRanges::open(folder / "ranges").has_value());
}

TEST_CASE("liveness survives its writer and rubbish reads as nothing") {
  testing::TemporaryFolder folder;
  {
    Liveness liveness(folder / "liveness");
    CHECK(liveness.read().node_epoch() == 0);
    liveness.node(3, 5'000);
    liveness.contact(1'000);
    liveness.contact(1'100);  // too young to be worth a write
  }
  Liveness liveness(folder / "liveness");
  CHECK(liveness.read().node_epoch() == 3);
  CHECK(liveness.read().last_contact_ms() == 1'000);
  REQUIRE(io::write_file(folder / "liveness", "rubbish", io::Durability::None).has_value());
  CHECK(Liveness(folder / "liveness").read().node_epoch() == 0);
}

TEST_CASE("a heartbeat is signed by the node for its epoch, five in each fence_after") {
  CHECK(heartbeat_interval_ms(5'000) == 1'000);
  crypto::SigningKey key = crypto::SigningKey::generate();
  pb::SignedHeartbeat made = make_heartbeat("c", key, {.node_epoch = 4, .counter = 9});
  CHECK(crypto::verify(key.public_key(), "mcloud/heartbeat", made.heartbeat(), made.signature()));
  auto heartbeat = wire::decode<pb::Heartbeat>(made.heartbeat(), "heartbeat");
  REQUIRE(heartbeat.has_value());
  CHECK(heartbeat->node_epoch() == 4);
  CHECK(heartbeat->counter() == 9);
}

TEST_CASE("volumes are found again, grow, and go only when they are erased") {
  log::set_level(log::Level::Error);
  testing::TemporaryFolder folder;
  auto volumes = *VolumeAdapter::open(folder / "volumes");
  ReplicaKey data{contract(1), "data-base", 0}, other{contract(1), "data-base", 1};
  REQUIRE(volumes->ensure(data, 1 << 20).has_value());
  REQUIRE(volumes->ensure(other, 1 << 20).has_value());
  std::string file = folder / ("volumes/" + contract(1).hex() + "/data-base-0/data/row");
  REQUIRE(io::write_file(file, "42", io::Durability::None).has_value());
  REQUIRE(volumes->ensure(data, 2 << 20).has_value());
  auto again = *VolumeAdapter::open(folder / "volumes");
  CHECK(*again->list() == std::map<ReplicaKey, uint64_t>{{data, 2 << 20}, {other, 1 << 20}});
  CHECK(*io::read_file(file) == "42");
  REQUIRE(again->erase(data).has_value());
  CHECK(*again->list() == std::map<ReplicaKey, uint64_t>{{other, 1 << 20}});
  REQUIRE(again->erase(other).has_value());
  CHECK(io::list_folder(folder / "volumes")->empty());
}

TEST_CASE("a heartbeat's number grows over restarts, though the clock goes back") {
  testing::TemporaryFolder folder;
  std::string file = folder / "heartbeats";
  uint64_t last = 0;
  {
    HeartbeatCounter counter(file, 2'000'000'000'000);
    for (int i = 0; i < 10; ++i) {
      uint64_t next = counter.next();
      CHECK(next > last);
      last = next;
    }
  }
  HeartbeatCounter after(file, 1'000'000'000'000);
  CHECK(after.next() > last);
  last = after.next();
  HeartbeatCounter ahead(file, 3'000'000'000'000);
  CHECK(ahead.next() > 3'000'000'000'000);
  CHECK(HeartbeatCounter(file, 0).next() > 3'000'000'000'000);
}
