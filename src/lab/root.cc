#include "lab/root.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "lab/channel.h"
#include "lab/node_host.h"
#include "lab/services.h"
#include "lab/wiring.h"
#include "network/netns.h"
#include "wire/json.h"

namespace mcloud::lab {
namespace {

using nlohmann::json;

constexpr unsigned kCleanupSecondsMax = 10;

json error_json(const Error& error) { return {{"code", code_name(error.code)}, {"message", error.message}}; }

class Root {
 public:
  static Result<std::unique_ptr<Root>> create(const std::string& folder, Channel channel);
  Status bring_up();
  void run() { poller_->run(); }
  void report(const Error& error) { tell({{"event", "failed"}, {"error", error_json(error)}}); }
  // Everything in this pid namespace but us ends.
  void end_all();

 private:
  Root(Options options, Cgroups cgroups, Channel channel, std::unique_ptr<Poller> poller)
      : options_(std::move(options)),
        channel_(std::move(channel)),
        poller_(std::move(poller)),
        surroundings_{{options_.folder}, std::move(cgroups), cluster_id(options_.folder), options_.node_command},
        services_(surroundings_.folders, *poller_, [this](const Services::Running& service) {
          tell({{"event", "process"}, {"name", service.spec.name}}, service.child->pidfd());
        }) {}

  void tell(const json& body, int descriptor = -1);
  void on_channel();
  void on_signal();
  void reap_orphans();
  Result<json> obey(const json& request);

  Status start_node(NodeHost& node);
  Status connect(NodeHost& node, const io::Fd& netns);
  void node_ended(NodeHost& node);
  Result<NodeHost*> node_of(const json& request, std::string_view key);
  Result<RingLink> link_of(const json& request);
  std::vector<RingLink> ring() const;
  Status apply_cut(const RingLink& link);
  Status apply_uplink_cut(NodeHost& node);
  Status set_link(const json& request, Traffic traffic);
  Status set_uplink(const json& request, Traffic traffic);
  Status add_node(const json& request);
  Status make_room();
  json status() const;

  Options options_;
  Channel channel_;
  std::unique_ptr<Poller> poller_;
  io::Fd signals_;
  NodeHost::Surroundings surroundings_;
  Services services_;
  std::vector<std::unique_ptr<NodeHost>> nodes_;
  std::set<size_t> cut_links_;    // by the node they lead from
  std::set<size_t> cut_uplinks_;  // by node
};

Result<std::unique_ptr<Root>> Root::create(const std::string& folder, Channel channel) {
  std::string text = TRY(io::read_file(Folders{folder}.plan()));
  Options options = TRY(options_from_json(text));
  Cgroups cgroups = TRY(Cgroups::find());
  auto poller = TRY(Poller::create());
  std::unique_ptr<Root> root(new Root(std::move(options), std::move(cgroups), std::move(channel), std::move(poller)));
  root->signals_ = TRY(signal_descriptor({SIGTERM, SIGINT, SIGCHLD, SIGPIPE}));
  TRY(root->poller_->add(root->signals_.get(), EPOLLIN, [raw = root.get()](uint32_t) { raw->on_signal(); }));
  TRY(root->poller_->add(root->channel_.fd(), EPOLLIN, [raw = root.get()](uint32_t) { raw->on_channel(); }));
  return root;
}

Status Root::bring_up() {
  TRY(wire_root());
  for (const ServiceSpec& service : options_.services) {
    tell({{"event", "progress"}, {"text", "starting " + service.name}});
    TRY(services_.add(service));
  }
  for (const NodeSpec& spec : options_.nodes) {
    nodes_.push_back(std::make_unique<NodeHost>(surroundings_, spec, nodes_.size() + 1));
  }
  for (auto& node : nodes_) {
    tell({{"event", "progress"}, {"text", "starting node " + node->name()}});
    TRY(start_node(*node));
  }
  tell({{"event", "ready"}});
  return {};
}

void Root::end_all() {
  // As pid 1: every process of this namespace but ourselves.
  ::kill(-1, SIGKILL);
  for (auto& node : nodes_) node->finish();
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  // The keeper does this too, but it may be what was killed.
  surroundings_.cgroups.leave();
  static_cast<void>(surroundings_.cgroups.remove(surroundings_.cluster, 1'000));
}

void Root::tell(const json& body, int descriptor) {
  Status sent = channel_.send(wire::json_text(body), descriptor);
  if (!sent.has_value()) poller_->stop();
}

void Root::on_channel() {
  auto packet = channel_.receive();
  if (!packet.has_value() || !packet->has_value()) return poller_->stop();
  auto request = wire::parse_json((*packet)->text);
  if (!request.has_value()) return log::error("lab", "a request is not JSON");
  json answer = {{"id", request->value("id", uint64_t{0})}};
  auto result = obey(*request);
  if (result.has_value()) {
    answer["result"] = std::move(result).value();
  } else {
    answer["error"] = error_json(result.error());
  }
  tell(answer);
}

void Root::on_signal() {
  while (int number = take_signal(signals_)) {
    if (number == SIGCHLD) reap_orphans();
    if (number == SIGTERM || number == SIGINT) poller_->stop();
  }
}

// What services leave behind comes to us. Our own children are reaped by their owners.
void Root::reap_orphans() {
  std::set<int> owned;
  for (const auto& node : nodes_) {
    if (node->is_up()) owned.insert(node->child()->pid());
  }
  for (const auto& service : services_.all()) {
    if (service->child != nullptr) owned.insert(service->child->pid());
  }
  siginfo_t ended{};
  while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) {
    if (owned.contains(ended.si_pid)) return;
    ::waitpid(ended.si_pid, nullptr, WNOHANG);
    ended = {};
  }
}

Result<json> Root::obey(const json& request) {
  std::string command = TRY(wire::json_string(request, "command"));
  if (command == "status") return status();
  if (command == "kill") {
    NodeHost* node = TRY(node_of(request, "node"));
    if (!node->is_up()) return make_error(Code::Conflict, "node " + node->name() + " is down already");
    node->kill();
    node_ended(*node);
  } else if (command == "restore") {
    NodeHost* node = TRY(node_of(request, "node"));
    TRY(start_node(*node));
  } else if (command == "cut-link") {
    TRY(set_link(request, Traffic::Cut));
  } else if (command == "mend-link") {
    TRY(set_link(request, Traffic::Flows));
  } else if (command == "cut-uplink") {
    TRY(set_uplink(request, Traffic::Cut));
  } else if (command == "mend-uplink") {
    TRY(set_uplink(request, Traffic::Flows));
  } else if (command == "add-node") {
    TRY(add_node(request));
  } else {
    return make_error(Code::Unsupported, "the cluster's root knows no command \"" + command + "\"");
  }
  return json::object();
}

Status Root::start_node(NodeHost& node) {
  if (node.is_up()) return make_error(Code::Conflict, "node " + node.name() + " is up already");
  TRY(node.write_configs(ring()));
  io::Fd netns = TRY(network::create_netns());
  TRY(wire_node(netns, node.is_hidden() ? "" : backplane_address(node.index())));
  TRY(node.is_hidden() ? connect_hidden_uplink(netns, node.index()) : connect_uplink(netns, node.index()));
  TRY(connect(node, netns));
  TRY(node.start(netns));
  TRY(poller_->add(node.child()->pidfd(), EPOLLIN, [this, &node](uint32_t) { node_ended(node); }));
  tell({{"event", "process"}, {"name", node.name()}}, node.child()->pidfd());
  for (const RingLink& link : ring()) {
    if (link.from == node.index() || link.to == node.index()) TRY(apply_cut(link));
  }
  return apply_uplink_cut(node);
}

std::vector<RingLink> Root::ring() const {
  std::vector<size_t> members;
  for (const auto& node : nodes_) {
    if (!node->is_hidden()) members.push_back(node->index());
  }
  return ring_of(members);
}

// Cables to the neighbours that are up; the others bring their own when they start.
Status Root::connect(NodeHost& node, const io::Fd& netns) {
  for (const RingLink& link : ring()) {
    bool forward = link.from == node.index();
    if (!forward && link.to != node.index()) continue;
    const NodeHost& other = *nodes_[(forward ? link.to : link.from) - 1];
    if (!other.is_up()) continue;
    io::Fd there = TRY(other.netns());
    TRY(forward ? connect_ring(link, netns, there) : connect_ring(link, there, netns));
  }
  return {};
}

void Root::node_ended(NodeHost& node) {
  poller_->remove(node.child()->pidfd());
  node.finish();
  log::info("lab", "a node ended", {{"node", node.name()}, {"exit", std::to_string(node.exit_code())}});
  Status gone = disconnect_uplink(node.index());
  if (!gone.has_value()) log::warning("lab", "uplink stays", {{"reason", gone.error().message}});
}

Result<NodeHost*> Root::node_of(const json& request, std::string_view key) {
  std::string name = TRY(wire::json_string(request, key));
  std::string known;
  for (auto& node : nodes_) {
    if (node->name() == name) return node.get();
    known += (known.empty() ? "" : ", ") + node->name();
  }
  return make_error(Code::NotFound, "there is no node \"" + name + "\"; there are " + known);
}

Result<RingLink> Root::link_of(const json& request) {
  NodeHost* a = TRY(node_of(request, "a"));
  NodeHost* b = TRY(node_of(request, "b"));
  auto links = ring();
  for (const RingLink& link : links) {
    if (link.from == a->index() && link.to == b->index()) return link;
  }
  for (const RingLink& link : links) {
    if (link.to == a->index() && link.from == b->index()) return link;
  }
  return make_error(Code::NotFound, "nodes " + a->name() + " and " + b->name() + " are not neighbours on the ring");
}

Status Root::apply_cut(const RingLink& link) {
  Traffic traffic = cut_links_.contains(link.from) ? Traffic::Cut : Traffic::Flows;
  const NodeHost& from = *nodes_[link.from - 1];
  const NodeHost& to = *nodes_[link.to - 1];
  if (!from.is_up() || !to.is_up()) return {};
  io::Fd from_netns = TRY(from.netns());
  io::Fd to_netns = TRY(to.netns());
  TRY(set_traffic(from_netns, kRingNext, traffic));
  return set_traffic(to_netns, kRingPrevious, traffic);
}

Status Root::apply_uplink_cut(NodeHost& node) {
  if (!node.is_up()) return {};
  Traffic traffic = cut_uplinks_.contains(node.index()) ? Traffic::Cut : Traffic::Flows;
  io::Fd netns = TRY(node.netns());
  TRY(set_traffic(netns, kUplinkInterface, traffic));
  return set_uplink_traffic(node.index(), traffic);
}

Status Root::set_link(const json& request, Traffic traffic) {
  RingLink link = TRY(link_of(request));
  if (traffic == Traffic::Cut) {
    cut_links_.insert(link.from);
  } else {
    cut_links_.erase(link.from);
  }
  return apply_cut(link);
}

Status Root::set_uplink(const json& request, Traffic traffic) {
  NodeHost* node = TRY(node_of(request, "node"));
  if (traffic == Traffic::Cut) {
    cut_uplinks_.insert(node->index());
  } else {
    cut_uplinks_.erase(node->index());
  }
  return apply_uplink_cut(*node);
}

// The new node comes between the last and the first one.
Status Root::add_node(const json& request) {
  Options changed = options_;
  changed.nodes.push_back({TRY(wire::json_string(request, "name")), TRY(wire::json_string(request, "config")),
                           request.value("hidden", false), request.value("gateway", false)});
  TRY(check(changed));
  TRY(io::write_file(surroundings_.folders.plan(), to_json(changed), io::Durability::None, 0600));
  options_ = std::move(changed);
  if (!options_.nodes.back().is_hidden) TRY(make_room());
  NodeHost& added =
      *nodes_.emplace_back(std::make_unique<NodeHost>(surroundings_, options_.nodes.back(), nodes_.size() + 1));
  for (auto& node : nodes_) TRY(node->write_configs(ring()));
  for (auto& node : nodes_) {
    Status reloaded = node->reload_routing();
    if (!reloaded.has_value())
      log::warning("lab", "routing keeps its old neighbours", {{"reason", reloaded.error().message}});
  }
  return start_node(added);
}

Status Root::make_room() {
  auto links = ring();
  if (links.empty()) return {};
  NodeHost& last = *nodes_[links.back().from - 1];
  cut_links_.erase(last.index());
  if (!last.is_up()) return {};
  io::Fd netns = TRY(last.netns());
  return disconnect_ring(netns);
}

json Root::status() const {
  json out = {{"nodes", json::array()}, {"links", json::array()}, {"services", json::array()}};
  for (const auto& node : nodes_) {
    out["nodes"].push_back({{"name", node->name()},
                            {"address", node->is_hidden() ? "" : backplane_address(node->index())},
                            {"uplink", node->uplink()},
                            {"hidden", node->is_hidden()},
                            {"gateway", node->is_gateway()},
                            {"uplink_state", cut_uplinks_.contains(node->index()) ? "cut" : "up"},
                            {"state", node->is_up() ? "up" : "down"},
                            {"exit", node->exit_code()}});
  }
  for (const RingLink& link : ring()) {
    out["links"].push_back({{"a", nodes_[link.from - 1]->name()},
                            {"b", nodes_[link.to - 1]->name()},
                            {"state", cut_links_.contains(link.from) ? "cut" : "up"}});
  }
  for (const auto& service : services_.all()) {
    out["services"].push_back({{"name", service->spec.name},
                               {"state", service->child != nullptr ? "up" : "down"},
                               {"restarts", service->restarts},
                               {"exit", service->exit_code}});
  }
  return out;
}

}  // namespace

int run_root(const std::string& folder, int channel_descriptor) {
  Channel channel{io::Fd(channel_descriptor)};
  auto root = Root::create(folder, Channel(io::Fd(::dup(channel_descriptor))));
  if (!root.has_value()) {
    static_cast<void>(channel.send(wire::json_text({{"event", "failed"}, {"error", error_json(root.error())}})));
    return 1;
  }
  // A keeper that is killed lets us remove our control groups, which outlive processes; if that hangs, the
  // alarm ends us and the kernel the rest.
  struct sigaction give_up{};
  give_up.sa_handler = [](int) { ::_exit(1); };
  ::sigaction(SIGALRM, &give_up, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  Status up = (*root)->bring_up();
  if (up.has_value()) {
    (*root)->run();
  } else {
    (*root)->report(up.error());
  }
  ::alarm(kCleanupSecondsMax);
  (*root)->end_all();
  return up.has_value() ? 0 : 1;
}

}  // namespace mcloud::lab
