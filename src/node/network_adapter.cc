#include "node/network_adapter.h"

#include <algorithm>
#include <variant>

#include "base/log.h"
#include "io/file.h"
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

Status add_networks(const ContractId& contract, const pb::LocalNetworks& local, network::DesiredNetworks& desired) {
  std::vector<network::Network> networks;
  std::vector<network::Publication> publications;
  for (const pb::LocalNetwork& from : local.networks()) {
    network::Network& network = networks.emplace_back();
    network.contract = contract;
    network.name = from.name();
    network.vni = from.vni();
    network.range = TRY(network::Range::parse(from.range()));
    for (const pb::LocalMember& member : from.members()) {
      network.members.push_back({.netns = member.netns(), .interface = member.interface(),
                                 .address = TRY(network::Ipv4::parse(member.address()))});
    }
    for (const pb::LocalRemote& remote : from.remotes()) {
      network.remotes.push_back({.address = TRY(network::Ipv4::parse(remote.address())),
                                 .node = TRY(network::Ipv4::parse(remote.node()))});
    }
  }
  for (const pb::LocalPublication& from : local.publications()) {
    network::Publication& publication = publications.emplace_back();
    publication.protocol = from.protocol() == "udp" ? network::Publication::Protocol::Udp : network::Publication::Protocol::Tcp;
    publication.port = static_cast<uint16_t>(from.port());
    publication.vni = from.vni();
    for (const pb::LocalTarget& target : from.targets()) {
      publication.targets.push_back({.address = TRY(network::Ipv4::parse(target.address())),
                                     .port = static_cast<uint16_t>(target.port())});
    }
  }
  desired.networks.insert(desired.networks.end(), networks.begin(), networks.end());
  desired.publications.insert(desired.publications.end(), publications.begin(), publications.end());
  return {};
}

Result<std::unique_ptr<NetworkAdapter>> NetworkAdapter::open(network::Machine& machine, const Options& options) {
  TRY(io::make_folders(options.folder, 0700));
  network::DesiredNetworks node;
  node.backplane = TRY(network::Ipv4::parse(options.backplane));
  node.uplink = options.uplink;
  node.underlay_mtu = options.underlay_mtu;
  for (const std::string& range : options.forbidden) node.forbidden.push_back(TRY(network::Range::parse(range)));
  return std::unique_ptr<NetworkAdapter>(new NetworkAdapter(machine, options.folder, std::move(node)));
}

Result<std::map<ContractId, pb::LocalNetworks>> NetworkAdapter::list() {
  set_.clear();
  undecided_.clear();
  for (const std::string& name : TRY(io::list_folder(folder_))) {
    auto contract = ContractId::from_hex(name);
    auto bytes = io::read_file(folder_ + "/" + name);
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
  return all;
}

network::DesiredNetworks NetworkAdapter::desired() const {
  network::DesiredNetworks desired = node_;
  for (const auto& [contract, networks] : set_) {
    // apply() has refused what cannot be understood.
    Status added = add_networks(contract, networks, desired);
    if (!added.has_value()) log::error("node", "network is left out", {{"reason", added.error().message}});
  }
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

std::map<ContractId, Status> NetworkAdapter::apply(const Change& change) {
  std::map<ContractId, Status> outcome;
  for (const ContractId& contract : change.remove) {
    set_.erase(contract);
    undecided_.erase(contract);
    outcome[contract] = {};
  }
  for (const auto& [contract, networks] : change.set) {
    network::DesiredNetworks scratch;
    outcome[contract] = add_networks(contract, networks, scratch);
    if (!outcome[contract].has_value()) continue;
    set_[contract] = networks;
    undecided_.erase(contract);
  }
  Error node_error;
  std::map<ContractId, Status> failures = execute(desired(), node_error);
  for (auto& [contract, status] : outcome) {
    if (auto failed = failures.find(contract); failed != failures.end()) status = failed->second;
    if (status.has_value() && !node_error.message.empty()) status = node_error;
    if (!status.has_value()) continue;
    auto set = change.set.find(contract);
    status = set == change.set.end() ? io::remove_tree(file_of(contract))
                                     : io::write_file(file_of(contract), wire::encode(set->second), io::Durability::None, 0600);
  }
  return outcome;
}

}  // namespace mcloud::node
