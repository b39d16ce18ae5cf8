#include <algorithm>
#include <set>

#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/allow.h"
#include "contract/kinds/network.h"
#include "contract/kinds/service.h"
#include "contract/secret_field.h"
#include "contract/secrets.h"
#include "crypto/x25519.h"

namespace mcloud::contract {
namespace {

// As versions of before signed it: a range and nothing else.
Status check_unset(const pb::Facets& facets, const pb::NetworkBody& body) {
  bool is_plain = !body.restricted() && body.allow().empty() && !body.has_access() && body.bridge().empty();
  TRY(require(is_plain, "encryption", "is not set"));
  return check_unplaced(facets);
}

Status check_bridge(const SignedScope& scope, std::string_view network, const pb::NetworkBody& body) {
  if (body.bridge().empty()) return {};
  TRY(require_rule(kNameRule, body.bridge(), "bridge"));
  TRY(require(body.encryption() == pb::ENCRYPTION_NONE, "bridge", "a physical network is not encrypted"));
  auto is_label = [&](const pb::Label& label) {
    return label.key() == bridge_label(body.bridge()) && label.value() == "yes";
  };
  for (const pb::Facets& facets : scope.header.workloads()) {
    if (!contains(facets.spaces(), network)) continue;
    const auto& labels = facets.placement().labels();
    TRY(require(std::any_of(labels.begin(), labels.end(), is_label), "bridge",
                "\"" + facets.name() + "\" may stand where there is none"));
  }
  return {};
}

Status check_one_farm(const SignedScope& scope, std::string_view network) {
  std::set<std::string> farms;
  for (const pb::Facets& facets : scope.header.workloads()) {
    if (!contains(facets.spaces(), network)) continue;
    TRY(require(facets.placement().farms_size() == 1, "encryption",
                "\"" + facets.name() + "\" names not exactly one farm"));
    farms.insert(facets.placement().farms(0));
  }
  return require(farms.size() <= 1, "encryption", "without it all stand in one farm");
}

Status check_access(const pb::Facets& facets, const pb::Access& access) {
  TRY(require_bounds({1, 65535}, access.port(), "access.port"));
  TRY(require(access.port() < network_bounds::kMeshPorts.min || access.port() > network_bounds::kMeshPorts.max,
              "access.port", "is the nodes' own"));
  TRY(require(access.public_key().size() == crypto::kX25519Size, "access.public_key", "a key has 32 bytes"));
  TRY(check_secret(access.private_key(), std::string(kAccessKeyField)));
  TRY(validate_service(facets, kInboundLabel));
  TRY(require(facets.claims_size() == 1 && facets.claims(0) == claim_name("udp", access.port()), "claims",
              "the header claims another port"));
  return require(facets.spaces_size() == 1 && facets.spaces(0) == facets.name(), "spaces",
                 "it stands in itself, and there alone");
}

Status check_space(const SignedScope& scope, const pb::Facets& facets, const pb::NetworkBody& body) {
  for (const pb::AddressSpace& space : scope.header.spaces()) {
    if (space.name() != facets.name()) continue;
    TRY(require(space.range() == body.range(), "range", "the header says " + space.range()));
    return require(space.devices() == body.has_access(), "access", "the header's `devices` says otherwise");
  }
  return refused("range", "the header has no address space of this name");
}

}  // namespace

Status validate_network(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& workload) {
  const pb::NetworkBody& body = workload.network();
  TRY(check_space(scope, facets, body));
  if (body.encryption() == pb::ENCRYPTION_UNSET) return check_unset(facets, body);
  TRY(require(body.encryption() >= pb::ENCRYPTION_WIREGUARD && body.encryption() <= pb::ENCRYPTION_NONE, "encryption",
              "is not known"));
  if (body.encryption() == pb::ENCRYPTION_NONE) TRY(check_one_farm(scope, facets.name()));
  TRY(check_bridge(scope, facets.name(), body));
  TRY(validate_allow(scope, facets.name(), body));
  return body.has_access() ? check_access(facets, body.access()) : check_unplaced(facets);
}

}  // namespace mcloud::contract
