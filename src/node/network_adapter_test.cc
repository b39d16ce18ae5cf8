#include "node/network_wish.h"

#include <doctest/doctest.h>

#include "node/local_networks.h"
#include "node/sample_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

TEST_CASE("what the orders say becomes networks that the network room has no complaint about") {
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  ledger.move_away(web.id, "web", 1);
  Orders orders = ledger.orders();
  network::DesiredNetworks desired;
  desired.backplane = *network::Ipv4::parse("10.251.0.1");
  REQUIRE(add_networks(web.id, contract_networks(orders, web.id, {{web.id, "web", 0}}), {}, desired).has_value());
  REQUIRE(desired.networks.size() == 1);
  CHECK(desired.networks[0].contract == web.id);
  CHECK(desired.networks[0].vni == 1001);
  CHECK(desired.networks[0].members.size() == 1);
  CHECK(desired.networks[0].members[0].interface == "eth0");
  CHECK(desired.networks[0].remotes.size() == 1);
  REQUIRE(desired.publications.size() == 1);
  CHECK(desired.publications[0].port == 8080);
  CHECK(desired.publications[0].targets[0].port == 80);
  CHECK(network::complaints(desired).empty());
}

TEST_CASE("a publication through a portal keeps its portal and who may come in") {
  pb::LocalNetworks local;
  pb::LocalPublication& published = *local.add_publications();
  published.set_protocol("udp");
  published.set_port(5353);
  published.set_portal("gate-0");
  published.add_from("192.0.2.0/24");
  network::DesiredNetworks desired;
  REQUIRE(add_networks({}, local, {}, desired).has_value());
  REQUIRE(desired.publications.size() == 1);
  CHECK(desired.publications[0].protocol == network::Publication::Protocol::Udp);
  CHECK(desired.publications[0].portal == "gate-0");
  CHECK(desired.publications[0].from == std::vector<std::string>{"192.0.2.0/24"});
}

TEST_CASE("networks that cannot be understood change nothing") {
  pb::LocalNetworks local;
  local.add_networks()->set_range("10.42.0.0/16");
  local.add_networks()->set_range("not a range");
  network::DesiredNetworks desired;
  CHECK(!add_networks({}, local, {}, desired).has_value());
  CHECK(desired.networks.empty());
}
