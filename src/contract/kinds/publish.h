// `kind: publish`: a port on the uplink of every node that runs a replica of the target. Its facet is a claim on the target
// workload; there is nothing to place. With a name, domains or `at: gateways` it is a workload of its own, a site (site.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "contract/kinds/kind.h"

namespace mcloud::contract {

extern const Kind kPublishKind;

// The port of the target that is published, when everything it names is there.
std::optional<Port> published_port(const Contract& contract, const Publish& publish);
// What publications claim on the nodes of `target`: "tcp/8080", sorted.
std::vector<std::string> claims_on(const Contract& contract, std::string_view target);
std::vector<std::string> claims_on(const pb::ContractBody& body, std::string_view target);

}  // namespace mcloud::contract
