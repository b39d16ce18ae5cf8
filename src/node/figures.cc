#include "node/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "sink/exposition.h"

namespace mcloud::node {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

void add(const std::string& name, Labels labels, double value, Figures& figures) {
  figures.push_back({name, std::move(labels), value});
}

Labels with(Labels labels, const std::string& name, const std::string& value) {
  labels.emplace_back(name, value);
  return labels;
}

void add_both_ways(const std::string& name, const Labels& labels, double in, double out, Figures& figures) {
  add(name, with(labels, "direction", "in"), in, figures);
  add(name, with(labels, "direction", "out"), out, figures);
}

std::string text_of(const Figure& figure) {
  std::string labels;
  for (const auto& [name, value] : figure.labels) labels += (labels.empty() ? "" : ",") + name + "=" + sink::quoted_label(value);
  return fmt::format("{}{} {}\n", figure.name, labels.empty() ? "" : "{" + labels + "}", figure.value);
}

}  // namespace

std::string label_of(BytesView id) { return to_hex(id.substr(0, 8)); }

std::string exposition(const Figures& figures, size_t bytes_max) {
  std::map<std::string, std::vector<const Figure*>> families;
  for (const Figure& figure : figures) families[figure.name].push_back(&figure);
  std::string text;
  for (const auto& [name, family] : families) {
    std::string type = fmt::format("# TYPE {} {}\n", name, family[0]->is_counter() ? "counter" : "gauge");
    bool is_begun = false;
    for (const Figure* figure : family) {
      std::string line = (is_begun ? "" : type) + text_of(*figure);
      if (text.size() + line.size() > bytes_max) return text;
      text += line;
      is_begun = true;
    }
  }
  return text;
}

std::map<std::string, LinkFigures> parse_net_dev(std::string_view text) {
  std::map<std::string, LinkFigures> links;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream name_word(line.substr(0, colon)), words(line.substr(colon + 1));
    std::string name;
    uint64_t columns[16] = {};
    size_t count = 0;
    while (count < 16 && words >> columns[count]) ++count;
    if (count < 10 || !(name_word >> name)) continue;
    links[name] = {columns[0], columns[1], columns[8], columns[9]};
  }
  return links;
}

void add_network_figures(const NamedNetwork& network, const LinkFigures& between_nodes, const LinkFigures& outside,
                         Figures& figures) {
  Labels labels = {{"contract", network.contract}, {"network", network.name}, {"vni", std::to_string(network.vni)}};
  auto add_link = [&](const std::string& way, const LinkFigures& link) {
    Labels of = with(labels, "way", way);
    add_both_ways("mcloud_network_bytes_total", of, static_cast<double>(link.received_bytes),
                  static_cast<double>(link.sent_bytes), figures);
    add_both_ways("mcloud_network_packets_total", of, static_cast<double>(link.received_packets),
                  static_cast<double>(link.sent_packets), figures);
  };
  add_link("nodes", between_nodes);
  add_link("outside", outside);
}

void add_rule_figures(const std::vector<network::RuleCounter>& rules, Figures& figures) {
  for (const network::RuleCounter& rule : rules) {
    if (!rule.is_drop) continue;
    add("mcloud_network_drops_total", {{"netns", rule.netns}, {"rule", rule.rule}}, static_cast<double>(rule.packets), figures);
  }
}

void add_mesh_figures(const std::vector<network::ActualDevice>& devices,
                      const std::map<network::WireGuardKey, NodeId>& peers, uint64_t wall_ms, Figures& figures) {
  for (const network::ActualDevice& device : devices) {
    for (const auto& [key, peer] : device.figures) {
      auto node = peers.find(key);
      if (node == peers.end()) continue;  // a person's device: not the node's to tell of
      Labels labels = {{"device", device.device.name}, {"netns", device.device.netns}, {"peer", label_of(node->second.view())}};
      add_both_ways("mcloud_mesh_bytes_total", labels, static_cast<double>(peer.received_bytes),
                    static_cast<double>(peer.sent_bytes), figures);
      if (peer.last_handshake_ms == 0) continue;
      uint64_t age_ms = wall_ms > peer.last_handshake_ms ? wall_ms - peer.last_handshake_ms : 0;
      add("mcloud_mesh_handshake_age_seconds", labels, static_cast<double>(age_ms) / 1000, figures);
    }
  }
}

void add_peer_figures(const std::map<NodeId, PeerFigures>& peers, Figures& figures) {
  for (const auto& [node, peer] : peers) {
    Labels labels = {{"peer", label_of(node.view())}};
    add("mcloud_mesh_peer_answers", labels, peer.is_silent ? 0 : 1, figures);
    if (peer.rtt_us != 0) add("mcloud_mesh_rtt_seconds", labels, static_cast<double>(peer.rtt_us) / 1e6, figures);
    if (peer.sent == 0) continue;
    add("mcloud_mesh_lost_ratio", labels, static_cast<double>(peer.lost) / static_cast<double>(peer.sent), figures);
  }
}

void add_gateway_figures(const pb::GatewayState& state, Figures& figures) {
  for (const pb::SiteState& site : state.sites()) {
    Labels labels = {{"contract", label_of(site.contract())}, {"workload", site.workload()}};
    add("mcloud_gateway_requests_total", labels, static_cast<double>(site.requests()), figures);
    add_both_ways("mcloud_gateway_bytes_total", labels, static_cast<double>(site.bytes_in()),
                  static_cast<double>(site.bytes_out()), figures);
    add("mcloud_gateway_servers_up", labels, site.servers_up(), figures);
    add("mcloud_gateway_serves", labels, site.serves() ? 1 : 0, figures);
    if (site.certificate_expires_ms() == 0) continue;
    add("mcloud_gateway_certificate_expires_seconds", labels, static_cast<double>(site.certificate_expires_ms()) / 1000, figures);
  }
}

void add_tunnel_figures(const pb::TunnelState& state, Figures& figures) {
  for (const pb::TunnelLink& link : state.links()) {
    Labels labels = {{"peer", label_of(link.node())}};
    add("mcloud_tunnel_up", labels, link.is_up() ? 1 : 0, figures);
    add("mcloud_tunnel_streams_total", labels, static_cast<double>(link.streams()), figures);
    add_both_ways("mcloud_tunnel_bytes_total", labels, static_cast<double>(link.bytes_in()),
                  static_cast<double>(link.bytes_out()), figures);
    if (link.rtt_us() != 0) add("mcloud_tunnel_rtt_seconds", labels, static_cast<double>(link.rtt_us()) / 1e6, figures);
  }
}

}  // namespace mcloud::node
