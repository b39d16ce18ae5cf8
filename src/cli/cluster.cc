// mcloud cluster up | add-node
#include "cli/cluster.h"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "bot/nearest.h"
#include "cli/cluster_talk.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "io/file.h"
#include "lab/cluster.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kOnlineTimeoutMs = 60'000;
constexpr uint64_t kFenceAfterMs = 5'000;
constexpr std::string_view kOperator = "operator";                      // who owns a local cluster's farms
constexpr uint64_t kFenceAfterMinMs = 500, kFenceAfterMaxMs = 600'000;  // what the ledger takes

// ---- up ----------------------------------------------------------------------------------------

struct UpOptions {
  std::string dir;
  uint64_t nodes = 0;
  uint64_t gateways = ClusterSpec::kAsBefore;
  uint64_t hidden = ClusterSpec::kAsBefore;
  std::string farms = "home:CH";
  std::string fence_after;
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

Status wait_until_online(Desk& desk, const std::string& folder, const std::vector<std::string>& wanted,
                         const Timed& say) {
  bot::LedgerView* view = TRY(desk.ledger());
  uint64_t deadline = desk.clock().monotonic_ms() + kOnlineTimeoutMs;
  std::string missing;
  while (desk.clock().monotonic_ms() < deadline) {
    missing.clear();
    Result<std::vector<pb::Node>> nodes = view->nodes();
    if (!nodes && nodes.error().code != Code::Unavailable && nodes.error().code != Code::TimedOut) return nodes.error();
    for (const std::string& name : wanted) {
      bool online = nodes && std::ranges::any_of(*nodes, [&](const pb::Node& node) {
                      return node.name() == name && node.state() == pb::NODE_ONLINE;
                    });
      if (!online) missing += (missing.empty() ? "" : ", ") + name;
    }
    if (missing.empty()) return {};
    desk.out().live(format_seconds(say.elapsed_ms()) + "  waiting for " + missing);
    Result<std::optional<ledger::Head>> next = view->client().wait_for_head(view->client().head().height, 250);
    if (!next && next.error().code != Code::Unavailable && next.error().code != Code::TimedOut) return next.error();
  }
  return make_error(Code::TimedOut,
                    "these nodes did not come online in a minute: " + missing + "; see " + folder + "/logs");
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

Result<uint64_t> parse_fence_after(const std::string& text) {
  if (text.empty()) return kFenceAfterMs;
  uint64_t fence_after = TRY(parse_time("--fence-after", text));
  if (fence_after >= kFenceAfterMinMs && fence_after <= kFenceAfterMaxMs) return fence_after;
  return make_error(Code::Invalid, "--fence-after " + text + " is out of bounds; allowed: 500ms to 10m");
}

Status up(Desk& desk, const UpOptions& options, const ClusterMaker& maker) {
  Timed say(desk);
  ClusterSpec spec;
  spec.folder = folder_of(desk, options.dir);
  spec.nodes = options.nodes;
  spec.gateways = options.gateways;
  spec.hidden = options.hidden;
  spec.farms = TRY(FarmSpec::parse_list(options.farms).with_context("--farms"));
  spec.fence_after_ms = TRY(parse_fence_after(options.fence_after));
  if (!options.fence_after.empty() && io::exists(spec.folder + "/ledger/genesis.json")) {
    return make_error(Code::Conflict, "the cluster in " + spec.folder +
                                          " has its parameters already; start it without --fence-after, then: mcloud "
                                          "parameters set fence_after=" +
                                          options.fence_after);
  }
  if (lab::Cluster(spec.folder).status()) {
    return make_error(Code::Conflict, "a cluster runs in " + spec.folder + " already; see: mcloud cluster status");
  }
  lab::Options prepared = TRY(maker.prepare(spec, say));
  std::unique_ptr<lab::Owner> owner = TRY(lab::Owner::up(prepared, say));
  Globals here = desk.globals();
  here.cluster = spec.folder;
  here.ledger.clear();
  Desk inside(here, desk.out());
  std::vector<std::string> names;
  for (const lab::NodeSpec& node : prepared.nodes) names.push_back(node.name);
  TRY(wait_until_online(inside, prepared.folder, names, say));
  const Context* context = TRY(inside.context());
  say(std::to_string(prepared.nodes.size()) + (prepared.nodes.size() == 1 ? " node" : " nodes") + " online");
  desk.out().document(summary_of(prepared, *context, say.elapsed_ms()));
  bool default_folder = spec.folder == absolute(Desk(Globals{}, desk.out()).cluster_folder());
  std::string where = default_folder ? "" : " --cluster " + spec.folder;
  desk.out().line("cluster up: ledger " + context->ledger[0] + ", keys in " + spec.folder + "/keys");
  desk.out().line("deploy: HELLO_TOKEN=any-word mcloud apply recipes/hello/contract.yaml --approve-as lena" + where);
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
      .describe(
          "Makes a ledger, farms and the people operator, ida, lena and bob (keys without passphrase, in the "
          "cluster's\n"
          "folder only) the first time; later it goes on with what is there. Needs root. Without --detach it stays in "
          "the\n"
          "foreground and Ctrl-C ends it.")
      .option("--nodes", "N", "how many nodes, 1 to 100 (as before; the first time 5)", options->nodes)
      .option("--gateways", "N", "how many of the first nodes lead strangers in (as before; the first time 2)",
              options->gateways)
      .option("--hidden", "N",
              "how many of the last nodes are behind NAT and off the ring (as before; the first time 0)",
              options->hidden)
      .option(
          "--farms", "LIST",
          "farms and their countries, like barn:CH,shed:BE, or just how many (home:CH); nodes are dealt out in turn",
          options->farms)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .option("--fence-after", "TIME", "silence after which a node is given up, for a new cluster (5s)",
              options->fence_after)
      .flag("-d,--detach", "leave it running in the background", options->detach)
      .run([options, &maker](Desk& desk) { return up(desk, *options, maker); });
  return command;
}

// ---- add-node ----------------------------------------------------------------------------------

Result<std::string> free_name(const lab::ClusterStatus& status, const std::string& wanted) {
  auto is_taken = [&](const std::string& name) {
    return std::ranges::find(status.nodes, name, &lab::NodeStatus::name) != status.nodes.end();
  };
  if (!wanted.empty() && is_taken(wanted))
    return make_error(Code::AlreadyExists, "there is a node " + wanted + " already; choose another name, or none");
  if (!wanted.empty()) return wanted;
  for (size_t number = 1;; number++) {
    if (std::string name = "n" + std::to_string(number); !is_taken(name)) return name;
  }
}

// The node's token is signed by the cluster's operator; with one for no farm, or for another's, it could never join.
Status check_farm(Desk& desk, const std::string& name) {
  bot::LedgerView* view = TRY(desk.ledger());
  std::vector<pb::Farm> farms = TRY(view->farms());
  auto farm = std::ranges::find(farms, name, &pb::Farm::name);
  if (farm == farms.end()) {
    std::vector<std::string> names;
    for (const pb::Farm& one : farms) names.push_back(one.name());
    return make_error(Code::NotFound, bot::not_found("farm", name, names));
  }
  std::string owner = view->name_of(TRY(PublicKey::from_bytes(farm->owner())));
  if (owner == kOperator) return {};
  return make_error(Code::Denied, "farm " + name + " is " + owner + "'s; nodes of a local cluster join farms of its " +
                                      std::string(kOperator));
}

struct AddOptions {
  std::string dir, name, farm;
  bool hidden = false;
};

Status add_node(Desk& desk, const AddOptions& options, const ClusterMaker& maker) {
  Timed say(desk);
  std::string folder = folder_of(desk, options.dir);
  lab::ClusterStatus status = TRY(running(folder, {}));
  std::string name = TRY(free_name(status, options.name));
  Globals here = desk.globals();
  here.cluster = folder;
  here.ledger.clear();
  Desk inside(here, desk.out());
  if (!options.farm.empty()) TRY(check_farm(inside, options.farm));
  lab::NodeSpec node = TRY(maker.make_node(folder, name, options.farm));
  node.is_hidden = options.hidden;
  TRY(lab::Cluster(folder).add_node(node));
  say("node " + name + " is starting");
  TRY(wait_until_online(inside, folder, {name}, say));
  done(desk, name + " has joined", {name});
  return {};
}

Command cluster_add_node(const ClusterMaker& maker) {
  auto options = std::make_shared<AddOptions>();
  Command command("cluster add-node", "one more node for a local cluster");
  command.example("mcloud cluster add-node n6")
      .optional_argument("NAME", "its name; none: the next nN", options->name)
      .option("--farm", "NAME", "the farm it joins (the first)", options->farm)
      .flag("--hidden", "behind NAT and off the ring", options->hidden)
      .option("--dir", "DIR", "the cluster's folder; the same as --cluster", options->dir)
      .run([options, &maker](Desk& desk) { return add_node(desk, *options, maker); });
  return command;
}

}  // namespace

Result<std::vector<FarmSpec>> FarmSpec::parse_list(std::string_view text) {
  std::vector<FarmSpec> farms;
  bool is_number =
      !text.empty() && text.size() <= 3 && std::ranges::all_of(text, [](char one) { return one >= '0' && one <= '9'; });
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
    bool country = farm.country.size() == 2 &&
                   std::ranges::all_of(farm.country, [](unsigned char letter) { return std::isupper(letter) != 0; });
    if (!country)
      return make_error(Code::Invalid, "a farm is NAME or NAME:CC with a country of two capital letters, like barn:CH");
    farms.push_back(std::move(farm));
  }
  if (farms.empty()) return make_error(Code::Invalid, "at least one farm, like home:CH, or a number of farms");
  return farms;
}

Commands cluster_commands(const ClusterMaker& maker) { return {cluster_up(maker), cluster_add_node(maker)}; }

}  // namespace mcloud::cli
