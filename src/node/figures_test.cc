#include "node/figures.h"

#include <doctest/doctest.h>

#include "ledger/state/test_chain.h"
#include "sink/exposition.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

const NodeId kPeer = ledger::test_key("node2").public_key();

bool has(const std::string& text, const std::string& line) { return ("\n" + text).find("\n" + line + "\n") != std::string::npos; }

Figures all() {
  Figures figures;
  add_network_figures({"0123456789abcdef", "net", 1001}, {1, 2, 3, 4}, {5, 6, 7, 8}, figures);
  add_rule_figures({{.netns = "mcloud_net_1001", .rule = "spoofed", .is_drop = true, .packets = 5, .bytes = 1},
                    {.netns = "mcloud_net_1001", .rule = "allow 1", .is_drop = false, .packets = 77, .bytes = 1}},
                   figures);
  network::ActualDevice device;
  device.device.name = "mwg0";
  device.device.netns = "mcloud_mesh";
  network::WireGuardKey known, stranger;
  known.bytes[0] = 1;
  stranger.bytes[0] = 2;
  device.figures[known] = {.last_handshake_ms = 8'000, .received_bytes = 10, .sent_bytes = 20};
  device.figures[stranger] = {.last_handshake_ms = 8'000, .received_bytes = 77, .sent_bytes = 77};
  add_mesh_figures({device}, {{known, kPeer}}, 9'500, figures);
  add_peer_figures({{kPeer, {.rtt_us = 250, .sent = 10, .lost = 1, .is_silent = true}}}, figures);
  pb::GatewayState gateway;
  pb::SiteState& site = *gateway.add_sites();
  site.set_contract(kPeer.bytes());
  site.set_workload("site");
  site.set_requests(9);
  site.set_certificate_expires_ms(5'000);
  add_gateway_figures(gateway, figures);
  pb::TunnelState tunnel;
  pb::TunnelLink& link = *tunnel.add_links();
  link.set_node(kPeer.bytes());
  link.set_is_up(true);
  add_tunnel_figures(tunnel, figures);
  return figures;
}

}  // namespace

TEST_CASE("figures of networks are what the sink takes, each name once with its type") {
  std::string text = exposition(all(), 64 << 10);
  std::string peer = "peer=\"" + label_of(kPeer.view()) + "\"";
  CHECK(has(text, "# TYPE mcloud_network_bytes_total counter"));
  CHECK(has(text, R"(mcloud_network_bytes_total{contract="0123456789abcdef",network="net",vni="1001",way="nodes",direction="out"} 3)"));
  CHECK(has(text, R"(mcloud_network_drops_total{netns="mcloud_net_1001",rule="spoofed"} 5)"));
  CHECK(has(text, "mcloud_mesh_handshake_age_seconds{device=\"mwg0\",netns=\"mcloud_mesh\"," + peer + "} 1.5"));
  CHECK(has(text, "mcloud_mesh_rtt_seconds{" + peer + "} 0.00025"));
  CHECK(has(text, "mcloud_mesh_lost_ratio{" + peer + "} 0.1"));
  CHECK(has(text, "mcloud_mesh_peer_answers{" + peer + "} 0"));
  CHECK(has(text, "mcloud_tunnel_up{" + peer + "} 1"));
  CHECK(text.find("77") == std::string::npos);  // people's devices are not told of
  auto families = sink::parse_exposition(text, {.name = "node", .value = "n1"});
  REQUIRE_MESSAGE(families.has_value(), families.error().message);
  CHECK(families->at("mcloud_gateway_requests_total").type == "counter");
  CHECK(families->at("mcloud_gateway_certificate_expires_seconds").type == "gauge");
}

TEST_CASE("figures that have no room are left out whole") {
  std::string text = exposition(all(), 700);
  CHECK(text.size() <= 700);
  CHECK(sink::parse_exposition(text, {.name = "node", .value = "n1"}).has_value());
  CHECK(exposition(all(), 10).empty());
}

TEST_CASE("links' figures are read from what the kernel prints") {
  auto links = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
      "   vx0:     111       2    0    0    0     0          0         0      333       4    0    0    0     0       0          0\n"
      "broken: 1 2\n");
  REQUIRE(links.size() == 1);
  CHECK(links["vx0"].received_bytes == 111);
  CHECK(links["vx0"].received_packets == 2);
  CHECK(links["vx0"].sent_bytes == 333);
  CHECK(links["vx0"].sent_packets == 4);
}
