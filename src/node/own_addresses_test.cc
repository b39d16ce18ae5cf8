#include "node/own_addresses.h"

#include <doctest/doctest.h>

#include "io/file.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;
using network::LinkAddress;

namespace {

struct Bench {
  explicit Bench(const std::function<void(pb::NodeAddresses&)>& configure, const std::string& uplink = "eth0",
                 const std::string& file = "") {
    configure(configured);
    addresses = std::make_unique<OwnAddresses>(configured, uplink, [this] { return have; }, file);
  }
  pb::NodeAddresses look(std::vector<LinkAddress> now) {
    have = std::move(now);
    return addresses->look();
  }
  pb::NodeAddresses configured;
  Result<std::vector<LinkAddress>> have;
  std::unique_ptr<OwnAddresses> addresses;
};

}  // namespace

TEST_CASE("an address follows the interface that had it, in each place where it is configured") {
  Bench bench([](auto& a) {
    a.set_uplink("192.0.2.1");
    a.add_endpoints("2001:db8::1");
    a.add_endpoints("192.0.2.1");
    a.set_backplane("10.251.0.1");
  });
  std::vector<LinkAddress> home = {{"lo", "10.251.0.1"}, {"eth0", "192.0.2.1"}, {"eth0", "2001:db8::1"}};
  CHECK(bench.look(home).SerializeAsString() == bench.configured.SerializeAsString());
  auto moved = bench.look({{"lo", "10.251.0.9"}, {"eth1", "203.0.113.5"}, {"eth0", "2001:db8:9::1"}, {"eth0", "198.51.100.7"}});
  CHECK(moved.uplink() == "198.51.100.7");
  CHECK(moved.endpoints(0) == "2001:db8:9::1");
  CHECK(moved.endpoints(1) == "198.51.100.7");
  CHECK(moved.backplane() == "10.251.0.9");
  CHECK(bench.addresses->now().SerializeAsString() == moved.SerializeAsString());
  CHECK(bench.look(home).SerializeAsString() == bench.configured.SerializeAsString());
}

TEST_CASE("an interface without an address, or one that cannot be read, changes nothing") {
  Bench bench([](auto& a) { a.set_uplink("192.0.2.1"); });
  bench.look({{"eth0", "192.0.2.7"}});
  CHECK(bench.look({{"eth1", "192.0.2.8"}, {"eth0", "2001:db8::1"}}).uplink() == "192.0.2.7");
  bench.have = make_error(Code::Unavailable, "no");
  CHECK(bench.addresses->look().uplink() == "192.0.2.7");
}

TEST_CASE("an address that no interface has is a NAT's: it stays as configured, but for the uplink's") {
  Bench bench([](auto& a) {
    a.set_uplink("192.168.1.2");
    a.add_endpoints("203.0.113.7");
    a.set_backplane("10.251.0.1");
  });
  auto now = bench.look({{"eth0", "192.168.7.3"}, {"eth1", "10.9.9.9"}});
  CHECK(now.uplink() == "192.168.7.3");
  CHECK(now.endpoints(0) == "203.0.113.7");
  CHECK(now.backplane() == "10.251.0.1");
}

TEST_CASE("two addresses of one interface do not become one") {
  Bench bench([](auto& a) { a.set_uplink("192.0.2.1"), a.set_backplane("192.0.2.2"); });
  bench.look({{"eth0", "192.0.2.1"}, {"eth0", "192.0.2.2"}});
  auto now = bench.look({{"eth0", "192.0.2.2"}, {"eth0", "192.0.2.3"}});
  CHECK(now.uplink() == "192.0.2.3");
  CHECK(now.backplane() == "192.0.2.2");
}

TEST_CASE("an address goes on to what has come, not to what was there beside it, and never to what we gave ourselves") {
  Bench bench([](auto& a) { a.set_backplane("10.251.0.1"); });
  bench.look({{"lo", "10.251.0.1"}, {"lo", "198.19.255.254"}, {"lo", "10.9.9.9"}});
  CHECK(bench.look({{"lo", "198.19.255.254"}}).backplane() == "10.251.0.1");
  bench.look({{"lo", "10.251.0.1"}, {"lo", "198.19.255.254"}, {"lo", "10.9.9.9"}});
  CHECK(bench.look({{"lo", "198.19.255.254"}, {"lo", "198.18.0.4"}, {"lo", "10.9.9.9"}, {"lo", "10.251.0.7"}}).backplane() == "10.251.0.7");
}

TEST_CASE("an agent that starts after an address has changed knows which interface had it") {
  testing::TemporaryFolder folder;
  auto configure = [](pb::NodeAddresses& a) {
    a.set_uplink("192.0.2.1");
    a.set_backplane("10.251.0.1");
    a.add_endpoints("2001:db8::1");
    a.add_endpoints("203.0.113.7");  // a NAT's
  };
  std::vector<LinkAddress> home = {{"lo", "198.19.255.254"}, {"lo", "10.251.0.1"}, {"lo", "10.9.9.9"}, {"eth0", "192.0.2.1"}, {"eth0", "2001:db8::1"}};
  Bench(configure, "eth0", folder / "addresses").look(home);
  auto now = [&](std::vector<LinkAddress> have) {
    Bench next(configure, "eth0", folder / "addresses");
    return next.look(std::move(have));
  };
  auto moved = now({{"lo", "198.19.255.254"}, {"lo", "10.9.9.9"}, {"eth0", "192.0.2.1"}, {"lo", "10.251.0.7"}, {"eth0", "2001:db8::7"}});
  CHECK(moved.backplane() == "10.251.0.7");
  CHECK(moved.uplink() == "192.0.2.1");
  CHECK(moved.endpoints(0) == "2001:db8::7");
  CHECK(moved.endpoints(1) == "203.0.113.7");
  CHECK(now({}).backplane() == "10.251.0.7");  // not up yet: the last one stands
  CHECK(now({{"eth1", "10.251.0.8"}, {"lo", "10.251.0.9"}}).backplane() == "10.251.0.9");
  CHECK(now(home).backplane() == "10.251.0.1");
}

TEST_CASE("what is configured otherwise since is not what it was; a broken memory is none, and is replaced") {
  testing::TemporaryFolder folder;
  auto look = [&](const std::string& backplane, const std::string& uplink, std::vector<LinkAddress> have) {
    Bench one([&](auto& a) { a.set_backplane(backplane), a.set_uplink("192.0.2.1"); }, uplink, folder / "addresses");
    return one.look(std::move(have));
  };
  look("10.251.0.1", "eth0", {{"eth0", "192.0.2.7"}, {"lo", "10.251.0.1"}});
  auto now = look("10.251.0.5", "eth1", {{"eth0", "192.0.2.7"}, {"lo", "10.251.0.1"}, {"eth1", "192.0.2.8"}});
  CHECK(now.backplane() == "10.251.0.5");
  CHECK(now.uplink() == "192.0.2.8");
  REQUIRE(io::write_file(folder / "addresses", "broken", io::Durability::None).has_value());
  CHECK(look("10.251.0.1", "eth0", {{"lo", "10.251.0.2"}}).backplane() == "10.251.0.1");
  CHECK(*io::read_file(folder / "addresses") != "broken");
}

TEST_CASE("what a node is to others stays as the ledger has it") {
  pb::NodeAddresses recorded, now;
  recorded.set_relay(true);
  recorded.mutable_gateway()->set_domain("gw.example");
  recorded.set_uplink("192.0.2.1");
  now.set_uplink("192.0.2.9");
  now.add_endpoints("192.0.2.9");
  pb::NodeAddresses moved = moved_addresses(recorded, now);
  CHECK(moved.relay());
  CHECK(moved.gateway().domain() == "gw.example");
  CHECK(moved.uplink() == "192.0.2.9");
  CHECK(moved.endpoints_size() == 1);
}
