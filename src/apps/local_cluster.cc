#include "apps/local_cluster.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bot/ledger_view.h"
#include "bot/send.h"
#include "crypto/box.h"
#include "io/clock.h"
#include "io/file.h"
#include "lab/cluster.h"
#include "lab/layout.h"
#include "ledger/engine/server.h"
#include "wallet/token_text.h"
#include "wallet/transactions.h"
#include "wallet/wallet.h"
#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::apps {
namespace {

using Json = nlohmann::ordered_json;
using Progress = std::function<void(const std::string&)>;

constexpr uint16_t kLedgerPort = 7100;
constexpr uint16_t kSinkPort = 7200;
constexpr const char* kOperator = "operator";
constexpr const char* kPeople[] = {"ida", "lena", "bob"};
constexpr size_t kNodesFirst = 5;
constexpr size_t kGatewaysFirst = 2;  // cost nothing until somebody publishes a name
constexpr uint64_t kTokenLifeMs = 24ull * 3'600'000;

std::string hub_endpoint(uint16_t port) {
  return std::string("http://") + lab::kHubAddress + ":" + std::to_string(port);
}

struct Places {
  std::string folder;
  std::string keys() const { return folder + "/keys"; }
  std::string ledger() const { return folder + "/ledger"; }
  std::string trust() const { return folder + "/trust.json"; }
  std::string farms() const { return folder + "/farms.json"; }
};

// The cluster's own people: their keys lie in its folder only, without a passphrase.
Result<std::vector<ledger::GenesisMember>> make_people(const Places& places) {
  wallet::TerminalPassphrase unused;
  wallet::Wallet demo({places.keys()}, unused);
  for (const char* name : {kOperator, kPeople[0], kPeople[1], kPeople[2]}) {
    Result<wallet::KeyInfo> made = demo.create(name, wallet::Wallet::Passphrase::None);
    if (!made && made.error().code != Code::AlreadyExists) return made.error();
  }
  // A key of the user's own hides the demo key of the same name, as it does for every command.
  wallet::Wallet all({wallet::default_key_folder(), places.keys()}, unused);
  std::vector<ledger::GenesisMember> members;
  for (const wallet::KeyInfo& key : TRY(all.list())) members.push_back({key.name, key.public_key});
  return members;
}

Result<ledger::Trust> make_ledger(const Places& places, uint64_t fence_after_ms, const Progress& progress) {
  if (Result<ledger::LedgerFolder> existing = ledger::load_ledger_folder(places.ledger())) return existing->trust;
  std::vector<ledger::GenesisMember> members = TRY(make_people(places));
  pb::Parameters parameters = ledger::default_parameters(members);
  parameters.set_fence_after_ms(fence_after_ms);
  std::string chain_id = "local-" + to_hex(crypto::random_bytes(4));
  io::SystemClock clock;
  ledger::Trust trust = TRY(ledger::init_ledger(places.ledger(), chain_id, members, parameters, clock));
  // What an earlier chain in this folder was known by.
  TRY(io::remove_tree(places.folder + "/client-head"));
  progress("new ledger " + chain_id + " with " + std::to_string(members.size()) + " members");
  return trust;
}

// The operator's key; always the cluster's own, whatever keys the user has.
Result<crypto::SigningKey> operator_key(const Places& places) {
  wallet::TerminalPassphrase unused;
  wallet::Wallet demo({places.keys()}, unused);
  return demo.unlock(kOperator);
}

// Farms need a ledger that runs; it is served here, in this process, before the cluster's own starts.
Status make_farms(const Places& places, const ledger::Trust& trust, const std::vector<cli::FarmSpec>& farms,
                  const Progress& progress) {
  ledger::Server::Options served;
  served.data_folder = places.ledger();
  served.workers = 1;
  std::unique_ptr<ledger::Server> server = TRY(ledger::Server::start(served));
  io::SystemClock clock;
  ledger::Client::Options wanted;
  wanted.endpoints = {"http://127.0.0.1:" + std::to_string(server->port())};
  wanted.trust = trust;
  std::unique_ptr<ledger::Client> client = TRY(ledger::Client::open(wanted, clock));
  bot::LedgerView view(*client);
  std::vector<pb::Farm> existing = TRY(view.farms());
  crypto::SigningKey owner = TRY(operator_key(places));
  for (const cli::FarmSpec& farm : farms) {
    if (std::ranges::any_of(existing, [&](const pb::Farm& one) { return one.name() == farm.name; })) continue;
    TRY(bot::send(*client, owner, wallet::create_farm(farm.name, farm.country)));
    progress("farm " + farm.name + " in " + farm.country);
  }
  return {};
}

// All nodes share this machine: each offers its CPUs whole (they are shared by weight) and its part of memory and disk.
Json capacity_of(const std::string& folder, size_t nodes) {
  uint64_t cores = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  uint64_t memory = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE));
  struct statvfs disk{};
  uint64_t free = ::statvfs(folder.c_str(), &disk) == 0 ? static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize : 0;
  uint64_t share = std::max<size_t>(nodes, 1) * 5;  // four fifths of the machine in all
  return {{"cpu_milli", cores * 1000},
          {"memory_bytes", memory * 4 / share},
          {"disk_bytes", free * 4 / share},
          {"pids", 16'384}};
}

struct NodePlan {
  std::string name;
  std::string farm;
  size_t nodes = 1;
  bool is_hidden = false;
  bool is_gateway = false;
};

Result<lab::NodeSpec> node_spec(const Places& places, const ledger::Trust& trust, const crypto::SigningKey& owner,
                                const NodePlan& plan) {
  io::SystemClock clock;
  pb::SignedJoinToken token = wallet::join_token(owner, trust.chain_id, plan.farm, clock.wall_ms() + kTokenLifeMs);
  Json config;
  config["ledger"] = {hub_endpoint(kLedgerPort)};
  config["trust"] = Json::parse(trust.to_json(), nullptr, false);
  config["sink"] = hub_endpoint(kSinkPort);
  config["token"] = wallet::token_text(token, wallet::mesh_secret(owner, plan.farm));
  config["capacity"] = capacity_of(places.folder, plan.nodes);
  config["labels"] = {{"node", plan.name}};  // so that a contract may name one
  config["bridges"] = {{"hall", "hall"}};    // a physical network to try; who tries it lays its wire to the node
  return lab::NodeSpec{plan.name, config.dump(), plan.is_hidden, plan.is_gateway};
}

std::string context_json(const Places& places, const ledger::Trust& trust) {
  size_t slash = places.folder.rfind('/');
  Json context;
  context["format"] = 1;
  context["name"] = places.folder.substr(slash + 1);
  context["default_key"] = kPeople[0];
  context["trust"] = Json::parse(trust.to_json(), nullptr, false);
  return context.dump();
}

std::vector<lab::ServiceSpec> services(const std::string& program, const Places& places) {
  std::string ledger = hub_endpoint(kLedgerPort);
  auto port = [](uint16_t number) { return std::to_string(number); };
  return {
      {"ledger",
       {program, "ledger", "serve", "--data", places.ledger(), "--host", lab::kHubAddress, "--port", port(kLedgerPort)},
       {}},
      {"sink",
       {program, "sink", "serve", "--data", places.folder + "/sink", "--host", lab::kHubAddress, "--port",
        port(kSinkPort), "--ledger", ledger, "--trust", places.trust()},
       {}},
      {"publisher", {program, "lab", "publish", places.folder, "--ledger", ledger, "--trust", places.trust()}, {}},
  };
}

Status remember_farms(const Places& places, const std::vector<cli::FarmSpec>& farms) {
  Json list = Json::array();
  for (const cli::FarmSpec& farm : farms) list.push_back(farm.name);
  return io::write_file(places.farms(), list.dump() + "\n", io::Durability::None, 0600);
}

Result<std::string> first_farm(const Places& places) {
  std::string text = TRY(io::read_file(places.farms(), 64 << 10));
  nlohmann::json list = TRY(wire::parse_json(text));
  if (!list.is_array() || list.empty() || !list[0].is_string())
    return make_error(Code::Corrupt, places.farms() + " names no farm");
  return list[0].get<std::string>();
}

// The nodes the cluster had, in the order of their ring, so that each keeps its addresses.
std::vector<NodePlan> nodes_before(const Places& places) {
  std::vector<NodePlan> plans;
  Result<std::string> text = io::read_file(lab::Folders{places.folder}.plan());
  if (!text) return plans;
  Result<lab::Options> before = lab::options_from_json(*text);
  if (!before) return plans;
  for (const lab::NodeSpec& node : before->nodes) {
    plans.push_back({.name = node.name, .farm = {}, .is_hidden = node.is_hidden, .is_gateway = node.is_gateway});
  }
  return plans;
}

// Which nodes there are and what each is to the others: gateways are the first ones, hidden are the last ones.
Result<std::vector<NodePlan>> cast_nodes(const Places& places, const cli::ClusterSpec& spec) {
  std::vector<NodePlan> plans = nodes_before(places);
  bool is_new = plans.empty();
  size_t count = spec.nodes != 0 ? spec.nodes : is_new ? kNodesFirst : plans.size();
  for (size_t number = 1; plans.size() < count; number++) {
    std::string name = "n" + std::to_string(number);
    if (std::ranges::find(plans, name, &NodePlan::name) == plans.end()) plans.push_back({.name = name, .farm = {}});
  }
  plans.resize(count);
  uint64_t hidden = spec.hidden, gateways = spec.gateways;
  if (is_new && hidden == cli::ClusterSpec::kAsBefore) hidden = 0;
  if (is_new && gateways == cli::ClusterSpec::kAsBefore) {
    gateways = std::min<uint64_t>(kGatewaysFirst, count - std::min<uint64_t>(hidden, count));
  }
  for (size_t i = 0; i < count; i++) {
    if (hidden != cli::ClusterSpec::kAsBefore) plans[i].is_hidden = i + hidden >= count;
    if (gateways != cli::ClusterSpec::kAsBefore) plans[i].is_gateway = i < gateways;
    plans[i].farm = spec.farms[i % spec.farms.size()].name;
    plans[i].nodes = count;
    if (plans[i].is_hidden && plans[i].is_gateway) {
      return make_error(Code::Invalid, "--gateways and --hidden together are more than the " + std::to_string(count) +
                                           " nodes; a hidden node cannot be a gateway");
    }
  }
  return plans;
}

std::vector<lab::ForwardSpec> forwards(const std::vector<NodePlan>& plans) {
  auto hub = [](uint16_t port) { return std::string(lab::kHubAddress) + ":" + std::to_string(port); };
  std::vector<lab::ForwardSpec> out = {{"ledger", 0, {hub(kLedgerPort)}, 0}, {"sink", 0, {hub(kSinkPort)}, 0}};
  lab::ForwardSpec http{"gateway-http", 0, {}, 0}, https{"gateway-https", 0, {}, 0};
  for (size_t i = 0; i < plans.size(); i++) {
    if (!plans[i].is_gateway) continue;
    std::string address = lab::uplink_address(i + 1) + ":";
    http.targets.push_back(address + std::to_string(lab::kGatewayHttpPort));
    https.targets.push_back(address + std::to_string(lab::kGatewayHttpsPort));
  }
  if (http.targets.empty()) return out;
  out.push_back(std::move(http));
  out.push_back(std::move(https));
  return out;
}

Result<lab::Options> prepare(const std::string& program, const cli::ClusterSpec& spec, const Progress& progress) {
  if (::geteuid() != 0)
    return make_error(Code::Denied,
                      "a local cluster needs root: namespaces, bridges and mounts; try: sudo mcloud cluster up");
  if (spec.nodes > lab::kNodesMax) {
    return make_error(Code::Invalid,
                      "--nodes is 1 to " + std::to_string(lab::kNodesMax) + ", not " + std::to_string(spec.nodes));
  }
  Places places{spec.folder};
  TRY(io::make_folders(spec.folder, 0700));
  ledger::Trust trust = TRY(make_ledger(places, spec.fence_after_ms, progress));
  TRY(io::write_file(places.trust(), trust.to_json(), io::Durability::None, 0644));
  TRY(make_farms(places, trust, spec.farms, progress).with_context("make the farms"));
  TRY(remember_farms(places, spec.farms));
  crypto::SigningKey owner = TRY(operator_key(places));
  lab::Options options;
  options.folder = spec.folder;
  options.self = {program, "lab"};
  options.node_command = {program, "node", "init"};
  options.services = services(program, places);
  std::vector<NodePlan> plans = TRY(cast_nodes(places, spec));
  for (const NodePlan& plan : plans) options.nodes.push_back(TRY(node_spec(places, trust, owner, plan)));
  options.forwards = forwards(plans);
  options.context_json = context_json(places, trust);
  return options;
}

Result<lab::NodeSpec> make_node(const std::string& folder, const std::string& name, const std::string& farm) {
  Places places{folder};
  ledger::LedgerFolder loaded = TRY(ledger::load_ledger_folder(places.ledger()));
  crypto::SigningKey owner = TRY(operator_key(places));
  lab::ClusterStatus status = TRY(lab::Cluster(folder).status());
  NodePlan plan{.name = name, .farm = farm, .nodes = status.nodes.size() + 1};
  if (plan.farm.empty()) plan.farm = TRY(first_farm(places));
  return node_spec(places, loaded.trust, owner, plan);
}

}  // namespace

cli::ClusterMaker local_cluster_maker(std::string program) {
  cli::ClusterMaker maker;
  maker.prepare = [program](const cli::ClusterSpec& spec, const Progress& progress) {
    return prepare(program, spec, progress);
  };
  maker.make_node = make_node;
  return maker;
}

}  // namespace mcloud::apps
