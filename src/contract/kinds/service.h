// Inside this room: what nodes themselves run for a contract, placed as replicas are: access points of networks,
// publications at gateways. They need next to nothing, keep nothing, and never share a node with their like.
#pragma once

#include <string_view>

#include "contract/kinds/kind.h"

namespace mcloud::contract {

namespace service_bounds {
inline constexpr Bounds kReplicas = {1, 16};
}  // namespace service_bounds

// Labels of nodes, told at admission; the value is "yes".
inline constexpr std::string_view kGatewayLabel = "gateway";  // it offers to be a gateway
inline constexpr std::string_view kInboundLabel = "inbound";  // strangers can reach it: it is not hidden

struct Service {
  const Placement& placement;
  uint32_t replicas = 1;
  std::string_view label;                  // that its nodes have, beside what `placement` says
  std::string_view section = "placement";  // where a file says it: "access.placement"
};

void check_service(const Contract& contract, const Workload& workload, const Service& service, Report& report);
// Farms and countries are the contract's where it names none; the contract's labels speak of machines that run
// containers.
void compile_service(CompileScope& scope, const Workload& workload, const Service& service, pb::Facets& facets);
Status validate_service(const pb::Facets& facets, std::string_view label);

}  // namespace mcloud::contract
