// `kind: network`: a private network of the contract. Its facet is an address space of the header; there is nothing to
// place unless people's devices may join: then its replicas are their access points. network_parse.cc reads it,
// network.cc writes defaults out, network_validate.cc judges signed bytes, allow.cc is about `allow`.
#pragma once

#include "contract/kinds/kind.h"

namespace mcloud::contract {

inline constexpr std::string_view kDefaultNetwork = "default";
inline constexpr std::string_view kDefaultRange = "10.42.0.0/16";

namespace network_bounds {
inline constexpr size_t kMembers = 64;
// The mesh's own, on every node.
inline constexpr Bounds kMeshPorts = {51820, 51822};
}  // namespace network_bounds

extern const Kind kNetworkKind;

// What nodes that offer a physical network under this name have; its value is "yes".
std::string bridge_label(std::string_view bridge);
// As written, else the default.
std::string range_of(const Network& network);
// Another one for each network, so that two of them may have access points on one node; the same for all versions:
// 20000 to 29999.
uint32_t default_access_port(BytesView nonce, std::string_view network);
// The header's part: who may join.
void compile_space(CompileScope& scope, const Workload& workload, const pb::NetworkBody& body, pb::AddressSpace& space);

// The parts of the kind, for its row in the table.
void parse_network(MapReader& fields, Workload& workload);
void check_network(const Contract& contract, const Workload& workload, Report& report);
void compile_network(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body);
Status validate_network(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body);

}  // namespace mcloud::contract
