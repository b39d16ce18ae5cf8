// mcloud top
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>  // waits for the next look

#include "base/units.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/top_rates.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kLook = std::chrono::seconds(2);
constexpr uint64_t kOnceMs = 25'000;  // nodes push every 10 s: two pushes of each

std::string shown(const std::optional<double>& processors) {
  if (!processors.has_value()) return "...";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", *processors);
  return text;
}

std::string rate(const std::optional<double>& bytes) {
  return bytes.has_value() ? format_size(static_cast<uint64_t>(*bytes)) + "/s" : "...";
}

std::string share(uint64_t used, uint64_t total) { return format_size(used) + " of " + format_size(total); }

Json number(const std::optional<double>& value) { return value.has_value() ? Json(*value) : Json(nullptr); }

// Contracts by what people call them.
std::map<std::string, std::string> names_of(bot::LedgerView& view) {
  std::map<std::string, std::string> names;
  if (auto contracts = view.contracts()) {
    for (const pb::Contract& contract : *contracts) names[to_hex(contract.id()).substr(0, 16)] = contract.name();
  }
  return names;
}

Json json_of(const Top& top, const std::map<std::string, std::string>& names) {
  Json nodes = Json::array(), replicas = Json::array();
  for (const NodeUse& use : top.nodes()) {
    nodes.push_back({{"node", use.node},
                     {"cpu", number(use.cpu)},
                     {"load", use.load},
                     {"memory_used", use.memory_used},
                     {"memory_total", use.memory_total},
                     {"disk_used", use.disk_used},
                     {"disk_total", use.disk_total},
                     {"network_in", number(use.network_in)},
                     {"network_out", number(use.network_out)},
                     {"containers", use.containers}});
  }
  for (const ReplicaUse& use : top.replicas()) {
    auto name = names.find(use.contract);
    replicas.push_back({{"contract", name == names.end() ? use.contract : name->second},
                        {"workload", use.workload},
                        {"index", use.index},
                        {"node", use.node},
                        {"cpu", number(use.cpu)},
                        {"memory", use.memory},
                        {"pids", use.pids}});
  }
  return {{"nodes", std::move(nodes)}, {"replicas", std::move(replicas)}};
}

void show(Output& out, const Top& top, const std::map<std::string, std::string>& names, size_t replicas_max) {
  Table nodes{{"NODE", "CPU", "LOAD", "MEMORY", "DISK", "NETWORKS IN", "OUT", "CONTAINERS"}, {}};
  for (const NodeUse& use : top.nodes()) {
    char load[32];
    std::snprintf(load, sizeof load, "%.2f", use.load);
    nodes.rows.push_back({{use.node, Tone::Strong}, shown(use.cpu), load, share(use.memory_used, use.memory_total),
                          share(use.disk_used, use.disk_total), rate(use.network_in), rate(use.network_out),
                          std::to_string(use.containers)});
  }
  out.table(nodes);
  out.line("");
  Table replicas{{"REPLICA", "NODE", "CPU", "MEMORY", "PROCESSES"}, {}};
  std::vector<ReplicaUse> all = top.replicas();
  for (const ReplicaUse& use : all) {
    if (replicas.rows.size() == replicas_max) break;
    auto name = names.find(use.contract);
    std::string what = (name == names.end() ? use.contract : name->second) + "/" + use.workload + "-" + use.index;
    replicas.rows.push_back({{what, Tone::Strong}, use.node, shown(use.cpu), format_size(use.memory), std::to_string(use.pids)});
  }
  out.table(replicas);
  if (all.size() > replicas_max) out.line("and " + std::to_string(all.size() - replicas_max) + " more (--rows)");
}

bool knows_rates(const Top& top) {
  std::vector<NodeUse> nodes = top.nodes();
  std::vector<ReplicaUse> replicas = top.replicas();
  return !nodes.empty() && std::ranges::all_of(replicas, [](const ReplicaUse& use) { return use.cpu.has_value(); });
}

struct Options {
  bool once = false;
  uint64_t rows = 30;
};

Status watch_top(Desk& desk, const Options& options) {
  const Context* context = TRY(desk.context());
  if (context->sink.empty()) return make_error(Code::Unavailable, "no sink is known, to which nodes push what they measure");
  bot::LedgerView* view = TRY(desk.ledger());
  Top figures;
  for (uint64_t begun = desk.clock().monotonic_ms();;) {
    std::vector<sink::Figure> all = TRY(sink::read_figures(context->sink, "node_"));
    for (sink::Figure& figure : TRY(sink::read_figures(context->sink, "mcloud_network_bytes_total"))) all.push_back(std::move(figure));
    figures.add(all, desk.clock().monotonic_ms());
    bool is_done = options.once && (knows_rates(figures) || desk.clock().monotonic_ms() - begun > kOnceMs);
    if (!options.once || is_done) {
      std::map<std::string, std::string> names = names_of(*view);
      if (options.once) desk.out().document(json_of(figures, names));
      else desk.out().document_line(json_of(figures, names));
      desk.out().page();
      show(desk.out(), figures, names, options.rows);
    } else {
      desk.out().live("waiting for the next figures of each node (10 s)");
    }
    if (is_done) return {};
    std::this_thread::sleep_for(kLook);
  }
}

Command top_command() {
  auto options = std::make_shared<Options>();
  Command command("top", "who uses how much: nodes and replicas");
  command.example("mcloud top --once --json")
      .describe("From what nodes push every 10 s, so rates appear after the second time. CPU is in processors. Until Ctrl-C.")
      .flag("--once", "one picture, once rates are known", options->once)
      .option("--rows", "N", "so many replicas at most (30)", options->rows)
      .run([options](Desk& desk) { return watch_top(desk, *options); });
  return command;
}

}  // namespace

Commands top_commands() { return {top_command()}; }

}  // namespace mcloud::cli
