// mcloud network show
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/network_desk.h"
#include "cli/network_figures.h"
#include "cli/show.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

// ---- as JSON -----------------------------------------------------------------------------------

Json json_of_network(const bot::NetworkView& view) {
  Json json = {{"name", view.name},           {"vni", view.vni},
               {"range", view.range},         {"range6", view.range6},
               {"encryption", bot::encryption_name(view.encryption)}, {"bridge", view.bridge},
               {"restricted", view.is_restricted}, {"rules", view.rules}};
  json["members"] = Json::array();
  for (const bot::NetworkMember& member : view.members) {
    json["members"].push_back({{"name", member.name()},      {"workload", member.workload},
                               {"index", member.index},      {"kind", member.kind},
                               {"address", member.address},  {"address6", member.address6},
                               {"node", member.node},        {"state", bot::replica_state_name(member.state)},
                               {"serves", member.serves}});
  }
  json["devices"] = Json::array();
  for (const bot::NetworkDevice& device : view.devices) {
    json["devices"].push_back({{"name", device.name}, {"owner_name", device.owner}, {"address", device.address},
                               {"address6", device.address6}, {"since_ms", device.since_ms}});
  }
  json["access"] = Json::array();
  for (const bot::AccessPoint& point : view.access) {
    json["access"].push_back({{"index", point.index}, {"node", point.node}, {"endpoint", point.endpoint}, {"serves", point.serves}});
  }
  json["reach"] = Json::array();
  for (const bot::Reach& reach : view.reach) {
    json["reach"].push_back({{"from", reach.from}, {"to", reach.to}, {"allowed", reach.is_allowed}, {"what", reach.what}});
  }
  json["paths"] = Json::array();
  for (const bot::NodePath& path : view.paths) {
    json["paths"].push_back({{"from", path.from}, {"to", path.to}, {"way", bot::way_name(path.way)}, {"relay", path.relay},
                             {"works", path.works()}, {"encrypted", path.is_encrypted}, {"preshared", path.is_preshared},
                             {"text", path.text}, {"problem", path.problem}});
  }
  return json;
}

Json json_of_publication(const bot::PublicationView& view) {
  Json json = {{"workload", view.workload}, {"mode", view.mode}, {"hosts", view.hosts},
               {"port", view.port},         {"ends_tls", view.ends_tls}};
  json["gateways"] = Json::array();
  for (const bot::GatewayView& gateway : view.gateways) {
    json["gateways"].push_back({{"node", gateway.node}, {"address", gateway.address}, {"serves", gateway.serves}});
  }
  json["targets"] = Json::array();
  for (const bot::TargetView& target : view.targets) {
    json["targets"].push_back({{"replica", target.replica}, {"port", target.port}, {"node", target.node},
                               {"serves", target.serves}, {"tunnel", target.is_by_tunnel}});
  }
  return json;
}

// ---- for people --------------------------------------------------------------------------------

std::string carrier_text(const bot::NetworkView& view) {
  switch (view.encryption) {
    case pb::ENCRYPTION_WIREGUARD: return "encrypted between nodes by WireGuard";
    case pb::ENCRYPTION_DEDICATED: return "encrypted between nodes by a WireGuard device of its own";
    default: return view.bridge.empty() ? "not encrypted, on the backplane of one farm" : "bridged to " + view.bridge;
  }
}

void print_members(Output& out, const bot::NetworkView& view) {
  Table table{{"MEMBER", "ADDRESS", "IPV6", "NODE", "STATE"}, {}};
  for (const bot::NetworkMember& member : view.members) {
    table.rows.push_back({{member.name(), Tone::Strong},
                          member.address,
                          member.address6,
                          member.node.empty() ? Cell("none", Tone::Bad) : Cell(member.node),
                          {std::string(bot::replica_state_name(member.state)) + (member.serves ? "" : ", not in the names"),
                           member.serves ? Tone::Good : Tone::Warning}});
  }
  for (const bot::NetworkDevice& device : view.devices) {
    table.rows.push_back({{"device:" + device.name, Tone::Strong}, device.address, device.address6, "",
                          {"of " + device.owner, Tone::Faint}});
  }
  out.table(table);
}

void print_reach(Output& out, const bot::NetworkView& view) {
  if (!view.is_restricted) {
    out.line("all members reach each other; nobody else does");
    return;
  }
  Table table{{"FROM", "", "TO", "MAY OPEN"}, {}};
  for (const bot::Reach& reach : view.reach) {
    table.rows.push_back({{reach.from, Tone::Strong},
                          {reach.is_allowed ? "-->" : "-x-", reach.is_allowed ? Tone::Good : Tone::Faint},
                          {reach.to, Tone::Strong},
                          {reach.what, reach.is_allowed ? Tone::Plain : Tone::Faint}});
  }
  out.table(table);
}

void print_paths(Output& out, const bot::NetworkView& view) {
  if (view.paths.empty()) return;
  out.line("");
  Table table{{"NODES", "", "WAY", "PRESHARED"}, {}};
  for (const bot::NodePath& path : view.paths) {
    table.rows.push_back({{path.from + " -- " + path.to, Tone::Strong},
                          {path.works() ? "up" : "down", path.works() ? Tone::Good : Tone::Bad},
                          path.works() ? path.text : path.problem,
                          !path.is_encrypted ? "not encrypted" : path.is_preshared ? "yes" : "no"});
  }
  out.table(table);
}

void print_network(Output& out, const std::string& contract, const bot::NetworkView& view) {
  out.line(paint(contract + "/" + view.name, Tone::Strong, out.colour()) + "  " + view.range + ", " + view.range6 +
           ", number " + std::to_string(view.vni) + ", " + carrier_text(view));
  for (const bot::AccessPoint& point : view.access) {
    out.line("devices come in at " + (point.endpoint.empty() ? "nowhere: " + point.node + " takes no calls" : point.endpoint) +
             (point.node.empty() ? "" : " on " + point.node) + (point.serves ? "" : ", which does not run yet"));
  }
  print_members(out, view);
  out.line("");
  print_reach(out, view);
  print_paths(out, view);
}

void print_publications(Output& out, const std::vector<bot::PublicationView>& views) {
  if (views.empty()) return;
  out.line("");
  Table table{{"PUBLICATION", "AT", "ON", "LEADS TO"}, {}};
  for (const bot::PublicationView& view : views) {
    std::string at = view.port == 0 ? view.mode : view.mode + " " + std::to_string(view.port), on, to;
    for (const std::string& host : view.hosts) at += " " + host;
    for (const bot::GatewayView& gateway : view.gateways) {
      on += (on.empty() ? "" : ", ") + (gateway.node.empty() ? "no place yet" : gateway.node) + (gateway.serves ? "" : " (not serving)");
    }
    for (const bot::TargetView& target : view.targets) {
      to += (to.empty() ? "" : ", ") + target.replica + ":" + std::to_string(target.port) +
            (target.is_by_tunnel ? " by tunnel" : "") + (target.serves ? "" : " (not serving)");
    }
    table.rows.push_back({{view.workload, Tone::Strong}, at, on, to});
  }
  out.table(table);
}

// ---- figures -----------------------------------------------------------------------------------

std::vector<sink::Figure> load_figures(const Context& context, const bot::NetworkFacts& facts, std::string& problem) {
  if (context.sink.empty()) return problem = "no sink is known here", std::vector<sink::Figure>();
  std::vector<sink::Figure> all;
  for (const char* prefix : {"mcloud_network_", "mcloud_mesh_", "mcloud_gateway_", "mcloud_tunnel_"}) {
    Result<std::vector<sink::Figure>> some = sink::read_figures(context.sink, prefix);
    if (!some) return problem = some.error().message, std::vector<sink::Figure>();
    std::ranges::move(*some, std::back_inserter(all));
  }
  return figures_of(facts, std::move(all));
}

void print_figures_or_why(Desk& desk, const std::vector<sink::Figure>& figures, const std::string& problem) {
  if (!figures.empty()) return print_figures(desk.out(), figures, desk.clock().wall_ms());
  desk.out().line("");
  desk.out().line("no figures: " + (problem.empty() ? "no node has pushed any within a minute" : problem));
}

// ---- the command -------------------------------------------------------------------------------

Status show_one(Desk& desk, const std::string& text, bool with_figures) {
  const NetworkName name = TRY(parse_network_name(text));
  bot::LedgerView* view = TRY(desk.ledger());
  pb::Contract record = TRY(desk.get_contract(name.contract));
  bot::NetworkFacts facts = TRY(bot::load_network_facts(*view, record));
  std::vector<bot::NetworkView> networks;
  for (const std::string& one : name.network.empty() ? bot::networks_of(facts) : std::vector<std::string>{name.network}) {
    networks.push_back(TRY(bot::view_network(facts, one)));
  }
  std::vector<bot::PublicationView> publications = bot::view_publications(facts);
  Json json = {{"contract", record.name()}, {"networks", Json::array()}, {"publications", Json::array()}};
  for (const bot::NetworkView& network : networks) json["networks"].push_back(json_of_network(network));
  for (const bot::PublicationView& publication : publications) json["publications"].push_back(json_of_publication(publication));
  json["figures"] = Json::array();
  std::string problem;
  std::vector<sink::Figure> figures;
  if (with_figures) {
    const Context* context = TRY(desk.context());
    figures = load_figures(*context, facts, problem);
    for (const sink::Figure& figure : figures) {
      json["figures"].push_back({{"name", figure.name}, {"labels", figure.labels}, {"value", figure.value}});
    }
  }
  desk.out().document(json);
  for (size_t i = 0; i < networks.size(); ++i) {
    if (i > 0) desk.out().line("");
    print_network(desk.out(), record.name(), networks[i]);
  }
  if (networks.empty()) desk.out().line("contract " + record.name() + " has no network");
  print_publications(desk.out(), publications);
  if (with_figures) print_figures_or_why(desk, figures, problem);
  return {};
}

Status show_all(Desk& desk) {
  bot::LedgerView* view = TRY(desk.ledger());
  Json list = Json::array();
  Table table{{"NETWORK", "NUMBER", "RANGE", "ADDRESSES", "DEVICES", "OWNER"}, {}};
  for (const pb::Contract& contract : TRY(view->contracts())) {
    if (!bot::is_live(contract)) continue;
    for (const pb::SpaceGrant& grant : contract.spaces()) {
      std::string owner = view->name_of(PublicKey::from_bytes(contract.owner()).value_or(PublicKey()));
      list.push_back({{"contract", contract.name()}, {"name", grant.name()}, {"vni", grant.vni()}, {"range", grant.range()},
                      {"leases", grant.leases_size()}, {"devices", grant.devices_size()}, {"owner_name", owner}});
      table.rows.push_back({{contract.name() + "/" + grant.name(), Tone::Strong}, std::to_string(grant.vni()), grant.range(),
                            std::to_string(grant.leases_size()), std::to_string(grant.devices_size()), owner});
    }
  }
  desk.out().document({{"networks", list}});
  if (list.empty())
    desk.out().line("no networks; contracts with `kind: network` have them");
  else
    desk.out().table(table);
  return {};
}

}  // namespace

Command network_show_command() {
  struct Options {
    std::string network;
    bool figures = false;
  };
  auto options = std::make_shared<Options>();
  Command command("network show", "who reaches whom in a contract's networks, and by which way");
  command.example("mcloud network show team/office")
      .example("mcloud network show team --figures")
      .describe(
          "Members and devices, who may open connections to whom, the way between each two nodes and whether it is\n"
          "encrypted with a preshared key (WireGuard's only step against quantum computers), and what is published.")
      .optional_argument("NETWORK", "CONTRACT or CONTRACT/NETWORK; none: a list of all networks", options->network)
      .flag("--figures", "also what nodes and gateways measured, from the sink", options->figures)
      .run([options](Desk& desk) {
        return options->network.empty() ? show_all(desk) : show_one(desk, options->network, options->figures);
      });
  return command;
}

}  // namespace mcloud::cli
