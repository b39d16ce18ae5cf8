// mcloud cluster up | down | status | kill | cut | restore | add-node
#include "cli/cluster.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bot/nearest.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "lab/cluster.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kOnlineTimeoutMs = 60'000;

std::string absolute(const std::string& folder) {
  std::error_code failed;
  std::filesystem::path path = std::filesystem::absolute(folder, failed);
  return failed ? folder : path.lexically_normal().string();
}

// --dir is the same as --cluster, which every command has.
std::string folder_of(Desk& desk, const std::string& dir) { return absolute(dir.empty() ? desk.cluster_folder() : dir); }

// ---- up ----------------------------------------------------------------------------------------

struct UpOptions {
  std::string dir;
  uint64_t nodes = 0;
  std::string farms = "home:CH";
  std::string fence_after = "5s";
  bool detach = false;
};

class Timed {
 public:
  Timed(Desk& desk) : desk_(desk), start_ms_(desk.clock().monotonic_ms()) {}
  void operator()(const std::string& text) const { desk_.out().note(format_seconds(elapsed_ms()) + "  " + text); }
  uint64_t elapsed_ms() const { return desk_.clock().monotonic_ms() - start_ms_; }

 private:
  Desk& desk_;
  uint64_t start_ms_;
};

// Ctrl-C must end the wait, not us: what was started has to be taken down first.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~Signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  bool wait(uint64_t timeout_ms) const {
    timespec timeout{static_cast<time_t>(timeout_ms / 1000), static_cast<long>(timeout_ms % 1000 * 1'000'000)};
    return sigtimedwait(&set_, nullptr, &timeout) > 0;
  }

 private:
  sigset_t set_;
  sigset_t before_;
};

Status wait_until_online(Desk& desk, const lab::Options& options, const Timed& say) {
  bot::LedgerView* view = TRY(desk.ledger());
  uint64_t deadline = desk.clock().monotonic_ms() + kOnlineTimeoutMs;
  std::string missing;
  while (desk.clock().monotonic_ms() < deadline) {
    missing.clear();
    Result<std::vector<pb::Node>> nodes = view->nodes();
    if (!nodes && nodes.error().code != Code::Unavailable && nodes.error().code != Code::TimedOut) return nodes.error();
    for (const lab::NodeSpec& wanted : options.nodes) {
      bool online = nodes && std::ranges::any_of(*nodes, [&](const pb::Node& node) {
        return node.name() == wanted.name && node.state() == pb::NODE_ONLINE;
      });
      if (!online) missing += (missing.empty() ? "" : ", ") + wanted.name;
    }
    if (missing.empty()) return {};
    desk.out().live(format_seconds(say.elapsed_ms()) + "  waiting for " + missing);
    Result<std::optional<ledger::Head>> next = view->client().wait_for_head(view->client().head().height, 250);
    if (!next && next.error().code != Code::Unavailable && next.error().code != Code::TimedOut) return next.error();
  }
  return make_error(Code::TimedOut, "these nodes did not come online in a minute: " + missing + "; see " + options.folder + "/logs");
}

Json summary_of(const lab::Options& options, const Context& context, uint64_t elapsed_ms) {
  Json json;
  json["folder"] = options.folder;
  json["ledger"] = context.ledger[0];
  json["sink"] = context.sink;
  json["nodes"] = options.nodes.size();
  json["default_key"] = context.default_key;
  json["ready_ms"] = elapsed_ms;
  return json;
}

Status hold(Desk& desk, lab::Owner& owner) {
  Signals signals;
  desk.out().note("Ctrl-C ends the cluster; its data stays.");
  while (!owner.wait(0)) {
    if (!signals.wait(250)) continue;
    desk.out().note("ending");
    return {};
  }
  return make_error(Code::Unavailable, "the cluster has ended");
}

Status up(Desk& desk, const UpOptions& options, const ClusterMaker& maker) {
  Timed say(desk);
  ClusterSpec spec;
  spec.folder = folder_of(desk, options.dir);
  spec.nodes = options.nodes;
  spec.farms = TRY(FarmSpec::parse_list(options.farms).with_context("--farms"));
  spec.fence_after_ms = TRY(parse_duration_ms(options.fence_after).with_context("--fence-after"));
  if (lab::Cluster(spec.folder).status()) {
    return make_error(Code::Conflict, "a cluster runs in " + spec.folder + " already; see: mcloud cluster status");
  }
  lab::Options prepared = TRY(maker.prepare(spec, say));
  std::unique_ptr<lab::Owner> owner = TRY(lab::Owner::up(prepared, say));
  Globals here = desk.globals();
  here.cluster = spec.folder;
  here.ledger.clear();
  Desk inside(here, desk.out());
  TRY(wait_until_online(inside, prepared, say));
  const Context* context = TRY(inside.context());
  say(std::to_string(prepared.nodes.size()) + (prepared.nodes.size() == 1 ? " node" : " nodes") + " online");
  desk.out().document(summary_of(prepared, *context, say.elapsed_ms()));
  bool default_folder = spec.folder == absolute(Desk(Globals{}, desk.out()).cluster_folder());
  std::string where = default_folder ? "" : " --cluster " + spec.folder;
  desk.out().line("cluster up: ledger " + context->ledger[0] + ", keys in " + spec.folder + "/keys");
  desk.out().line("deploy: mcloud apply recipes/hello/contract.yaml" + where);
  if (!options.detach) return hold(desk, *owner);
  TRY(owner->release());
  desk.out().line("end it: mcloud cluster down" + where);
  return {};
}

Command cluster_up(const ClusterMaker& maker) {
  auto options = std::make_shared<UpOptions>();
  Command command("cluster up", "start a cluster of nodes on this machine");
  command.example("mcloud cluster up --detach")
      .example("mcloud cluster up --nodes 3 --farms barn:CH,shed:BE --dir /tmp/three")
      .describe("Makes a ledger, farms and the people operator, ida, lena and bob (keys without passphrase, in the cluster's\n"
                "folder only) the first time; later it goes on with what is there. Needs root. Without --detach it stays in the\n"
                "foreground and Ctrl-C ends it.")
      .option("--nodes", "N", "how many nodes, 1 to 100 (as before; the first time 5)", options->nodes)
      .option("--farms", "LIST", "farms and their countries, like barn:CH,shed:BE, or just how many (home:CH); nodes are dealt out in turn", options->farms)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .option("--fence-after", "TIME", "silence after which a node is given up, the first time (5s)", options->fence_after)
      .flag("-d,--detach", "leave it running in the background", options->detach)
      .run([options, &maker](Desk& desk) { return up(desk, *options, maker); });
  return command;
}

// ---- down, status ------------------------------------------------------------------------------

Command cluster_down() {
  auto dir = std::make_shared<std::string>();
  Command command("cluster down", "end a local cluster; its data stays");
  command.example("mcloud cluster down")
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", *dir)
      .run([dir](Desk& desk) -> Status {
        std::string folder = folder_of(desk, *dir);
        TRY(lab::Cluster(folder).down());
        desk.out().document({{"folder", folder}, {"state", "down"}});
        desk.out().line("the cluster in " + folder + " is down; start it again: mcloud cluster up");
        return {};
      });
  return command;
}

struct NodeFacts {
  std::string id;
  std::string ledger_state;
};

// By name. Empty when the ledger does not answer: the machines' own state is told all the same.
std::map<std::string, NodeFacts> ledger_facts(Desk& desk, const std::string& folder) {
  std::map<std::string, NodeFacts> facts;
  Globals here = desk.globals();
  here.cluster = folder;
  here.ledger.clear();
  Desk inside(here, desk.out());
  Result<bot::LedgerView*> view = inside.ledger();
  if (!view) return facts;
  Result<std::vector<pb::Node>> nodes = (*view)->nodes();
  if (!nodes) return facts;
  for (const pb::Node& node : *nodes) facts[node.name()] = {to_hex(node.key()), std::string(bot::node_state_name(node))};
  return facts;
}

Json json_of(const lab::ClusterStatus& status, std::map<std::string, NodeFacts>& facts) {
  Json json = {{"id", status.id}, {"folder", status.folder}, {"nodes", Json::array()}, {"links", Json::array()},
               {"services", Json::array()}, {"forwards", Json::array()}};
  for (const lab::NodeStatus& node : status.nodes) {
    json["nodes"].push_back({{"id", facts[node.name].id}, {"name", node.name}, {"address", node.address}, {"uplink", node.uplink},
                             {"state", node.state}, {"uplink_state", node.uplink_state}, {"ledger_state", facts[node.name].ledger_state},
                             {"pid1", node.pid1}, {"exit_code", node.exit_code}});
  }
  for (const lab::LinkStatus& link : status.links) json["links"].push_back({{"a", link.a}, {"b", link.b}, {"state", link.state}});
  for (const lab::ServiceStatus& service : status.services) {
    json["services"].push_back({{"name", service.name}, {"state", service.state}, {"pid", service.pid}, {"restarts", service.restarts}});
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
    std::string uplink = node.uplink + (node.uplink_state == "cut" ? " (cut)" : "");
    nodes.rows.push_back({{node.name, Tone::Strong}, {node.state, tone_of(node.state)}, {fact.ledger_state, tone_of(fact.ledger_state)}, uplink,
                          node.address, node.pid1 == 0 ? "-" : std::to_string(node.pid1), fact.id.substr(0, 8)});
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

Command cluster_status() {
  auto dir = std::make_shared<std::string>();
  Command command("cluster status", "machines, links and services of a local cluster");
  command.example("mcloud cluster status --json")
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", *dir)
      .run([dir](Desk& desk) -> Status {
        std::string folder = folder_of(desk, *dir);
        Result<lab::ClusterStatus> status = lab::Cluster(folder).status();
        if (!status && status.error().code == Code::NotFound) {
          return make_error(Code::NotFound, "no cluster runs in " + folder + "; start one: mcloud cluster up --detach");
        }
        if (!status) return status.error();
        auto facts = ledger_facts(desk, folder);
        desk.out().document(json_of(*status, facts));
        print_cluster(desk.out(), *status, facts);
        return {};
      });
  return command;
}

// ---- faults ------------------------------------------------------------------------------------

Result<lab::ClusterStatus> running(const std::string& folder, const std::vector<std::string>& nodes) {
  lab::ClusterStatus status = TRY(lab::Cluster(folder).status());
  std::vector<std::string> names;
  for (const lab::NodeStatus& node : status.nodes) names.push_back(node.name);
  for (const std::string& node : nodes) {
    if (std::ranges::find(names, node) == names.end()) return make_error(Code::NotFound, bot::not_found("node", node, names));
  }
  return status;
}

struct FaultOptions {
  std::string dir;
  std::vector<std::string> nodes;
};

void done(Desk& desk, const std::string& what, const std::vector<std::string>& nodes) {
  desk.out().document({{"done", what}, {"nodes", nodes}});
  desk.out().line(what);
}

Status kill_nodes(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  TRY(running(folder, options.nodes));
  for (const std::string& node : options.nodes) TRY(lab::Cluster(folder).kill(node));
  std::string names;
  for (const std::string& node : options.nodes) names += (names.empty() ? "" : ", ") + node;
  done(desk, "killed " + names + "; bring it back: mcloud cluster restore " + options.nodes[0], options.nodes);
  return {};
}

Status cut(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  if (options.nodes.size() > 2) return make_error(Code::Invalid, "say one node (its uplink) or two neighbours (their link)");
  bool link = options.nodes.size() == 2;
  if (link) TRY(cluster.cut(options.nodes[0], options.nodes[1]));
  else TRY(cluster.cut_uplink(options.nodes[0]));
  done(desk, link ? "the link " + options.nodes[0] + "-" + options.nodes[1] + " carries nothing now" : "the uplink of " + options.nodes[0] + " carries nothing now", options.nodes);
  return {};
}

// Whatever is wrong with it: down, uplink cut, link cut.
Status restore(Desk& desk, const FaultOptions& options) {
  std::string folder = folder_of(desk, options.dir);
  lab::ClusterStatus status = TRY(running(folder, options.nodes));
  lab::Cluster cluster(folder);
  if (options.nodes.size() > 2) return make_error(Code::Invalid, "say one node or two neighbours");
  if (options.nodes.size() == 2) {
    TRY(cluster.mend(options.nodes[0], options.nodes[1]));
  } else {
    auto node = std::ranges::find(status.nodes, options.nodes[0], &lab::NodeStatus::name);
    if (node->uplink_state == "cut") TRY(cluster.mend_uplink(node->name));
    if (node->state != "up") TRY(cluster.restore(node->name));
  }
  done(desk, options.nodes.size() == 2 ? "the link " + options.nodes[0] + "-" + options.nodes[1] + " works again" : options.nodes[0] + " is back", options.nodes);
  return {};
}

Command fault(const char* path, const char* summary, const char* example, const char* help, Status (*run)(Desk&, const FaultOptions&)) {
  auto options = std::make_shared<FaultOptions>();
  Command command(path, summary);
  command.example(example)
      .arguments("NODE", help, options->nodes, true)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .run([options, run](Desk& desk) { return run(desk, *options); });
  return command;
}

Command cluster_add_node(const ClusterMaker& maker) {
  struct Options {
    std::string dir, name, farm;
  };
  auto options = std::make_shared<Options>();
  Command command("cluster add-node", "one more node for a local cluster");
  command.example("mcloud cluster add-node n6")
      .optional_argument("NAME", "its name; none: the next nN", options->name)
      .option("--farm", "NAME", "the farm it joins (the first)", options->farm)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .run([options, &maker](Desk& desk) -> Status {
        std::string folder = folder_of(desk, options->dir);
        lab::ClusterStatus status = TRY(running(folder, {}));
        std::string name = options->name.empty() ? "n" + std::to_string(status.nodes.size() + 1) : options->name;
        lab::NodeSpec node = TRY(maker.make_node(folder, name, options->farm));
        TRY(lab::Cluster(folder).add_node(node));
        done(desk, name + " is starting; it joins in a moment, see: mcloud nodes", {name});
        return {};
      });
  return command;
}

}  // namespace

Result<std::vector<FarmSpec>> FarmSpec::parse_list(std::string_view text) {
  std::vector<FarmSpec> farms;
  bool is_number = !text.empty() && text.size() <= 3 && std::ranges::all_of(text, [](char one) { return one >= '0' && one <= '9'; });
  if (is_number) {
    int count = std::atoi(std::string(text).c_str());
    for (int i = 1; i <= count; i++) farms.push_back({"farm" + std::to_string(i), "CH"});
    text = {};
  }
  while (!text.empty()) {
    std::string one(text.substr(0, text.find(',')));
    text = one.size() == text.size() ? std::string_view() : text.substr(one.size() + 1);
    size_t colon = one.find(':');
    FarmSpec farm{one.substr(0, colon), colon == std::string::npos ? "CH" : one.substr(colon + 1)};
    TRY(wallet::check_name(farm.name));
    if (farm.country.size() != 2) return make_error(Code::Invalid, "a farm is NAME or NAME:CC with a country of two letters, like barn:CH");
    farms.push_back(std::move(farm));
  }
  if (farms.empty()) return make_error(Code::Invalid, "at least one farm, like home:CH, or a number of farms");
  return farms;
}

Commands cluster_commands(const ClusterMaker& maker) {
  return {cluster_up(maker), cluster_down(), cluster_status(),
          fault("cluster kill", "kill nodes as a power cut would", "mcloud cluster kill n2", "one or more nodes", kill_nodes),
          fault("cluster cut", "let a link or an uplink carry nothing", "mcloud cluster cut n1 n2", "two neighbours: their link; one node: its uplink", cut),
          fault("cluster restore", "undo kill and cut", "mcloud cluster restore n2", "one node, or two neighbours", restore),
          cluster_add_node(maker)};
}

}  // namespace mcloud::cli
