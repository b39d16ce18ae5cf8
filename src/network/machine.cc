#include "network/machine.h"

#include <sys/socket.h>

#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "network/firewall.h"
#include "network/netns.h"
#include "network/nft.h"
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
  Result<io::Fd> network(uint32_t vni) const { return open_netns(network_path(vni)); }

  Status run(const EnableForwarding&) { return set_net_sysctl("ipv4/ip_forward", "1"); }
  Status run(const SetNodeFirewall& step);
  Status run(const RemoveNodeFirewall&) { return run_nft(nft_remove_table("inet", kTable)); }
  Status run(const CreateNetwork& step);
  Status run(const RemoveNetwork& step);
  Status run(const SetNetworkFirewall& step);
  Status run(const SetPeer& step);
  Status run(const RemovePeer& step);
  Status run(const SetRemote& step);
  Status run(const RemoveRemote& step);
  Status run(const CreateNetns& step);
  Status run(const RemoveNetns& step) { return unpin_netns(container_path(step.netns)); }
  Status run(const AttachMember& step);
  Status run(const DetachMember& step);
};

Status Machine::Inside::run(const SetNodeFirewall& step) {
  if (!nft.has_value()) nft = TRY(Nft::open());
  return nft->run(step.rules);
}

Status Machine::Inside::run(const CreateNetwork& step) {
  TRY(run(RemoveNetwork{step.shape.vni}));
  io::Fd made = TRY(build_network(step.shape));
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

Status Machine::Inside::run(const SetNetworkFirewall& step) {
  io::Fd netns = TRY(network(step.vni));
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  return run_nft(step.rules);
}

Status Machine::Inside::run(const SetPeer& step) {
  io::Fd netns = TRY(network(step.vni));
  return set_peer(netns, step.node);
}

Status Machine::Inside::run(const RemovePeer& step) {
  io::Fd netns = TRY(network(step.vni));
  return remove_peer(netns, step.node);
}

Status Machine::Inside::run(const SetRemote& step) {
  io::Fd netns = TRY(network(step.vni));
  return set_remote(netns, step.remote);
}

Status Machine::Inside::run(const RemoveRemote& step) {
  io::Fd netns = TRY(network(step.vni));
  return remove_remote(netns, step.address);
}

Status Machine::Inside::run(const CreateNetns& step) {
  std::string path = container_path(step.netns);
  TRY(unpin_netns(path));
  io::Fd made = TRY(build_container_netns());
  return pin_netns(made, path);
}

Status Machine::Inside::run(const AttachMember& step) {
  io::Fd netns = TRY(network(step.vni));
  io::Fd container = TRY(open_netns(container_path(step.member.netns)));
  return attach_member(netns, container, step);
}

Status Machine::Inside::run(const DetachMember& step) {
  auto netns = network(step.vni);
  if (!netns.has_value()) return {};
  return detach_member(*netns, step.address);
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

Result<ActualNetworks> Machine::read() {
  ActualNetworks out;
  out.forwarding = TRY(net_sysctl("ipv4/ip_forward")) == "1";
  out.firewall = TRY(firewall_revision());
  for (const std::string& name : TRY(io::list_folder(inside_->folder))) {
    std::string path = inside_->folder + "/" + name;
    auto vni = vni_after(name, kNetworkPrefix);
    if (!vni.has_value() && !name.starts_with(kContainerPrefix)) continue;
    auto netns = open_netns(path);
    if (vni.has_value()) {
      out.networks[*vni] = netns.has_value() ? TRY(read_network(*netns)) : ActualNetwork();
    } else {
      (netns.has_value() ? out.netns : out.netns_leftovers).insert(name.substr(kContainerPrefix.size()));
    }
  }
  Links links = TRY(Links::open());
  for (const Link& link : TRY(links.list())) {
    auto vni = vni_after(link.name, "mcloud-");
    if (vni.has_value() && link.kind == "veth") out.networks.try_emplace(*vni);
  }
  return out;
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
    bool is_of_node = std::holds_alternative<SetNodeFirewall>(step) || std::holds_alternative<EnableForwarding>(step);
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
