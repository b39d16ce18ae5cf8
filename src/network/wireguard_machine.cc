#include <algorithm>

#include "base/log.h"
#include "network/mesh.h"
#include "network/netns.h"
#include "network/wireguard_backend.h"
#include "network/wireguard_links.h"

namespace mcloud::network {
namespace {

// The alias of a device that is complete.
constexpr const char* kComplete = "mcloud:wireguard";

bool is_ours(const std::string& name) {
  return name.starts_with("mwg") || name == kAccessDevice;
}

DeviceSpot spot_of(const WireGuardDevice& device) { return {device.name, device.netns}; }

template <typename Step>
DeviceSpot spot_of(const Step& step) {
  if constexpr (requires { step.device; }) {
    return spot_of(step.device);
  } else {
    return {step.name, step.netns};
  }
}

class WireGuardMachine final : public WireGuard {
 public:
  WireGuardMachine(const Options& options, std::unique_ptr<WireGuardBackend> backend)
      : options_(options), backend_(std::move(backend)) {}

  bool is_kernel() const override { return backend_->is_kernel(); }
  Result<std::vector<ActualDevice>> read() override;
  Status execute(const WireGuardStep& step) override {
    return std::visit([this](const auto& one) { return run(one); }, step).with_context(describe(step));
  }
  Result<size_t> apply(const std::vector<WireGuardDevice>& desired) override;
  bool is_alive() override {
    return std::all_of(before_.begin(), before_.end(), [this](const auto& one) { return backend_->is_alive(one.first); });
  }

 private:
  std::string path_of(const std::string& netns) const { return options_.netns_folder + "/" + netns; }
  Result<io::Fd> open_place(const std::string& netns) const {
    return netns.empty() ? own_netns() : open_netns(path_of(netns));
  }

  Status read_place(const std::string& netns, std::vector<ActualDevice>& out);
  ActualDevice describe_device(const NamespaceState& state, const Link& link, const ConfigState& config) const;

  // In the device's namespace, with its link.
  template <typename Act>
  Status with_link(const DeviceSpot& spot, const io::Fd& netns, Act act);
  Status shape(const WireGuardDevice& device, const io::Fd& netns);
  Status set_addresses(WireGuardLinks& links, int index, const WireGuardDevice& device);
  Status remove_link(const DeviceSpot& spot);

  Status run(const CreateDevice& step);
  Status run(const RemoveDevice& step);
  Status run(const SetDevice& step);
  Status run(const DropRanges& step);
  Status run(const SetPeers& step);
  Status run(const RemovePeers& step);
  Status run(const SetRoutes& step);
  Status run(const RemoveRoutes& step);

  std::vector<WireGuardStep> steps(const std::vector<WireGuardDevice>& desired, const std::vector<ActualDevice>& actual);
  void remember(const std::vector<ActualDevice>& actual);
  void forget(const std::vector<WireGuardDevice>& desired);

  Options options_;
  std::unique_ptr<WireGuardBackend> backend_;
  std::map<DeviceSpot, WireGuardDevice> before_;
  std::set<DeviceSpot> broken_;   // found at the last read: half made, or of a process that does not answer
  std::set<std::string> places_;  // namespaces of the wish that is being applied
  // Where peers were when they were last seen: a device made anew finds those that roam without waiting for their call.
  std::map<DeviceSpot, std::map<WireGuardKey, std::string>> seen_;
};

Result<std::vector<ActualDevice>> WireGuardMachine::read() {
  backend_->sweep();
  broken_.clear();
  std::set<std::string> places = places_;
  places.insert("");
  places.insert(kMeshNetns);
  for (const auto& [spot, device] : before_) places.insert(spot.netns);
  std::vector<ActualDevice> out;
  for (const std::string& netns : places) TRY(read_place(netns, out));
  return out;
}

Status WireGuardMachine::read_place(const std::string& netns, std::vector<ActualDevice>& out) {
  auto place = open_place(netns);
  if (!place.has_value()) return {};
  NamespaceState state;
  {
    NetnsScope scope = TRY(NetnsScope::enter(*place));
    WireGuardLinks links = TRY(WireGuardLinks::open());
    state = TRY(links.read());
  }
  for (const Link& link : state.links) {
    if (!is_ours(link.name)) continue;
    DeviceSpot spot{link.name, netns};
    if (link.alias != kComplete || link.kind != backend_->link_kind()) {
      broken_.insert(spot);
      continue;
    }
    auto config = backend_->config(spot, *place);
    if (!config.has_value()) {
      broken_.insert(spot);
      log::warning("network", "a WireGuard device does not answer and is made anew",
                   {{"device", link.name}, {"reason", config.error().message}});
      continue;
    }
    ActualDevice device = describe_device(state, link, *config);
    device.device.netns = netns;
    out.push_back(std::move(device));
  }
  return {};
}

ActualDevice WireGuardMachine::describe_device(const NamespaceState& state, const Link& link,
                                               const ConfigState& config) const {
  ActualDevice out;
  out.is_userspace = !backend_->is_kernel();
  out.device.name = link.name;
  out.device.secret = config.secret;
  out.device.port = config.port;
  out.device.mtu = link.is_up ? link.mtu : 0;  // one that is down is not as wanted
  out.device.peers = config.peers;
  out.figures = config.figures;
  auto addresses = state.addresses.find(link.index);
  if (addresses != state.addresses.end()) out.device.addresses.assign(addresses->second.begin(), addresses->second.end());
  auto routes = state.routes.find(link.index);
  if (routes != state.routes.end()) out.routes = routes->second;
  // All its addresses have one table, or it has none.
  std::set<uint32_t> tables;
  for (const std::string& address : out.device.addresses) {
    auto rule = state.rules.find(address);
    tables.insert(rule == state.rules.end() ? 0 : rule->second);
  }
  if (tables.size() == 1) out.device.table = *tables.begin();
  return out;
}

template <typename Act>
Status WireGuardMachine::with_link(const DeviceSpot& spot, const io::Fd& netns, Act act) {
  NetnsScope scope = TRY(NetnsScope::enter(netns));
  Links links = TRY(Links::open());
  Link link = TRY(links.get(spot.name));
  WireGuardLinks wireguard_links = TRY(WireGuardLinks::open());
  return act(wireguard_links, link);
}

Status WireGuardMachine::set_addresses(WireGuardLinks& links, int index, const WireGuardDevice& device) {
  NamespaceState state = TRY(links.read());
  std::set<std::string> wanted(device.addresses.begin(), device.addresses.end());
  for (const std::string& address : wanted) {
    TRY(links.add_address(index, address));
    auto rule = state.rules.find(address);
    uint32_t there = rule == state.rules.end() ? 0 : rule->second;
    if (there == device.table) continue;
    if (device.table != 0) TRY(links.add_rule(address, device.table));
    if (there != 0) TRY(links.remove_rule(address, there));
  }
  for (const std::string& address : state.addresses[index]) {
    if (wanted.contains(address)) continue;
    auto rule = state.rules.find(address);
    if (rule != state.rules.end()) TRY(links.remove_rule(address, rule->second));
    TRY(links.remove_address(index, address));
  }
  return {};
}

Status WireGuardMachine::shape(const WireGuardDevice& device, const io::Fd& netns) {
  return with_link(spot_of(device), netns, [&](WireGuardLinks& links, const Link& link) -> Status {
    if (link.mtu != device.mtu) TRY(links.set_mtu(link.index, device.mtu));
    TRY(set_addresses(links, link.index, device));
    Links plain = TRY(Links::open());
    return plain.set_up(link.index);
  });
}

Status WireGuardMachine::remove_link(const DeviceSpot& spot) {
  auto netns = open_place(spot.netns);
  if (!netns.has_value()) return {};
  NetnsScope scope = TRY(NetnsScope::enter(*netns));
  Links links = TRY(Links::open());
  std::optional<Link> link = TRY(links.find(spot.name));
  if (!link.has_value()) return {};
  WireGuardLinks wireguard_links = TRY(WireGuardLinks::open());
  NamespaceState state = TRY(wireguard_links.read());
  for (const std::string& address : state.addresses[link->index]) {
    auto rule = state.rules.find(address);
    if (rule != state.rules.end()) TRY(wireguard_links.remove_rule(address, rule->second));
  }
  return links.remove(spot.name);
}

Status WireGuardMachine::run(const CreateDevice& step) {
  const WireGuardDevice& device = step.device;
  DeviceSpot spot = spot_of(device);
  io::Fd netns = TRY(open_place(device.netns));
  TRY(run(RemoveDevice{device.name, device.netns}));
  TRY(backend_->create(spot, netns));
  TRY(backend_->configure(spot, netns, {.secret = device.secret, .port = device.port}));
  TRY(shape(device, netns));
  TRY(backend_->wait_ready(spot, device.port));
  return with_link(spot, netns, [](WireGuardLinks&, const Link& link) -> Status {
    Links links = TRY(Links::open());
    return links.set_alias(link.index, kComplete);
  });
}

Status WireGuardMachine::run(const RemoveDevice& step) {
  DeviceSpot spot = spot_of(step);
  TRY(remove_link(spot));
  return backend_->clean(spot);
}

Status WireGuardMachine::run(const SetDevice& step) {
  const WireGuardDevice& device = step.device;
  DeviceSpot spot = spot_of(device);
  io::Fd netns = TRY(open_place(device.netns));
  ConfigState there = TRY(backend_->config(spot, netns));
  ConfigChange change;
  // Told its port again, wireguard-go would open it anew and lose what arrives meanwhile.
  if (there.secret != device.secret) change.secret = device.secret;
  if (there.port != device.port) change.port = device.port;
  if (change.secret.has_value() || change.port.has_value()) TRY(backend_->configure(spot, netns, change));
  TRY(shape(device, netns));
  return change.port.has_value() ? backend_->wait_ready(spot, device.port) : Status();
}

Status WireGuardMachine::run(const DropRanges& step) {
  io::Fd netns = TRY(open_place(step.netns));
  WireGuardKey passing = WireGuardKey::make_secret().public_key();
  return backend_->configure(spot_of(step), netns, drop_ranges(step.ranges, passing));
}

Status WireGuardMachine::run(const SetPeers& step) {
  io::Fd netns = TRY(open_place(step.netns));
  ConfigChange change;
  for (const WireGuardPeer& peer : step.peers) {
    change.peers.push_back({.key = peer.key,
                            .preshared = peer.preshared,
                            .keepalive_s = peer.keepalive_s,
                            .endpoint = peer.endpoint,
                            .allowed = peer.allowed});
  }
  return backend_->configure(spot_of(step), netns, change);
}

Status WireGuardMachine::run(const RemovePeers& step) {
  io::Fd netns = TRY(open_place(step.netns));
  ConfigChange change;
  for (const WireGuardKey& key : step.keys) change.peers.push_back({.key = key, .remove = true});
  return backend_->configure(spot_of(step), netns, change);
}

Status WireGuardMachine::run(const SetRoutes& step) {
  io::Fd netns = TRY(open_place(step.netns));
  return with_link(spot_of(step), netns, [&](WireGuardLinks& links, const Link& link) -> Status {
    for (const DeviceRoute& route : step.routes) TRY(links.set_route(link.index, route));
    return {};
  });
}

Status WireGuardMachine::run(const RemoveRoutes& step) {
  io::Fd netns = TRY(open_place(step.netns));
  return with_link(spot_of(step), netns, [&](WireGuardLinks& links, const Link& link) -> Status {
    for (const DeviceRoute& route : step.routes) TRY(links.remove_route(link.index, route));
    return {};
  });
}

void WireGuardMachine::remember(const std::vector<ActualDevice>& actual) {
  for (const ActualDevice& one : actual) {
    std::map<WireGuardKey, std::string>& seen = seen_[spot_of(one.device)];
    seen.clear();
    for (const auto& [key, figures] : one.figures) {
      if (!figures.endpoint.empty()) seen[key] = figures.endpoint;
    }
  }
}

std::vector<WireGuardStep> WireGuardMachine::steps(const std::vector<WireGuardDevice>& desired,
                                                   const std::vector<ActualDevice>& actual) {
  std::vector<WireGuardDevice> before;
  for (const auto& [spot, device] : before_) before.push_back(device);
  std::vector<WireGuardStep> out;
  std::set<DeviceSpot> leftovers = broken_;
  for (const WireGuardDevice& device : desired) leftovers.erase(spot_of(device));
  for (const DeviceSpot& spot : leftovers) out.emplace_back(RemoveDevice{spot.name, spot.netns});
  for (WireGuardStep& step : wireguard_steps(desired, before, actual)) out.push_back(std::move(step));
  std::set<DeviceSpot> made;
  for (WireGuardStep& step : out) {
    if (const auto* create = std::get_if<CreateDevice>(&step)) made.insert(spot_of(create->device));
    auto* peers = std::get_if<SetPeers>(&step);
    if (peers == nullptr || !made.contains(spot_of(*peers))) continue;
    const auto& seen = seen_[spot_of(*peers)];
    for (WireGuardPeer& peer : peers->peers) {
      auto found = seen.find(peer.key);
      if (peer.endpoint.empty() && found != seen.end()) peer.endpoint = found->second;
    }
  }
  return out;
}

// What is wished no more and whose namespace has gone with it.
void WireGuardMachine::forget(const std::vector<WireGuardDevice>& desired) {
  std::set<DeviceSpot> wanted;
  for (const WireGuardDevice& device : desired) wanted.insert(spot_of(device));
  for (auto it = before_.begin(); it != before_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    if (!open_place(it->first.netns).has_value()) static_cast<void>(backend_->clean(it->first));
    seen_.erase(it->first);
    it = before_.erase(it);
  }
}

Result<size_t> WireGuardMachine::apply(const std::vector<WireGuardDevice>& desired) {
  places_.clear();
  for (const WireGuardDevice& device : desired) places_.insert(device.netns);
  std::vector<ActualDevice> actual = TRY(read());
  remember(actual);
  std::optional<Error> first;
  std::set<DeviceSpot> failed;
  size_t done = 0;
  for (const WireGuardStep& step : steps(desired, actual)) {
    DeviceSpot spot = std::visit([](const auto& one) { return spot_of(one); }, step);
    if (failed.contains(spot)) continue;
    Status status = execute(step);
    if (status.has_value()) {
      ++done;
      continue;
    }
    failed.insert(spot);
    log::warning("network", "a step failed", {{"reason", status.error().message}});
    if (!first.has_value()) first = status.error();
  }
  forget(desired);
  for (const WireGuardDevice& device : desired) {
    if (!failed.contains(spot_of(device))) before_[spot_of(device)] = device;
  }
  if (first.has_value()) return *first;
  return done;
}

}  // namespace

Result<std::unique_ptr<WireGuard>> WireGuard::open(const Options& options) {
  Result<std::unique_ptr<WireGuardBackend>> kernel = make_error(Code::Unsupported, "not wanted");
  if (!options.force_userspace) kernel = open_kernel_wireguard();
  if (kernel.has_value()) return std::unique_ptr<WireGuard>(new WireGuardMachine(options, std::move(*kernel)));
  auto userspace = open_userspace_wireguard(options);
  if (userspace.has_value()) return std::unique_ptr<WireGuard>(new WireGuardMachine(options, std::move(*userspace)));
  return make_error(Code::Unsupported,
                    "this machine has no WireGuard: the kernel makes no such device (" + kernel.error().message +
                        ") and wireguard-go does not work (" + userspace.error().message +
                        "). Load the module (modprobe wireguard) or install Debian's wireguard-go");
}

}  // namespace mcloud::network
