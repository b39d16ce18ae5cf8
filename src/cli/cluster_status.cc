// mcloud cluster down | status
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cluster_talk.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "lab/layout.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

Command cluster_down() {
  auto dir = std::make_shared<std::string>();
  Command command("cluster down", "end a local cluster; its data stays");
  command.example("mcloud cluster down")
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", *dir)
      .run([dir](Desk& desk) -> Status {
        std::string folder = folder_of(desk, *dir);
        bool ran = lab::Cluster(folder).status().has_value();
        TRY(lab::Cluster(folder).down());
        desk.out().document({{"folder", folder}, {"state", "down"}});
        desk.out().line(ran ? "the cluster in " + folder + " is down; start it again: mcloud cluster up"
                            : "no cluster ran in " + folder);
        return {};
      });
  return command;
}

struct NodeFacts {
  std::string id;
  std::string ledger_state;
};

constexpr uint64_t kLedgerTimeoutMs = 3'000;

// By name; empty when the ledger does not answer. The machines' own state is told all the same, and soon: who asks for
// it wants to know what is wrong.
Status read_ledger(Desk& desk, const std::string& folder, std::map<std::string, NodeFacts>& facts) {
  Globals here = desk.globals();
  here.cluster = folder;
  here.ledger.clear();
  Desk inside(here, desk.out());
  inside.set_ledger_timeout_ms(kLedgerTimeoutMs);
  bot::LedgerView* view = TRY(inside.ledger());
  for (const pb::Node& node : TRY(view->nodes()))
    facts[node.name()] = {to_hex(node.key()), std::string(bot::node_state_name(node))};
  return {};
}

Json json_of(const lab::ClusterStatus& status, std::map<std::string, NodeFacts>& facts) {
  Json json = {{"id", status.id},        {"folder", status.folder},   {"nodes", Json::array()},
               {"links", Json::array()}, {"services", Json::array()}, {"forwards", Json::array()}};
  for (const lab::NodeStatus& node : status.nodes) {
    json["nodes"].push_back({{"id", facts[node.name].id},
                             {"name", node.name},
                             {"address", node.address},
                             {"uplink", node.uplink},
                             {"state", node.state},
                             {"uplink_state", node.uplink_state},
                             {"hidden", node.is_hidden},
                             {"gateway", node.is_gateway},
                             {"ledger_state", facts[node.name].ledger_state},
                             {"pid1", node.pid1},
                             {"exit_code", node.exit_code}});
  }
  for (const lab::LinkStatus& link : status.links)
    json["links"].push_back({{"a", link.a}, {"b", link.b}, {"state", link.state}});
  for (const lab::ServiceStatus& service : status.services) {
    json["services"].push_back(
        {{"name", service.name}, {"state", service.state}, {"pid", service.pid}, {"restarts", service.restarts}});
  }
  for (const lab::ForwardStatus& forward : status.forwards) {
    json["forwards"].push_back({{"name", forward.name}, {"port", forward.port}, {"targets", forward.targets}});
  }
  return json;
}

Tone tone_of(const std::string& state) { return state == "up" || state == "online" ? Tone::Good : Tone::Bad; }

void print_cluster(Output& out, const lab::ClusterStatus& status, std::map<std::string, NodeFacts>& facts) {
  Table nodes{{"NODE", "MACHINE", "LEDGER SAYS", "UPLINK", "BACKPLANE", "PID 1", "ID"}, {}};
  for (const lab::NodeStatus& node : status.nodes) {
    const NodeFacts& fact = facts[node.name];
    std::string uplink =
        node.uplink + (node.is_hidden ? " (behind NAT)" : "") + (node.uplink_state == "cut" ? " (cut)" : "");
    nodes.rows.push_back({{node.name, Tone::Strong},
                          {node.state, tone_of(node.state)},
                          {fact.ledger_state.empty() ? "-" : fact.ledger_state, tone_of(fact.ledger_state)},
                          uplink,
                          node.is_hidden ? "-" : node.address,
                          node.pid1 == 0 ? "-" : std::to_string(node.pid1),
                          fact.id.substr(0, 8)});
  }
  out.table(nodes);
  std::string cut;
  for (const lab::LinkStatus& link : status.links) {
    if (link.state == "cut") cut += (cut.empty() ? "" : ", ") + link.a + "-" + link.b;
  }
  out.line("\nring: " + std::to_string(status.links.size()) + " links" + (cut.empty() ? ", all up" : "; cut: " + cut));
  for (const lab::ServiceStatus& service : status.services) {
    std::string restarts = service.restarts == 0 ? "" : ", " + std::to_string(service.restarts) + " restarts";
    out.line(service.name + ": " + paint(service.state, tone_of(service.state), out.colour()) + restarts);
  }
}

// Where names of contracts are found by a browser on this machine.
void print_gateways(Output& out, const lab::ClusterStatus& status) {
  auto url = [&](const char* forward, const std::string& scheme) {
    auto found = std::ranges::find(status.forwards, forward, &lab::ForwardStatus::name);
    if (found == status.forwards.end() || found->targets.empty()) return std::string();
    return scheme + "://NAME." + lab::kGatewayDomain + ":" + std::to_string(found->port);
  };
  std::string http = url("gateway-http", "http"), https = url("gateway-https", "https");
  if (!http.empty()) out.line("gateways: " + http + (https.empty() ? "" : ", " + https));
}

Command cluster_status() {
  auto dir = std::make_shared<std::string>();
  Command command("cluster status", "machines, links and services of a local cluster");
  command.example("mcloud cluster status --json")
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", *dir)
      .run([dir](Desk& desk) -> Status {
        std::string folder = folder_of(desk, *dir);
        Result<lab::ClusterStatus> status = lab::Cluster(folder).status();
        if (!status && status.error().code == Code::NotFound) return no_cluster(folder);
        if (!status) return status.error();
        std::map<std::string, NodeFacts> facts;
        Status answered = read_ledger(desk, folder, facts);
        Json json = json_of(*status, facts);
        json["ledger_error"] = answered ? "" : answered.error().message;
        desk.out().document(json);
        print_cluster(desk.out(), *status, facts);
        print_gateways(desk.out(), *status);
        if (!answered)
          desk.out().line(paint("the ledger does not answer: ", Tone::Bad, desk.out().colour()) +
                          printable(answered.error().message));
        return {};
      });
  return command;
}

}  // namespace

Commands cluster_status_commands() { return {cluster_down(), cluster_status()}; }

}  // namespace mcloud::cli
