#include "cli/network_figures.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/units.h"

namespace mcloud::cli {
namespace {

constexpr size_t kLabelDigits = 16;  // of a key or an id, as nodes write them

std::string label_of(const sink::Figure& figure, std::string_view name) {
  auto found = figure.labels.find(name);
  return found == figure.labels.end() ? "" : found->second;
}

// The nodes that run a part of the contract: names, and names by the beginning of their keys.
struct Nodes {
  std::set<std::string> names;
  std::map<std::string, std::string> by_key;

  explicit Nodes(const bot::NetworkFacts& facts) {
    for (const pb::Workload& workload : facts.workloads) {
      for (const pb::Replica& replica : workload.replicas()) {
        const pb::Node* node = bot::find_node(facts, replica.node());
        if (node == nullptr) continue;
        names.insert(node->name());
        by_key[to_hex(node->key()).substr(0, kLabelDigits)] = node->name();
      }
    }
  }
};

bool has_number(const bot::NetworkFacts& facts, const std::string& vni) {
  return std::ranges::any_of(facts.record.spaces(), [&](const pb::SpaceGrant& grant) { return std::to_string(grant.vni()) == vni; });
}

// "" and the mesh are the node's own.
bool is_ours(const bot::NetworkFacts& facts, const std::string& netns) {
  if (netns.empty() || netns == "mcloud_mesh") return true;
  constexpr std::string_view kNetwork = "mcloud_net_", kMember = "mcloud-";
  if (netns.starts_with(kNetwork)) return has_number(facts, netns.substr(kNetwork.size()));
  return netns.starts_with(kMember) && to_hex(facts.record.id()).starts_with(netns.substr(kMember.size(), kLabelDigits));
}

bool concerns(const bot::NetworkFacts& facts, const Nodes& nodes, const sink::Figure& figure) {
  if (std::string contract = label_of(figure, "contract"); !contract.empty()) {
    return contract == facts.record.name() || to_hex(facts.record.id()).starts_with(contract);
  }
  if (std::string vni = label_of(figure, "vni"); !vni.empty()) return has_number(facts, vni);
  if (std::string peer = label_of(figure, "peer"); !peer.empty() && !nodes.by_key.contains(peer)) return false;
  return nodes.names.contains(label_of(figure, "node")) && is_ours(facts, label_of(figure, "netns"));
}

// ---- for people --------------------------------------------------------------------------------

enum class Unit { Count, Bytes, Seconds, Ratio, YesNo, Until };

std::string rounded(double value, const char* unit) {
  char text[48];
  snprintf(text, sizeof text, value < 10 ? "%.2f %s" : "%.0f %s", value, unit);
  return text;
}

std::string value_text(const std::string& value, Unit unit, uint64_t wall_ms) {
  const double number = std::strtod(value.c_str(), nullptr);
  const uint64_t whole = number > 0 ? static_cast<uint64_t>(number) : 0;
  switch (unit) {
    case Unit::Count: return std::to_string(whole);
    case Unit::Bytes: return format_size(whole);
    case Unit::Seconds: return number < 1 ? rounded(number * 1000, "ms") : format_age(static_cast<uint64_t>(number * 1000));
    case Unit::Ratio: return rounded(number * 100, "%");
    case Unit::YesNo: return number > 0 ? "yes" : "no";
    case Unit::Until: break;
  }
  return whole * 1000 <= wall_ms ? "expired" : "in " + format_age(whole * 1000 - wall_ms);
}

struct Column {
  std::string head;
  std::string figure;                            // without "mcloud_"
  std::map<std::string, std::string> with;       // labels that it must have
  Unit unit = Unit::Count;
};
struct Sheet {
  std::vector<std::string> heads, labels;  // of the first columns: which label stands in each
  std::vector<Column> columns;
};

const std::map<std::string, std::string> kIn = {{"direction", "in"}}, kOut = {{"direction", "out"}};
std::map<std::string, std::string> carried(const std::string& way, const std::string& direction) {
  return {{"way", way}, {"direction", direction}};
}

const std::vector<Sheet>& sheets() {
  static const std::vector<Sheet> all = {
      {{"NODE", "TO"}, {"node", "to"},
       {{"ROUND TRIP", "mesh_rtt_seconds", {}, Unit::Seconds}, {"LOST", "mesh_lost_ratio", {}, Unit::Ratio}, {"ANSWERS", "mesh_peer_answers", {}, Unit::YesNo}}},
      {{"NODE", "TO", "DEVICE"}, {"node", "to", "device"},
       {{"LAST HANDSHAKE", "mesh_handshake_age_seconds", {}, Unit::Seconds}, {"SENT", "mesh_bytes_total", kOut, Unit::Bytes},
        {"RECEIVED", "mesh_bytes_total", kIn, Unit::Bytes}}},
      {{"NETWORK", "NODE"}, {"network", "node"},
       {{"TO NODES", "network_bytes_total", carried("nodes", "out"), Unit::Bytes}, {"FROM NODES", "network_bytes_total", carried("nodes", "in"), Unit::Bytes},
        {"OUT", "network_bytes_total", carried("outside", "out"), Unit::Bytes}, {"IN", "network_bytes_total", carried("outside", "in"), Unit::Bytes}}},
      {{"NODE", "IN", "RULE"}, {"node", "netns", "rule"}, {{"DROPPED", "network_drops_total", {}, Unit::Count}}},
      {{"PUBLICATION", "GATEWAY"}, {"workload", "node"},
       {{"SERVES", "gateway_serves", {}, Unit::YesNo}, {"REPLICAS", "gateway_servers_up", {}, Unit::Count}, {"REQUESTS", "gateway_requests_total", {}, Unit::Count},
        {"IN", "gateway_bytes_total", kIn, Unit::Bytes}, {"OUT", "gateway_bytes_total", kOut, Unit::Bytes},
        {"CERTIFICATE ENDS", "gateway_certificate_expires_seconds", {}, Unit::Until}}},
      {{"TUNNEL OF", "TO"}, {"node", "to"},
       {{"UP", "tunnel_up", {}, Unit::YesNo}, {"ROUND TRIP", "tunnel_rtt_seconds", {}, Unit::Seconds}, {"STREAMS", "tunnel_streams_total", {}, Unit::Count},
        {"SENT", "tunnel_bytes_total", kOut, Unit::Bytes}, {"RECEIVED", "tunnel_bytes_total", kIn, Unit::Bytes}}},
  };
  return all;
}

bool fits(const Column& column, const sink::Figure& figure) {
  return figure.name == "mcloud_" + column.figure &&
         std::ranges::all_of(column.with, [&](const auto& label) { return label_of(figure, label.first) == label.second; });
}

Table table_of(const Sheet& sheet, const std::vector<sink::Figure>& figures, uint64_t wall_ms) {
  std::map<std::vector<std::string>, std::vector<std::string>> rows;
  for (const sink::Figure& figure : figures) {
    for (size_t i = 0; i < sheet.columns.size(); ++i) {
      if (!fits(sheet.columns[i], figure)) continue;
      if (figure.name == "mcloud_network_drops_total" && figure.value == "0") continue;
      std::vector<std::string> key;
      for (const std::string& label : sheet.labels) key.push_back(label_of(figure, label));
      auto& cells = rows.try_emplace(std::move(key), sheet.columns.size()).first->second;
      cells[i] = value_text(figure.value, sheet.columns[i].unit, wall_ms);
    }
  }
  Table table{sheet.heads, {}};
  for (const Column& column : sheet.columns) table.heads.push_back(column.head);
  for (const auto& [key, cells] : rows) {
    std::vector<Cell>& row = table.rows.emplace_back();
    for (const std::string& one : key) row.emplace_back(one);
    for (const std::string& one : cells) row.emplace_back(one);
  }
  return table;
}

}  // namespace

std::vector<sink::Figure> figures_of(const bot::NetworkFacts& facts, std::vector<sink::Figure> all) {
  const Nodes nodes(facts);
  std::erase_if(all, [&](const sink::Figure& figure) { return !concerns(facts, nodes, figure); });
  for (sink::Figure& figure : all) {
    auto peer = nodes.by_key.find(label_of(figure, "peer"));
    if (peer != nodes.by_key.end()) figure.labels["to"] = peer->second;
  }
  return all;
}

void print_figures(Output& out, const std::vector<sink::Figure>& figures, uint64_t wall_ms) {
  for (const Sheet& sheet : sheets()) {
    Table table = table_of(sheet, figures, wall_ms);
    if (table.rows.empty()) continue;
    out.line("");
    out.table(table);
  }
}

}  // namespace mcloud::cli
