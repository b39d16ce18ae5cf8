#include "node/network_wish.h"

namespace mcloud::node {
namespace {

constexpr int kUplinkMtu = 1500;

network::Underlay underlay_of(pb::Encryption encryption) {
  if (encryption == pb::ENCRYPTION_WIREGUARD) return network::Underlay::Mesh;
  return encryption == pb::ENCRYPTION_DEDICATED ? network::Underlay::Dedicated : network::Underlay::Plain;
}

Result<std::vector<network::Ipv4>> addresses_of(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<network::Ipv4> addresses;
  for (const std::string& text : texts) addresses.push_back(TRY(network::Ipv4::parse(text)));
  return addresses;
}

Status add_members(const pb::LocalNetwork& from, network::Network& network) {
  for (const pb::LocalMember& member : from.members()) {
    network.members.push_back({.netns = member.netns(), .interface = member.interface(),
                               .address = TRY(network::Ipv4::parse(member.address())), .is_portal = member.portal()});
  }
  for (const pb::LocalRemote& remote : from.remotes()) {
    network.remotes.push_back({.address = TRY(network::Ipv4::parse(remote.address())),
                               .node = TRY(network::Ipv4::parse(remote.node()))});
  }
  return {};
}

Status add_rules(const pb::LocalNetwork& from, network::Network& network) {
  network.restricted = from.restricted();
  for (const pb::LocalAllow& allow : from.allow()) {
    network::AllowRule rule;
    rule.from = TRY(addresses_of(allow.from()));
    rule.to = TRY(addresses_of(allow.to()));
    rule.to_world = allow.to_world();
    rule.protocol = allow.protocol();
    rule.port_first = static_cast<uint16_t>(allow.port_first());
    rule.port_last = static_cast<uint16_t>(allow.port_last());
    network.allow.push_back(std::move(rule));
  }
  for (const pb::LocalWay& way : from.ways()) {
    network.ways.push_back({.protocol = way.protocol(), .port = static_cast<uint16_t>(way.port()),
                            .address = TRY(network::Ipv4::parse(way.address())),
                            .target_port = static_cast<uint16_t>(way.target_port()), .portal = way.portal()});
  }
  return {};
}

Status add_access(const pb::LocalNetwork& from, network::Network& network) {
  if (!from.has_access()) return {};
  network::Access access;
  access.portal = from.access().portal();
  access.port = static_cast<uint16_t>(from.access().port());
  access.secret = TRY(network::WireGuardKey::from_bytes(from.access().private_key()));
  for (const pb::LocalDevice& device : from.access().devices()) {
    access.devices.push_back({.key = TRY(network::WireGuardKey::from_bytes(device.key())),
                              .address = TRY(network::Ipv4::parse(device.address())),
                              .is_here = !from.access().shared()});
  }
  network.access = std::move(access);
  return {};
}

Result<network::Network> network_of(const ContractId& contract, const pb::LocalNetwork& from,
                                    const std::map<std::string, std::string>& bridges) {
  network::Network network;
  network.contract = contract;
  network.name = from.name();
  network.vni = from.vni();
  network.range = TRY(network::Range::parse(from.range()));
  network.range6 = from.range6();
  network.underlay = underlay_of(from.encryption());
  if (from.spans_uplinks()) network.underlay_mtu = kUplinkMtu;
  if (!from.bridge().empty()) {
    auto bridge = bridges.find(from.bridge());
    if (bridge == bridges.end()) return make_error(Code::Unsupported, "this node has no bridge to " + from.bridge());
    network.bridge = bridge->second;
  }
  TRY(add_members(from, network));
  TRY(add_rules(from, network));
  TRY(add_access(from, network));
  return network;
}

Result<network::Publication> publication_of(const pb::LocalPublication& from) {
  network::Publication publication;
  publication.protocol = from.protocol() == "udp" ? network::Publication::Protocol::Udp : network::Publication::Protocol::Tcp;
  publication.port = static_cast<uint16_t>(from.port());
  publication.vni = from.vni();
  publication.portal = from.portal();
  publication.from.assign(from.from().begin(), from.from().end());
  for (const pb::LocalTarget& target : from.targets()) {
    publication.targets.push_back({.address = TRY(network::Ipv4::parse(target.address())),
                                   .port = static_cast<uint16_t>(target.port())});
  }
  return publication;
}

}  // namespace

Status add_networks(const ContractId& contract, const pb::LocalNetworks& local,
                    const std::map<std::string, std::string>& bridges, network::DesiredNetworks& desired) {
  std::vector<network::Network> networks;
  std::vector<network::Publication> publications;
  for (const pb::LocalNetwork& from : local.networks()) {
    networks.push_back(TRY(network_of(contract, from, bridges).with_context("network " + from.name())));
  }
  for (const pb::LocalPublication& from : local.publications()) publications.push_back(TRY(publication_of(from)));
  desired.networks.insert(desired.networks.end(), networks.begin(), networks.end());
  desired.publications.insert(desired.publications.end(), publications.begin(), publications.end());
  return {};
}

}  // namespace mcloud::node
