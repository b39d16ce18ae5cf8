#include "node/gateway_adapter.h"

#include <algorithm>

#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;

// By the text that the orders have.
std::map<std::string, std::string> addresses_by_text(const Transits& transits) {
  std::map<std::string, std::string> addresses;
  for (const auto& [transit, address] : transits) addresses[transit_text(transit)] = address.text();
  return addresses;
}

// Replaced only when it says something else: the processes look at it anew each time.
Status set_file(const std::string& path, bool is_wanted, const Bytes& content) {
  if (!is_wanted) return io::exists(path) ? io::remove_tree(path) : Status();
  auto there = io::read_file(path, kFileBytesMax);
  if (there.has_value() && *there == content) return {};
  return io::write_file(path, content, io::Durability::None, 0600);
}

}  // namespace

pb::LocalGateway with_addresses(pb::LocalGateway gateway, const Transits& transits) {
  std::map<std::string, std::string> addresses = addresses_by_text(transits);
  for (pb::LocalSite& site : *gateway.mutable_sites()) {
    google::protobuf::RepeatedPtrField<pb::LocalServer> servers;
    servers.Swap(site.mutable_servers());
    for (pb::LocalServer& server : servers) {
      auto address = addresses.find(server.address());
      if (!server.address().empty() && address == addresses.end()) continue;
      if (!server.address().empty()) server.set_address(address->second);
      *site.add_servers() = std::move(server);
    }
  }
  return gateway;
}

pb::LocalTunnel with_addresses(pb::LocalTunnel tunnel, const Transits& transits) {
  std::map<std::string, std::string> addresses = addresses_by_text(transits);
  for (pb::LocalTunnelGateway& gateway : *tunnel.mutable_gateways()) {
    google::protobuf::RepeatedPtrField<pb::LocalTunnelWay> ways;
    ways.Swap(gateway.mutable_ways());
    for (pb::LocalTunnelWay& way : ways) {
      auto address = addresses.find(way.address());
      if (address == addresses.end()) continue;
      way.set_address(address->second);
      *gateway.add_ways() = std::move(way);
    }
  }
  return tunnel;
}

Result<std::unique_ptr<GatewayAdapter>> GatewayAdapter::open(Options options, std::function<Transits()> transits) {
  TRY(io::make_folders(options.gateway_folder, 0711));
  TRY(io::make_folders(options.tunnel_folder, 0700));
  return std::unique_ptr<GatewayAdapter>(new GatewayAdapter(std::move(options), std::move(transits)));
}

Status GatewayAdapter::want(const pb::LocalGateway& gateway, const pb::LocalTunnel& tunnel) {
  Transits transits = transits_();
  const std::string& folder = options_.gateway_folder;
  TRY(set_file(folder + "/wanted", !gateway.sites().empty(), wire::encode(with_addresses(gateway, transits))));
  TRY(set_file(options_.tunnel_folder + "/wanted", !tunnel.gateways().empty(), wire::encode(with_addresses(tunnel, transits))));
  // What a process said last is no news once it has ended.
  if (gateway.sites().empty()) TRY(set_file(folder + "/state", false, {}));
  if (tunnel.gateways().empty()) TRY(set_file(options_.tunnel_folder + "/state", false, {}));
  return {};
}

namespace {

template <typename State>
Result<State> read_state(const std::string& folder) {
  Bytes bytes = TRY(io::read_file(folder + "/state", kFileBytesMax));
  return wire::decode<State>(bytes, folder + "/state", kFileBytesMax);
}

}  // namespace

Result<pb::GatewayState> GatewayAdapter::gateway_state() { return read_state<pb::GatewayState>(options_.gateway_folder); }

Figures GatewayAdapter::figures() const {
  Figures figures;
  auto gateway = read_state<pb::GatewayState>(options_.gateway_folder);
  if (gateway.has_value()) add_gateway_figures(*gateway, figures);
  auto tunnel = read_state<pb::TunnelState>(options_.tunnel_folder);
  if (tunnel.has_value()) add_tunnel_figures(*tunnel, figures);
  return figures;
}

}  // namespace mcloud::node
