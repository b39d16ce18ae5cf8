#include "node/network_adapter.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/ip_prefix.h"
#include "base/log.h"
#include "io/file.h"
#include "node/network_wish.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

// The network or the container a step is about.
struct Subject {
  std::optional<uint32_t> vni;
  std::string netns;
};

Subject subject_of(const network::NetworkStep& step) {
  return std::visit(
      [](const auto& one) -> Subject {
        if constexpr (requires { one.vni; }) return {.vni = one.vni, .netns = ""};
        if constexpr (requires { one.shape; }) return {.vni = one.shape.vni, .netns = ""};
        if constexpr (requires { one.netns; }) return {.vni = std::nullopt, .netns = one.netns};
        return {};
      },
      step);
}

std::string netns_prefix(const ContractId& contract) { return contract.hex().substr(0, 16) + "-"; }

bool is_of_node(const network::NetworkStep& step) {
  Subject subject = subject_of(step);
  return !subject.vni && subject.netns.empty();
}

}  // namespace

Result<std::unique_ptr<NetworkAdapter>> NetworkAdapter::open(network::Machine& machine, MeshKeeper* mesh,
                                                                             const Clock& clock, const Options& options) {
  TRY(io::make_folders(options.folder, 0700));
  network::DesiredNetworks node;
  node.uplink = options.uplink;
  node.underlay_mtu = options.underlay_mtu;
  for (const std::string& range : options.forbidden) {
    bool is_ipv6 = TRY(IpPrefix::parse(range)).address.is_v6;
    if (is_ipv6) node.forbidden6.push_back(range);
    if (!is_ipv6) node.forbidden.push_back(TRY(network::Range::parse(range)));
  }
  node.forbidden_services = options.forbidden_services;
  std::unique_ptr<NetworkAdapter> adapter(new NetworkAdapter(machine, mesh, clock, options, std::move(node)));
  adapter->follow_backplane();
  adapter->planner_.set_node(adapter->node_);
  return adapter;
}

Result<std::map<ContractId, pb::LocalNetworks>> NetworkAdapter::list() {
  while (!set_.empty()) forget(set_.begin()->first);
  undecided_.clear();
  planner_ = {};
  planner_.set_node(node_);
  next_check_ms_ = clock_.monotonic_ms() + options_.check_every_ms;
  for (const std::string& name : TRY(io::list_folder(options_.folder))) {
    auto contract = ContractId::from_hex(name);
    auto bytes = io::read_file(options_.folder + "/" + name);
    if (!contract.has_value() || !bytes.has_value()) continue;
    auto networks = wire::decode<pb::LocalNetworks>(*bytes, "networks of " + name);
    if (networks.has_value()) keep(*contract, *networks);
  }
  std::map<ContractId, pb::LocalNetworks> all = set_;
  network::ActualNetworks actual = TRY(machine_.read());
  for (const auto& [vni, network] : actual.networks) {
    if (!network.shape || set_.contains(network.shape->contract)) continue;
    undecided_.insert(network.shape->contract);
    all.try_emplace(network.shape->contract);
  }
  assume_devices(actual);
  note_transits({}, actual);
  return all;
}

// ---- what is wanted ------------------------------------------------------------------------------

void NetworkAdapter::keep(const ContractId& contract, const pb::LocalNetworks& networks) {
  forget(contract);
  const pb::LocalNetworks& kept = set_[contract] = networks;
  for (const pb::LocalNetwork& network : kept.networks()) by_vni_[network.vni()].insert(contract);
  needs_.add(contract, kept);
  wish(contract, kept);
}

void NetworkAdapter::forget(const ContractId& contract) {
  auto found = set_.find(contract);
  if (found == set_.end()) return;
  for (const pb::LocalNetwork& network : found->second.networks()) {
    std::set<ContractId>& owners = by_vni_[network.vni()];
    owners.erase(contract);
    if (owners.empty()) by_vni_.erase(network.vni());
  }
  needs_.remove(contract, found->second);
  set_.erase(found);
}

void NetworkAdapter::wish(const ContractId& contract, const pb::LocalNetworks& networks) {
  network::DesiredNetworks desired;
  // apply() has refused what cannot be understood.
  Status added = add_networks(contract, networks, options_.bridges, desired);
  if (!added.has_value()) log::error("node", "network is left out", {{"reason", added.error().message}});
  for (network::Network& network : desired.networks) {
    lead_to_slots(network);
    place_devices(network);
  }
  planner_.set(contract.bytes(), {std::move(desired.networks), std::move(desired.publications)});
}

// Of those that are wanted as before nothing is made.
void NetworkAdapter::wish_all() {
  slots_.clear();
  is_way_other_ = false;
  for (const auto& [contract, networks] : set_) wish(contract, networks);
}

// Preparing the mesh may have chosen other ways to peers.
void NetworkAdapter::follow_ways() {
  for (const auto& [vni, slots] : slots_) is_way_other_ = is_way_other_ || mesh_keeper_->peer_slots(vni) != slots;
  if (is_way_other_) wish_all();
}

// The orders name a peer's newest key; packets go by it only when both ends have shaken hands on it.
void NetworkAdapter::lead_to_slots(network::Network& network) {
  if (mesh_keeper_ == nullptr || network.underlay == network::Underlay::Plain) return;
  uint32_t vni = network.underlay == network::Underlay::Mesh ? 0 : network.vni;
  auto [slots, is_new] = slots_.try_emplace(vni);
  if (is_new) slots->second = mesh_keeper_->peer_slots(vni);
  for (network::RemoteMember& remote : network.remotes) {
    uint32_t number = (remote.node.value - network::mesh_address(0, 0).value) / 4;
    auto slot = slots->second.find(number);
    if (slot != slots->second.end()) remote.node = network::mesh_address(number, slot->second);
  }
}

// ---- making it so --------------------------------------------------------------------------------

// Whose it is, as far as the step tells.
std::optional<ContractId> NetworkAdapter::owner_of(const network::NetworkStep& step, const network::ActualNetworks& seen) const {
  Subject subject = subject_of(step);
  if (subject.vni) {
    if (auto wanted = by_vni_.find(*subject.vni); wanted != by_vni_.end()) return *wanted->second.begin();
    auto there = seen.networks.find(*subject.vni);
    if (there == seen.networks.end() || !there->second.shape) return std::nullopt;
    return there->second.shape->contract;
  }
  std::string prefix = subject.netns.substr(0, 17);
  for (const ContractId& contract : undecided_) {
    if (netns_prefix(contract) == prefix) return contract;
  }
  auto first = ContractId::from_hex(prefix.substr(0, 16) + std::string(48, '0'));
  auto found = first.has_value() ? set_.lower_bound(*first) : set_.end();
  return found == set_.end() || netns_prefix(found->first) != prefix ? std::nullopt : std::optional(found->first);
}

NetworkAdapter::Failures NetworkAdapter::execute() {
  // A second time when the machine is not as it was left.
  for (int look = 0; look < 2; ++look) {
    network::Scope scope = planner_.scope();
    auto seen = machine_.read(scope);
    if (!seen.has_value()) return {{}, seen.error()};
    note_transits(scope, *seen);
    if (scope.everything) next_check_ms_ = clock_.monotonic_ms() + options_.check_every_ms;
    auto steps = planner_.steps(*seen);
    for (const std::string& complaint : planner_.take_complaints()) log::warning("node", "network: " + complaint);
    if (!steps.has_value()) continue;
    Failures failures = execute_steps(*steps, *seen);
    if (steps->empty()) return failures;
    scope = planner_.scope();
    if (auto now = machine_.read(scope); now.has_value()) note_transits(scope, *now);
    return failures;
  }
  return {{}, make_error(Code::Unavailable, "somebody else changes the rules of this node all the time")};
}

NetworkAdapter::Failures NetworkAdapter::execute_steps(const std::vector<network::NetworkStep>& steps,
                                                       const network::ActualNetworks& seen) {
  Failures failures;
  for (const network::NetworkStep& step : steps) {
    std::optional<ContractId> owner = owner_of(step, seen);
    if (owner && undecided_.contains(*owner)) continue;
    if (owner && failures.contracts.contains(*owner)) continue;  // its later steps build on the one that failed
    Status done = machine_.execute(step);
    if (!owner && !is_of_node(step)) {
      const TroubleWords words{"network leftovers stay", "network leftovers are gone"};
      log_trouble(troubles_.note(network::describe(step), done), words, done, {"what", network::describe(step)});
    }
    if (done.has_value()) {
      planner_.done(step);
      continue;
    }
    Error error = done.error().with_context(network::describe(step));
    if (owner) failures.contracts.emplace(*owner, error);
    if (!owner && is_of_node(step) && failures.node.message.empty()) failures.node = error;
  }
  return failures;
}

// Keys and the namespace that networks of the mesh stand on.
Status NetworkAdapter::prepare_mesh() {
  const MeshNeeds& needs = needs_.needs(mesh_);
  if (mesh_keeper_ != nullptr) return mesh_keeper_->prepare(needs, mesh_);
  if (!needs.is_meshed && needs.peers.empty()) return {};
  return make_error(Code::Unsupported, "this node has no WireGuard: its kernel has none and wireguard-go is not installed");
}

Status NetworkAdapter::encrypt() {
  if (mesh_keeper_ == nullptr) return {};
  return mesh_keeper_->apply(needs_.needs(mesh_), mesh_, planner_.access_devices());
}

// Where links of the networks in the scope lead.
void NetworkAdapter::note_transits(const network::Scope& scope, const network::ActualNetworks& seen) {
  auto is_in = [&](uint32_t vni) { return scope.everything || scope.vnis.contains(vni); };
  std::lock_guard lock(mutex_);
  if (scope.everything) transits_.clear();
  for (uint32_t vni : scope.vnis) transits_.erase(transits_.lower_bound({vni, ""}), transits_.lower_bound({vni + 1, ""}));
  for (const auto& [vni, network] : seen.networks) {
    if (is_in(vni) && network.shape) transits_[{vni, ""}] = network::transit_network_address(network.shape->transit);
  }
  for (const auto& [number, portal] : seen.portals) {
    if (portal && is_in(portal->vni)) transits_[{portal->vni, portal->netns}] = network::transit_network_address(number);
  }
}

std::map<Transit, network::Ipv4> NetworkAdapter::transits() const {
  std::lock_guard lock(mutex_);
  return transits_;
}

Status NetworkAdapter::tend() {
  Status tended = tend_mesh();
  Status placed = tend_devices();
  if (tended.has_value()) tended = placed;
  if (tended.has_value()) tended = check_all();
  if (clock_.monotonic_ms() < next_figures_ms_) return tended;
  next_figures_ms_ = clock_.monotonic_ms() + options_.figures_every_ms;
  note_figures();
  return tended;
}

// True: this node is at another address of its backplane than the networks that are not encrypted know.
bool NetworkAdapter::follow_backplane() {
  std::string now = options_.backplane ? options_.backplane() : "";
  network::Ipv4 address;
  if (auto parsed = network::Ipv4::parse(now); parsed.has_value()) address = *parsed;
  if (std::exchange(node_.backplane, address) == address) return false;
  planner_.set_node(node_);
  return true;
}

Status NetworkAdapter::tend_mesh() {
  if (mesh_keeper_ != nullptr) is_way_other_ = TRY(mesh_keeper_->tend()) || is_way_other_;
  bool has_moved = follow_backplane();
  if (!has_moved && !is_way_other_) return {};
  return apply_again();
}

// Plain networks do not wait for what encrypted ones lack.
Status NetworkAdapter::apply_again() {
  Status encrypted = prepare_mesh();
  wish_all();
  Failures failures = execute();
  if (encrypted.has_value()) encrypted = encrypt();
  if (!encrypted.has_value()) return encrypted;
  if (!failures.node.message.empty()) return failures.node;
  return failures.contracts.empty() ? Status() : failures.contracts.begin()->second;
}

// Between changes, so that none waits for it.
Status NetworkAdapter::check_all() {
  if (clock_.monotonic_ms() < next_check_ms_) return {};
  planner_.doubt();
  Failures failures = execute();
  next_check_ms_ = clock_.monotonic_ms() + options_.check_every_ms;
  if (!failures.node.message.empty()) return failures.node;
  return failures.contracts.empty() ? Status() : failures.contracts.begin()->second;
}

namespace {

bool is_encrypted(const pb::LocalNetworks& networks) {
  return std::any_of(networks.networks().begin(), networks.networks().end(), [](const pb::LocalNetwork& network) {
    return network.encryption() == pb::ENCRYPTION_WIREGUARD || network.encryption() == pb::ENCRYPTION_DEDICATED ||
           network.has_access();
  });
}

}  // namespace

std::map<ContractId, Status> NetworkAdapter::apply(const Change& change) {
  std::map<ContractId, Status> outcome;
  // Orders without the mesh come while the last container that leaves still stands in it.
  if (change.mesh && change.mesh->has_self()) mesh_ = *change.mesh;
  for (const ContractId& contract : change.remove) {
    forget(contract);
    planner_.remove(contract.bytes());
    undecided_.erase(contract);
    outcome[contract] = {};
  }
  for (const auto& [contract, networks] : change.set) {
    network::DesiredNetworks scratch;
    outcome[contract] = add_networks(contract, networks, options_.bridges, scratch);
    if (!outcome[contract].has_value()) continue;
    keep(contract, networks);
    undecided_.erase(contract);
  }
  follow_backplane();
  Status encrypted = prepare_mesh();
  follow_ways();
  Failures failures = execute();
  if (encrypted.has_value()) encrypted = encrypt();
  for (auto& [contract, status] : outcome) {
    if (auto failed = failures.contracts.find(contract); failed != failures.contracts.end()) status = failed->second;
    if (status.has_value() && !failures.node.message.empty()) status = failures.node;
    auto set = change.set.find(contract);
    if (status.has_value() && set != change.set.end() && is_encrypted(set->second)) status = encrypted;
    if (!status.has_value()) continue;
    status = set == change.set.end() ? io::remove_tree(file_of(contract))
                                     : io::write_file(file_of(contract), wire::encode(set->second), io::Durability::None, 0600);
  }
  if (change.mesh) outcome[{}] = encrypted;
  return outcome;
}

}  // namespace mcloud::node
