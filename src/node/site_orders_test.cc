#include "node/site_orders.h"

#include <doctest/doctest.h>

#include "io/file.h"
#include "node/gateway_adapter.h"
#include "node/local_networks.h"
#include "node/sample_test.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kSite = R"(
name: shop
workloads:
  net: {kind: network, range: 10.42.0.0/16, allow: []}
  web: {kind: container, image: "oci:./image", ports: {http: 80}, replicas: 2}
  site: {kind: publish, name: shop, to: "web:http", gateways: 1, tls: acme}
)";

std::string tunnelled() {
  std::string text = kSite;
  return text.insert(text.find("gateways: 1"), "exposure: tunnel, ");
}

// Port 5353 of gateways to port 53 of web.
std::string datagrams(const std::string& option) {
  std::string text = kSite;
  text.replace(text.find("{http: 80}"), 10, "{dns: 53/udp}");
  return text.replace(text.find("  site:"), std::string::npos,
                      "  site: {kind: publish, at: gateways, port: 5353, to: \"web:dns\", gateways: 1" +
                          (option.empty() ? "" : ", " + option) + "}\n");
}

void offer_gateway(pb::Node& node, const std::string& uplink) {
  node.mutable_addresses()->set_uplink(uplink);
  pb::GatewayOffer& offer = *node.mutable_addresses()->mutable_gateway();
  offer.set_domain("gw.example");
  offer.set_http_port(80);
  offer.set_https_port(443);
  offer.set_tunnel_port(7443);
}

// We are the gateway; one replica of the target is here, one on the other node.
Ledger gateway_ledger(const Sample& shop) {
  Ledger ledger;
  offer_gateway(ledger.view.node, "10.250.0.1");
  ledger.place(shop);
  ledger.move_away(shop.id, "web", 1);
  return ledger;
}

// The other node is the gateway, and all targets are here.
Ledger home_ledger(const Sample& shop) {
  Ledger ledger;
  offer_gateway(ledger.view.nodes[kOtherNode.public_key()], "10.250.0.2");
  ledger.place(shop);
  ledger.move_away(shop.id, "site", 0);
  return ledger;
}

}  // namespace

TEST_CASE("a gateway reaches each replica of a target by a way through its portal, here and elsewhere") {
  Sample shop = make(kSite);
  Ledger ledger = gateway_ledger(shop);
  Orders orders = ledger.orders();
  CHECK(orders.refusals.empty());
  REQUIRE(orders.gateway.sites_size() == 1);
  const pb::LocalSite& site = orders.gateway.sites(0);
  CHECK(site.contract_name() == "shop");
  CHECK(site.owner() == kOwner.public_key().bytes());
  CHECK(site.acme_account_key().find("PRIVATE KEY") != std::string::npos);
  CHECK(site.tls_private_key().find("PRIVATE KEY") != std::string::npos);
  REQUIRE(site.servers_size() == 2);
  const pb::LocalNetwork& network = orders.networks.at(shop.id).networks(0);
  REQUIRE(network.ways_size() == 2);
  for (int i = 0; i < 2; ++i) {
    CHECK(site.servers(i).way_port() == network.ways(i).port());
    CHECK(network.ways(i).target_port() == 80);
    CHECK(network.ways(i).portal() == orders.portals.at({shop.id, "site", 0}).netns.at(0));
  }
  CHECK(network.ways(0).port() != network.ways(1).port());
  CHECK(orders.gateway.tunnels().empty());
  CHECK(orders.gateway.domain() == "gw.example");
  // The network allows nothing but what is published.
  REQUIRE(network.allow_size() == 1);
  CHECK(network.allow(0).to_size() == 2);
  CHECK(network.allow(0).port_first() == 80);
}

TEST_CASE("targets of hidden nodes, and those that want it, come by tunnel and have no way from the gateway") {
  for (bool is_hidden : {true, false}) {
    CAPTURE(is_hidden);
    Sample shop = make(is_hidden ? kSite : tunnelled());
    Ledger ledger = gateway_ledger(shop);
    if (is_hidden) ledger.view.nodes[kOtherNode.public_key()].mutable_addresses()->set_hidden(true);
    Orders orders = ledger.orders();
    const pb::LocalSite& site = orders.gateway.sites(0);
    CHECK(site.servers(1).address().empty());
    CHECK(site.servers(0).address().empty() == !is_hidden);
    REQUIRE(orders.gateway.tunnels_size() == (is_hidden ? 1 : 2));
    bool expects_other = false;
    for (const pb::LocalTunnelPeer& peer : orders.gateway.tunnels()) {
      expects_other = expects_other || (peer.node() == kOtherNode.public_key().bytes() && peer.targets(0).index() == 1);
    }
    CHECK(expects_other);
  }
}

TEST_CASE("a node that has targets by tunnel dials each gateway and leads streams to its own members only") {
  Sample shop = make(tunnelled());
  Ledger ledger = home_ledger(shop);
  Orders orders = ledger.orders();
  REQUIRE(orders.tunnel.gateways_size() == 1);
  const pb::LocalTunnelGateway& gateway = orders.tunnel.gateways(0);
  CHECK(gateway.node() == kOtherNode.public_key().bytes());
  CHECK(gateway.endpoints(0) == "10.250.0.2:7443");
  REQUIRE(gateway.ways_size() == 2);
  const pb::LocalNetwork& network = orders.networks.at(shop.id).networks(0);
  REQUIRE(network.ways_size() == 2);
  CHECK(network.ways(0).portal().empty());
  CHECK(gateway.ways(0).port() == network.ways(0).port());
  CHECK(gateway.ways(0).address() == transit_text({1001, ""}));
  CHECK(orders.gateway.sites().empty());
}

TEST_CASE("a node without tunnelled targets dials nobody") {
  CHECK(home_ledger(make(kSite)).orders().tunnel.gateways().empty());
}

TEST_CASE("a node that is no gateway says so of a publication that was placed on it") {
  Ledger ledger;
  Sample shop = make(kSite);
  ledger.place(shop);
  Orders orders = ledger.orders();
  REQUIRE(orders.refusals.contains({shop.id, "site", 0}));
  CHECK(orders.refusals.at({shop.id, "site", 0}).message == "this node is no gateway");
  CHECK(orders.gateway.sites().empty());
}

TEST_CASE("a gateway leads datagrams through its portal to the replicas that serve, on hidden nodes too") {
  Sample shop = make(datagrams("allow: [192.0.2.0/24]"));
  Ledger ledger = gateway_ledger(shop);
  ledger.view.nodes[kOtherNode.public_key()].mutable_addresses()->set_hidden(true);
  Orders orders = ledger.orders();
  CHECK(orders.refusals.empty());
  REQUIRE(orders.gateway.sites_size() == 1);
  CHECK(orders.gateway.sites(0).servers().empty());
  CHECK(orders.gateway.tunnels().empty());
  CHECK(orders.networks.at(shop.id).networks(0).ways().empty());
  pb::LocalNetworks both = contract_networks(orders, shop.id, {{shop.id, "web", 0}, {shop.id, "web", 1}});
  REQUIRE(both.publications_size() == 1);
  const pb::LocalPublication& led = both.publications(0);
  CHECK(led.protocol() == "udp");
  CHECK(led.port() == 5353);
  CHECK(led.portal() == orders.portals.at({shop.id, "site", 0}).netns.at(0));
  CHECK(led.from(0) == "192.0.2.0/24");
  REQUIRE(led.targets_size() == 2);
  CHECK(led.targets(0).port() == 53);
  CHECK(led.targets(0).address() != led.targets(1).address());
  pb::LocalNetworks one = contract_networks(orders, shop.id, {{shop.id, "web", 1}});
  REQUIRE(one.publications(0).targets_size() == 1);
  CHECK(one.publications(0).targets(0).address() == led.targets(1).address());
  CHECK(contract_networks(orders, shop.id, {}).publications().empty());
  // The targets let the portal in, and nobody else.
  const pb::LocalAllow& rule = both.networks(0).allow(0);
  CHECK(rule.protocol() == "udp");
  CHECK(rule.port_first() == 53);
}

TEST_CASE("targets of datagrams are led to as often as their weights say, among those that serve") {
  std::string text = datagrams("");
  text.insert(text.find("  site:"), "  old: {kind: container, image: \"oci:./image\", ports: {dns: 53/udp}}\n");
  text.replace(text.find("\"web:dns\""), 9, "[{to: \"web:dns\", weight: 6}, {to: \"old:dns\", weight: 4}]");
  Sample shop = make(text);
  Orders orders = gateway_ledger(shop).orders();
  auto targets = [&](const std::set<ReplicaKey>& serving) {
    return contract_networks(orders, shop.id, serving).publications(0).targets_size();
  };
  CHECK(targets({{shop.id, "web", 0}, {shop.id, "old", 0}}) == 5);
  CHECK(targets({{shop.id, "web", 0}, {shop.id, "web", 1}, {shop.id, "old", 0}}) == 8);
  CHECK(targets({{shop.id, "old", 0}}) == 1);
}

TEST_CASE("datagrams go by tunnel when the contract says so: from home through a way, at the gateway through no portal") {
  Sample shop = make(datagrams("exposure: tunnel"));
  Orders orders = gateway_ledger(shop).orders();
  CHECK(orders.refusals.empty());
  CHECK(orders.publications.empty());  // the port is the gateway process's
  REQUIRE(orders.gateway.sites_size() == 1);
  REQUIRE(orders.gateway.sites(0).servers_size() == 2);
  CHECK(orders.gateway.sites(0).servers(0).address().empty());
  REQUIRE(orders.gateway.tunnels_size() == 2);
  CHECK(orders.gateway.tunnels(0).targets(0).udp());
  orders = home_ledger(shop).orders();
  REQUIRE(orders.tunnel.gateways_size() == 1);
  REQUIRE(orders.tunnel.gateways(0).ways_size() == 2);
  CHECK(orders.tunnel.gateways(0).ways(0).target().udp());
  const pb::LocalNetwork& network = orders.networks.at(shop.id).networks(0);
  REQUIRE(network.ways_size() == 2);
  CHECK(network.ways(0).protocol() == "udp");
  CHECK(network.ways(0).portal().empty());
  CHECK(network.ways(0).target_port() == 53);
}

TEST_CASE("a way keeps its port when other replicas come and go") {
  Sample shop = make(kSite);
  Ledger ledger = gateway_ledger(shop);
  std::map<std::string, uint32_t> ports;
  for (const pb::LocalWay& way : ledger.orders().networks.at(shop.id).networks(0).ways()) ports[way.address()] = way.port();
  ledger.view.contracts[shop.id].workloads["web"].mutable_replicas(1)->clear_node();
  const pb::LocalNetworks after = ledger.orders().networks.at(shop.id);
  REQUIRE(after.networks(0).ways_size() == 1);
  CHECK(after.networks(0).ways(0).port() == ports.at(after.networks(0).ways(0).address()));
}

TEST_CASE("endpoints of a gateway are its public addresses, else its uplink") {
  pb::NodeAddresses addresses;
  addresses.set_uplink("10.250.0.2");
  addresses.mutable_gateway()->set_tunnel_port(7443);
  CHECK(tunnel_endpoints(addresses) == std::vector<std::string>{"10.250.0.2:7443"});
  addresses.add_endpoints("2001:db8::7");
  CHECK(tunnel_endpoints(addresses) == std::vector<std::string>{"[2001:db8::7]:7443"});
}

TEST_CASE("servers get the address of their link, and are left out while it is not there") {
  Sample shop = make(kSite);
  Ledger ledger = gateway_ledger(shop);
  Orders orders = ledger.orders();
  pb::LocalGateway wanted = gateway_now(orders, {{shop.id, "web", 0}});
  CHECK(with_addresses(wanted, {}).sites(0).servers().empty());
  Transit transit{1001, orders.portals.at({shop.id, "site", 0}).netns.at(0)};
  pb::LocalGateway known = with_addresses(wanted, {{transit, *network::Ipv4::parse("198.19.0.3")}});
  REQUIRE(known.sites(0).servers_size() == 2);
  CHECK(known.sites(0).servers(0).address() == "198.19.0.3");
  CHECK(known.sites(0).servers(0).serves());
  CHECK(!known.sites(0).servers(1).serves());
}

TEST_CASE("the files of gateway and tunnel are there while they are wanted, and what was said goes with them") {
  testing::TemporaryFolder folder;
  auto adapter = GatewayAdapter::open({folder / "gateway", folder / "tunnel"}, [] { return Transits(); });
  REQUIRE(adapter.has_value());
  Sample shop = make(kSite);
  Orders orders = gateway_ledger(shop).orders();
  REQUIRE((*adapter)->want(gateway_now(orders, {}), {}).has_value());
  auto wanted = io::read_file(folder / "gateway/wanted");
  REQUIRE(wanted.has_value());
  CHECK(wire::decode<pb::LocalGateway>(*wanted, "wanted")->sites_size() == 1);
  CHECK(!io::exists(folder / "tunnel/wanted"));
  CHECK((*adapter)->gateway_state().error().code == Code::NotFound);
  pb::GatewayState state;
  state.add_sites()->set_serves(true);
  REQUIRE(io::write_file(folder / "gateway/state", wire::encode(state), io::Durability::None).has_value());
  CHECK((*adapter)->gateway_state()->sites(0).serves());
  REQUIRE((*adapter)->want({}, {}).has_value());
  CHECK(!io::exists(folder / "gateway/wanted"));
  CHECK(!io::exists(folder / "gateway/state"));
}
