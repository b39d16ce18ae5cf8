// Figures of networks, of the mesh, of gateways and tunnels, as they are pushed to the sink. Pure.
// docs/reference/node.md lists them with their units.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcloud/gateway.pb.h"
#include "network/machine.h"
#include "network/wireguard.h"
#include "node/peer_book.h"

namespace mcloud::node {

struct Figure {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
  bool is_counter() const { return name.ends_with("_total"); }
};
using Figures = std::vector<Figure>;

// In Prometheus' text format, each name once with its type; what would go beyond `bytes_max` is left out.
std::string exposition(const Figures& figures, size_t bytes_max);

// Of one line of /proc/net/dev.
struct LinkFigures {
  uint64_t received_bytes = 0, received_packets = 0;
  uint64_t sent_bytes = 0, sent_packets = 0;
};
// By interface; lines that are none are passed over.
std::map<std::string, LinkFigures> parse_net_dev(std::string_view text);

struct NamedNetwork {
  std::string contract;  // 16 hex digits
  std::string name;
  uint32_t vni = 0;
};
// `between_nodes`: as the network's VXLAN device counts; `outside`: its link to the node.
void add_network_figures(const NamedNetwork& network, const LinkFigures& between_nodes, const LinkFigures& outside,
                         Figures& figures);
// What rules have dropped; rules that let pass are left out.
void add_rule_figures(const std::vector<network::RuleCounter>& rules, Figures& figures);
// `peers`: whose a WireGuard key is.
void add_mesh_figures(const std::vector<network::ActualDevice>& devices,
                      const std::map<network::WireGuardKey, NodeId>& peers, uint64_t wall_ms, Figures& figures);
void add_peer_figures(const std::map<NodeId, PeerFigures>& peers, Figures& figures);
void add_gateway_figures(const pb::GatewayState& state, Figures& figures);
void add_tunnel_figures(const pb::TunnelState& state, Figures& figures);

// How figures name a node or a contract: the first 16 hex digits of its key or id.
std::string label_of(BytesView id);

}  // namespace mcloud::node
