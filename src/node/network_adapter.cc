#include "node/network_adapter.h"

#include <algorithm>
#include <utility>
#include <variant>

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

// Whose it is, as far as steps tell.
class Owners {
 public:
  Owners(const network::DesiredNetworks& desired, const network::ActualNetworks& actual,
         const std::map<ContractId, pb::LocalNetworks>& set, const std::set<ContractId>& undecided) {
    for (const auto& [vni, network] : actual.networks) {
      if (network.shape) by_vni_[vni] = network.shape->contract;
    }
    for (const network::Network& network : desired.networks) by_vni_[network.vni] = network.contract;
    for (const auto& [contract, networks] : set) by_prefix_[netns_prefix(contract)] = contract;
    for (const ContractId& contract : undecided) by_prefix_[netns_prefix(contract)] = contract;
  }

  std::optional<ContractId> of(const network::NetworkStep& step) const {
    Subject subject = subject_of(step);
    if (subject.vni) {
      auto found = by_vni_.find(*subject.vni);
      return found == by_vni_.end() ? std::nullopt : std::optional(found->second);
    }
    auto found = by_prefix_.find(subject.netns.substr(0, 17));
    return found == by_prefix_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::map<uint32_t, ContractId> by_vni_;
  std::map<std::string, ContractId> by_prefix_;
};

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
  for (const std::string& range : options.forbidden) node.forbidden.push_back(TRY(network::Range::parse(range)));
  std::unique_ptr<NetworkAdapter> adapter(new NetworkAdapter(machine, mesh, clock, options, std::move(node)));
  adapter->follow_backplane();
  return adapter;
}

Result<std::map<ContractId, pb::LocalNetworks>> NetworkAdapter::list() {
  set_.clear();
  undecided_.clear();
  for (const std::string& name : TRY(io::list_folder(options_.folder))) {
    auto contract = ContractId::from_hex(name);
    auto bytes = io::read_file(options_.folder + "/" + name);
    if (!contract.has_value() || !bytes.has_value()) continue;
    auto networks = wire::decode<pb::LocalNetworks>(*bytes, "networks of " + name);
    if (networks.has_value()) set_[*contract] = *networks;
  }
  std::map<ContractId, pb::LocalNetworks> all = set_;
  network::ActualNetworks actual = TRY(machine_.read());
  for (const auto& [vni, network] : actual.networks) {
    if (!network.shape || set_.contains(network.shape->contract)) continue;
    undecided_.insert(network.shape->contract);
    all.try_emplace(network.shape->contract);
  }
  assume_devices(actual);
  note_transits(desired());
  return all;
}

network::DesiredNetworks NetworkAdapter::desired() const {
  network::DesiredNetworks desired = node_;
  for (const auto& [contract, networks] : set_) {
    // apply() has refused what cannot be understood.
    Status added = add_networks(contract, networks, options_.bridges, desired);
    if (!added.has_value()) log::error("node", "network is left out", {{"reason", added.error().message}});
  }
  lead_to_slots(desired);
  place_devices(desired);
  for (const std::string& complaint : network::complaints(desired)) log::warning("node", "network: " + complaint);
  return desired;
}

std::map<ContractId, Status> NetworkAdapter::execute(const network::DesiredNetworks& desired, Error& node_error) {
  std::map<ContractId, Status> failures;
  auto actual = machine_.read();
  if (!actual.has_value()) {
    node_error = actual.error();
    return failures;
  }
  Owners owners(desired, *actual, set_, undecided_);
  for (const network::NetworkStep& step : network::plan(desired, *actual)) {
    std::optional<ContractId> owner = owners.of(step);
    if (owner && undecided_.contains(*owner)) continue;
    if (owner && failures.contains(*owner)) continue;  // its later steps build on the one that failed
    Status done = machine_.execute(step);
    if (done.has_value()) continue;
    Error error = done.error().with_context(network::describe(step));
    if (owner) failures.emplace(*owner, error);
    if (!owner && is_of_node(step) && node_error.message.empty()) node_error = error;
    if (!owner && !is_of_node(step)) log::warning("node", "network leftovers stay", {{"reason", error.message}});
  }
  return failures;
}

// Keys and the namespace that networks of the mesh stand on.
Status NetworkAdapter::prepare_mesh() {
  MeshNeeds needs = MeshNeeds::of(set_, mesh_);
  if (mesh_keeper_ != nullptr) return mesh_keeper_->prepare(needs);
  if (!needs.is_meshed && needs.peers.empty()) return {};
  return make_error(Code::Unsupported, "this node has no WireGuard: its kernel has none and wireguard-go is not installed");
}

Status NetworkAdapter::encrypt(const network::DesiredNetworks& desired) {
  if (mesh_keeper_ == nullptr) return {};
  return mesh_keeper_->apply(MeshNeeds::of(set_, mesh_), mesh_, network::access_devices(desired));
}

void NetworkAdapter::note_transits(const network::DesiredNetworks& desired) {
  auto actual = machine_.read();
  if (!actual.has_value()) return;
  std::map<Transit, network::Ipv4> transits;
  auto note = [&](const Transit& transit) {
    if (auto address = network::transit_address(*actual, transit.vni, transit.portal)) transits[transit] = *address;
  };
  for (const network::Network& network : desired.networks) {
    note({network.vni, ""});
    for (const network::Member& member : network.members) {
      if (member.is_portal) note({network.vni, member.netns});
    }
  }
  std::lock_guard lock(mutex_);
  transits_ = std::move(transits);
}

std::map<Transit, network::Ipv4> NetworkAdapter::transits() const {
  std::lock_guard lock(mutex_);
  return transits_;
}

// The orders name a peer's newest key; packets go by it only when both ends have shaken hands on it.
void NetworkAdapter::lead_to_slots(network::DesiredNetworks& desired) const {
  if (mesh_keeper_ == nullptr) return;
  for (network::Network& network : desired.networks) {
    if (network.underlay == network::Underlay::Plain) continue;
    std::map<uint32_t, uint32_t> slots = mesh_keeper_->peer_slots(network.underlay == network::Underlay::Mesh ? 0 : network.vni);
    for (network::RemoteMember& remote : network.remotes) {
      uint32_t number = (remote.node.value - network::mesh_address(0, 0).value) / 4;
      auto slot = slots.find(number);
      if (slot != slots.end()) remote.node = network::mesh_address(number, slot->second);
    }
  }
}

Status NetworkAdapter::tend() {
  Status tended = tend_mesh();
  Status placed = tend_devices();
  if (tended.has_value()) tended = placed;
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
  return std::exchange(node_.backplane, address) != address;
}

Status NetworkAdapter::tend_mesh() {
  bool has_changed = follow_backplane();
  if (mesh_keeper_ != nullptr) has_changed = TRY(mesh_keeper_->tend()) || has_changed;
  if (!has_changed) return {};
  return apply_again();
}

Status NetworkAdapter::apply_again() {
  TRY(prepare_mesh());
  network::DesiredNetworks wanted = desired();
  Error node_error;
  std::map<ContractId, Status> failures = execute(wanted, node_error);
  TRY(encrypt(wanted));
  if (!node_error.message.empty()) return node_error;
  return failures.empty() ? Status() : failures.begin()->second;
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
    set_.erase(contract);
    undecided_.erase(contract);
    outcome[contract] = {};
  }
  for (const auto& [contract, networks] : change.set) {
    network::DesiredNetworks scratch;
    outcome[contract] = add_networks(contract, networks, options_.bridges, scratch);
    if (!outcome[contract].has_value()) continue;
    set_[contract] = networks;
    undecided_.erase(contract);
  }
  follow_backplane();
  network::DesiredNetworks wanted = desired();
  Error node_error;
  Status encrypted = prepare_mesh();
  std::map<ContractId, Status> failures = execute(wanted, node_error);
  if (encrypted.has_value()) encrypted = encrypt(wanted);
  note_transits(wanted);
  for (auto& [contract, status] : outcome) {
    if (auto failed = failures.find(contract); failed != failures.end()) status = failed->second;
    if (status.has_value() && !node_error.message.empty()) status = node_error;
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
