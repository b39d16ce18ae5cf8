#include "network/machine.h"

#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <map>
#include <tuple>

#include "base/log.h"
#include "network/aliases.h"
#include "network/devices.h"
#include "network/firewall.h"
#include "network/flows.h"
#include "network/members.h"
#include "network/mesh.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/rules_read.h"
#include "network/spaces.h"

namespace mcloud::network {
namespace {

constexpr std::string_view kNetworkPrefix = "mcloud_net_";
constexpr std::string_view kContainerPrefix = "mcloud-";

std::optional<uint32_t> vni_after(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  uint32_t vni = 0;
  auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), vni);
  if (error != std::errc() || rest != name.data() + name.size()) return std::nullopt;
  return vni;
}

// Which network a step belongs to; 0 = none.
uint32_t vni_of(const NetworkStep& step) {
  return std::visit(
      [](const auto& one) -> uint32_t {
        if constexpr (requires { one.vni; }) {
          return one.vni;
        } else if constexpr (requires { one.shape.vni; }) {
          return one.shape.vni;
        } else {
          return 0;
        }
      },
      step);
}

}  // namespace

struct Machine::Inside {
  std::string folder;
  std::optional<Nft> nft;  // of the node

  std::string network_path(uint32_t vni) const {
    return folder + "/" + std::string(kNetworkPrefix) + std::to_string(vni);
  }
  std::string container_path(const std::string& netns) const {
    return folder + "/" + std::string(kContainerPrefix) + netns;
  }
  std::string mesh_path() const { return folder + "/" + kMeshNetns; }
  Surroundings around() const { return {mesh_path()}; }
  Result<io::Fd> network(uint32_t vni) const { return open_netns(network_path(vni)); }
  Result<io::Fd> container(const std::string& netns) const { return open_netns(container_path(netns)); }

  Status run_on_node(const std::string& rules) {
    if (!nft.has_value()) nft = TRY(Nft::open());
    return nft->run(rules);
  }
  Status run_in(const std::string& path, const std::string& rules) {
    io::Fd netns = TRY(open_netns(path));
    NetnsScope scope = TRY(NetnsScope::enter(netns));
    return run_nft(rules);
  }

  Status run(const EnableForwarding&) { return set_net_sysctl("ipv4/ip_forward", "1"); }
  Status run(const EnableForwarding6&);
  Status run(const SetNodeFirewall& step);
  Status run(const RemoveNodeFirewall&) { return run_nft(nft_remove_table("inet", kTable)); }
  Status run(const SetMeshFirewall& step) { return run_in(mesh_path(), step.rules); }
  Status run(const RemoveMeshFirewall&) { return run_in(mesh_path(), nft_remove_table("inet", kTable)); }
  Status run(const ChangeSources& step);
  Status run(const CreateNetwork& step);
  Status run(const RemoveNetwork& step);
  Status run(const RepairUnderlay& step);
  Status run(const SetNetworkFirewall& step);
  Status run(const SetPeer& step) { return in_network(step.vni, set_peer, step.node); }
  Status run(const RemovePeer& step) { return in_network(step.vni, remove_peer, step.node); }
  Status run(const SetRemote& step) { return in_network(step.vni, set_remote, step.remote); }
  Status run(const RemoveRemote& step) { return in_network(step.vni, remove_remote, step.address); }
  Status run(const CreateNetns& step);
  Status run(const RemoveNetns& step) { return unpin_netns(container_path(step.netns)); }
  Status run(const SetNetnsFirewall& step) { return in_container(step.netns, set_space_firewall, step); }
  Status run(const RemoveNetnsFirewall& step);
  Status run(const AttachMember& step);
  Status run(const DetachMember& step);
  Status run(const ConnectPortal& step) { return in_container(step.shape.netns, connect_portal, step.shape); }
  Status run(const DisconnectPortal& step) { return disconnect_portal(step.transit); }
  Status run(const SetProxied& step) { return in_container(step.netns, set_proxied, step); }
  Status run(const RemoveProxied& step) { return in_container(step.netns, remove_proxied, step.device); }

  template <typename Argument>
  Status in_network(uint32_t vni, Status (*act)(const io::Fd&, Argument), const auto& argument) {
    io::Fd netns = TRY(network(vni));
    return act(netns, argument);
  }
  template <typename Argument>
  Status in_container(const std::string& netns, Status (*act)(const io::Fd&, Argument), const auto& argument) {
    io::Fd space = TRY(container(netns));
    return act(space, argument);
  }

  Status read_spaces(ActualNetworks& out) const;
  Status read_some_spaces(const Scope& scope, ActualNetworks& out) const;
  Status read_network_space(uint32_t vni, ActualNetworks& out) const;
  Status read_container_space(const std::string& name, ActualNetworks& out) const;
  Status read_container(const std::string& netns, const io::Fd& space, ActualNetworks& out) const;
  Status read_mesh(bool with_sources, ActualNetworks& out) const;
  static Status read_node_links(const Scope& scope, ActualNetworks& out);
};

// A node that takes its own routes from routers goes on doing so: forwarding would end it.
Status Machine::Inside::run(const EnableForwarding6&) {
  for (const std::string& name : TRY(io::list_folder("/proc/sys/net/ipv6/conf"))) {
    auto accepts = net_sysctl("ipv6/conf/" + name + "/accept_ra");
    if (accepts.has_value() && *accepts == "1") TRY(set_net_sysctl("ipv6/conf/" + name + "/accept_ra", "2"));
  }
  return set_net_sysctl("ipv6/conf/all/forwarding", "1");
}

Status Machine::Inside::run(const SetNodeFirewall& step) {
  TRY(run_on_node(step.rules));
  TRY(forget_flows(step.settlement.led, Leaders::Others));
  return run_on_node(step.settlement.rules);
}

Status Machine::Inside::run(const SetNetworkFirewall& step) {
  io::Fd netns = TRY(network(step.vni));
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  Nft firewall = TRY(Nft::open());
  TRY(firewall.run(step.rules));
  TRY(forget_flows(step.settlement.led, Leaders::Ours));
  return firewall.run(step.settlement.rules);
}

Status Machine::Inside::run(const ChangeSources& step) {
  std::string set = std::string(" element inet ") + kTable + " " + kSources + " { ";
  std::string rules;
  auto change = [&](const char* what, const std::vector<VxlanSource>& sources) {
    if (!sources.empty()) rules += what + set + source_elements({sources.begin(), sources.end()}) + " }\n";
  };
  // Added first, so that removing an absent one is no error.
  change("add", step.removed);
  change("delete", step.removed);
  change("add", step.added);
  return step.underlay == Underlay::Plain ? run_on_node(rules) : run_in(mesh_path(), rules);
}

Status Machine::Inside::run(const CreateNetwork& step) {
  TRY(run(RemoveNetwork{step.shape.vni}));
  io::Fd made = TRY(build_network(step.shape, around()));
  return pin_netns(made, network_path(step.shape.vni));
}

Status Machine::Inside::run(const RemoveNetwork& step) {
  std::string path = network_path(step.vni);
  auto there = open_netns(path);
  if (there.has_value()) {
    TRY(dismantle_network(*there, step.vni));
  } else {
    Links links = TRY(Links::open());
    TRY(links.remove(transit_interface(step.vni)));
  }
  return unpin_netns(path);
}

Status Machine::Inside::run(const RepairUnderlay& step) {
  io::Fd netns = TRY(network(step.shape.vni));
  return repair_underlay(netns, step.shape, around());
}

Status Machine::Inside::run(const CreateNetns& step) {
  std::string path = container_path(step.netns);
  TRY(unpin_netns(path));
  io::Fd made = TRY(build_container_netns());
  return pin_netns(made, path);
}

Status Machine::Inside::run(const RemoveNetnsFirewall& step) {
  io::Fd space = TRY(container(step.netns));
  return remove_space_firewall(space);
}

Status Machine::Inside::run(const AttachMember& step) {
  io::Fd netns = TRY(network(step.vni));
  io::Fd space = TRY(container(step.member.netns));
  return attach_member(netns, space, step);
}

Status Machine::Inside::run(const DetachMember& step) {
  auto netns = network(step.vni);
  if (!netns.has_value()) return {};
  return detach_member(*netns, step.address);
}

Status Machine::Inside::read_container(const std::string& netns, const io::Fd& space, ActualNetworks& out) const {
  NetnsScope scope = TRY(NetnsScope::enter(space));
  std::string revision = TRY(firewall_revision());
  if (revision.empty()) return {};
  out.netns_firewalls[netns] = revision;
  // Only portals forward, and have rules for it.
  if (TRY(net_sysctl("ipv4/ip_forward")) != "1") return {};
  auto proxied = TRY(read_proxied(space));
  if (!proxied.empty()) out.proxied[netns] = std::move(proxied);
  return {};
}

Status Machine::Inside::read_network_space(uint32_t vni, ActualNetworks& out) const {
  auto netns = open_netns(network_path(vni));
  out.networks[vni] = netns.has_value() ? TRY(read_network(*netns, around())) : ActualNetwork();
  return {};
}

Status Machine::Inside::read_container_space(const std::string& name, ActualNetworks& out) const {
  auto netns = open_netns(container_path(name));
  if (!netns.has_value()) {
    out.netns_leftovers.insert(name);
    return {};
  }
  out.netns.insert(name);
  return read_container(name, *netns, out);
}

Status Machine::Inside::read_spaces(ActualNetworks& out) const {
  for (const std::string& name : TRY(io::list_folder(folder))) {
    auto vni = vni_after(name, kNetworkPrefix);
    if (vni.has_value()) {
      TRY(read_network_space(*vni, out));
    } else if (name.starts_with(kContainerPrefix)) {
      TRY(read_container_space(name.substr(kContainerPrefix.size()), out));
    }
  }
  return {};
}

Status Machine::Inside::read_some_spaces(const Scope& scope, ActualNetworks& out) const {
  for (uint32_t vni : scope.vnis) {
    if (io::exists(network_path(vni))) TRY(read_network_space(vni, out));
  }
  for (const std::string& netns : scope.netns) {
    if (io::exists(container_path(netns))) TRY(read_container_space(netns, out));
  }
  return {};
}

Status Machine::Inside::read_mesh(bool with_sources, ActualNetworks& out) const {
  auto mesh = open_netns(mesh_path());
  out.has_mesh = mesh.has_value();
  if (!out.has_mesh) return {};
  NetnsScope scope = TRY(NetnsScope::enter(*mesh));
  out.mesh_firewall = TRY(firewall_revision());
  if (with_sources && !out.mesh_firewall.empty()) out.mesh_sources = TRY(sources_in_force());
  return {};
}

Status Machine::Inside::read_node_links(const Scope& scope, ActualNetworks& out) {
  Links links = TRY(Links::open());
  for (const Link& link : TRY(links.list())) {
    if (link.kind != "veth") continue;
    auto vni = vni_after(link.name, "mcloud-");
    auto portal = vni_after(link.name, "mcloud-p");
    if (vni.has_value() && (scope.everything || scope.vnis.contains(*vni))) out.networks.try_emplace(*vni);
    if (portal.has_value()) out.portals[*portal] = portal_from_alias(link.alias);
  }
  return {};
}

Machine::Machine(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Machine::~Machine() = default;

Result<std::unique_ptr<Machine>> Machine::open(const Options& options) {
  TRY(io::make_folders(options.netns_folder));
  auto inside = std::make_unique<Inside>();
  inside->folder = options.netns_folder;
  return std::unique_ptr<Machine>(new Machine(std::move(inside)));
}

std::string Machine::netns_path(const std::string& netns) const { return inside_->container_path(netns); }

Result<ActualNetworks> Machine::read(const Scope& scope) {
  ActualNetworks out;
  out.forwarding = TRY(net_sysctl("ipv4/ip_forward")) == "1";
  auto forwarding6 = net_sysctl("ipv6/conf/all/forwarding");  // absent without IPv6
  out.forwarding6 = forwarding6.has_value() && *forwarding6 == "1";
  out.firewall = TRY(firewall_revision());
  if (scope.everything && !out.firewall.empty()) out.sources = TRY(sources_in_force());
  TRY(scope.everything ? inside_->read_spaces(out) : inside_->read_some_spaces(scope, out));
  TRY(inside_->read_mesh(scope.everything, out));
  TRY(Inside::read_node_links(scope, out));
  return out;
}

Result<std::vector<RuleCounter>> Machine::read_counters() {
  std::map<std::tuple<std::string, std::string, bool>, RuleCounter> found;
  auto take = [&](const std::string& netns) -> Status {
    for (const CountedRule& rule : TRY(counted_rules())) {
      RuleCounter& counter = found[{netns, rule.comment, rule.is_drop}];
      counter = {netns, rule.comment, rule.is_drop, counter.packets + rule.packets, counter.bytes + rule.bytes};
    }
    return {};
  };
  TRY(take(""));
  for (const std::string& name : TRY(io::list_folder(inside_->folder))) {
    bool is_ours = name.starts_with(kNetworkPrefix) || name.starts_with(kContainerPrefix) || name == kMeshNetns;
    auto netns = is_ours ? open_netns(inside_->folder + "/" + name) : Result<io::Fd>(io::Fd());
    if (!is_ours || !netns.has_value()) continue;
    NetnsScope scope = TRY(NetnsScope::enter(*netns));
    TRY(take(name));
  }
  std::vector<RuleCounter> out;
  for (auto& [key, counter] : found) out.push_back(std::move(counter));
  return out;
}

Result<std::set<Ipv4>> Machine::claims(const std::string& portal, const std::string& interface) {
  io::Fd space = TRY(inside_->container(portal));
  return read_claims(space, interface).with_context("devices at " + portal);
}

Status Machine::announce(const DeviceAnnouncement& announcement) {
  io::Fd space = TRY(inside_->container(announcement.portal));
  return announce_device(space, announcement).with_context("announce " + announcement.device.text());
}

Status Machine::execute(const NetworkStep& step) {
  return std::visit([this](const auto& one) { return inside_->run(one); }, step).with_context(describe(step));
}

Result<size_t> Machine::apply(const DesiredNetworks& desired) {
  ActualNetworks actual = TRY(read());
  std::optional<Error> first;
  std::set<uint32_t> failed;
  size_t done = 0;
  for (const NetworkStep& step : plan(desired, actual)) {
    // Later steps of a network build on earlier ones, and nobody is attached on a node whose rules are not in force.
    uint32_t vni = vni_of(step);
    bool is_held =
        (vni != 0 && failed.contains(vni)) || (std::holds_alternative<AttachMember>(step) && failed.contains(0));
    if (is_held) continue;
    Status status = execute(step);
    if (status.has_value()) {
      ++done;
      continue;
    }
    bool is_of_node = std::holds_alternative<SetNodeFirewall>(step) || std::holds_alternative<EnableForwarding>(step) ||
                      std::holds_alternative<SetMeshFirewall>(step);
    if (is_of_node || vni != 0) failed.insert(vni);
    log::warning("network", "a step failed", {{"reason", status.error().message}});
    if (!first.has_value()) first = status.error();
  }
  if (first.has_value()) return *first;
  return done;
}

Result<io::Fd> open_socket_in(const std::string& netns_path, int domain, int type, int protocol) {
  io::Fd netns = TRY(open_netns(netns_path));
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  io::Fd fd(::socket(domain, type | SOCK_CLOEXEC, protocol));
  if (!fd.is_open()) return errno_error(errno, "socket in " + netns_path);
  return fd;
}

}  // namespace mcloud::network
