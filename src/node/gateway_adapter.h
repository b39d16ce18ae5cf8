// The gateway's and the tunnel's process as they are told and asked: files in RUNTIME, replaced as a whole. While
// `wanted` is there, init runs the process (init.h).
#pragma once

#include <functional>
#include <map>

#include "network/address.h"
#include "node/ports.h"
#include "node/site_orders.h"

namespace mcloud::node {

using Transits = std::map<Transit, network::Ipv4>;

class GatewayAdapter final : public Gateways {
 public:
  struct Options {
    std::string gateway_folder;  // RUNTIME/gateway
    std::string tunnel_folder;   // RUNTIME/tunnel
  };
  // `transits`: called by want(), on its thread.
  static Result<std::unique_ptr<GatewayAdapter>> open(Options options, std::function<Transits()> transits);

  Status want(const pb::LocalGateway& gateway, const pb::LocalTunnel& tunnel) override;
  Result<pb::GatewayState> gateway_state() override;
  Figures figures() const override;

 private:
  GatewayAdapter(Options options, std::function<Transits()> transits)
      : options_(std::move(options)), transits_(std::move(transits)) {}

  const Options options_;
  const std::function<Transits()> transits_;
};

// Addresses in place of transits; what leads through a link that is not there is left out. Pure.
pb::LocalGateway with_addresses(pb::LocalGateway gateway, const Transits& transits);
pb::LocalTunnel with_addresses(pb::LocalTunnel tunnel, const Transits& transits);

}  // namespace mcloud::node
