#include "contract/kinds/network.h"

#include <algorithm>
#include <array>
#include <map>

#include "contract/conduct.h"
#include "contract/header.h"
#include "contract/judge.h"
#include "contract/kinds/allow.h"
#include "contract/kinds/reachable.h"
#include "contract/kinds/service.h"
#include "contract/reference.h"
#include "contract/secrets.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"

namespace mcloud::contract {
namespace {

// Nodes bring all but the access point's own port and key into force where they are.
constexpr std::array<std::string_view, 4> kLiveFields = {"encryption", "restricted", "allow", "bridge"};

pb::Encryption encryption_of(const Network& network) {
  return network.encryption ? network.encryption->value : pb::ENCRYPTION_WIREGUARD;
}

// Pairs are reported once, at the second of them.
void check_range(const Contract& contract, const Workload& workload, const Network& network, Report& report) {
  Place place = network.range ? network.range->place : workload.name.place;
  std::string field = "workloads." + workload.name.value + ".range";
  Result<AddressRange> range = parse_range(range_of(network));
  if (!range) return;
  for (const Workload& other : contract.workloads) {
    const Network* neighbour = std::get_if<Network>(&other.spec);
    if (&other == &workload) break;
    if (neighbour == nullptr) continue;
    Result<AddressRange> taken = parse_range(range_of(*neighbour));
    if (!taken || !taken->overlaps(*range)) continue;
    report.add(place, field, range->text() + " overlaps the network \"" + other.name.value + "\", " + taken->text(),
               {"a range of its own, such as 10.43.0.0/16", ""});
  }
  uint64_t replicas = 0;
  for (const Workload& other : contract.workloads) {
    Standing found = standing(contract, other);
    if (contains(found.spaces, workload.name.value)) replicas += found.replicas;
  }
  if (replicas > replicas_that_fit(*range)) {
    report.add(place, field,
               std::to_string(replicas) + " replicas do not fit into " + range->text() + ", which has room for " +
                   std::to_string(replicas_that_fit(*range)));
  }
}

// What is not encrypted must not leave a farm's backplane.
void check_one_farm(const Contract& contract, const Workload& workload, Report& report) {
  std::map<std::string, std::string> farms;
  for (const Workload& other : contract.workloads) {
    const Placement* own = placement_of(other);
    if (own == nullptr || !contains(standing(contract, other).spaces, workload.name.value)) continue;
    const auto& chosen = own->farms ? own->farms : contract.placement.farms;
    if (chosen && chosen->size() == 1) {
      farms.emplace(chosen->front().value, other.name.value);
      continue;
    }
    report.add(other.name.place, "workloads." + other.name.value + ".placement.farms",
               "the network \"" + workload.name.value + "\" is not encrypted, so it stays within one farm: which one?",
               {"placement: {farms: [NAME]}, of the contract or of the workload", ""});
  }
  if (farms.size() < 2) return;
  report.add(
      workload.name.place, "workloads." + workload.name.value + ".encryption",
      "\"" + farms.begin()->second + "\" and \"" + std::next(farms.begin())->second + "\" stand in different farms",
      {"wireguard, dedicated; none within one farm only", ""});
}

Service service_of(const Access& access) {
  return {access.placement, access.replicas.value, kInboundLabel, "access.placement"};
}

void check_access(const Contract& contract, const Workload& workload, const Network& network, Report& report) {
  const std::string field = "workloads." + workload.name.value;
  if (!network.access) {
    if (!network.members.empty()) {
      report.add(network.members.front().place, field + ".members", "nobody's devices can join without an access point",
                 {"access: true beside it", ""});
    }
    return;
  }
  check_service(contract, workload, service_of(*network.access), report);
  if (!network.access->port) return;
  const Placed<uint32_t>& port = *network.access->port;
  if (port.value >= network_bounds::kMeshPorts.min && port.value <= network_bounds::kMeshPorts.max) {
    report.add(port.place, field + ".access.port", "the nodes' own WireGuard listens there",
               {"any but 51820 to 51822", ""});
  }
  for (const Workload& other : contract.workloads) {
    if (&other == &workload) break;
    const Network* taken = std::get_if<Network>(&other.spec);
    if (taken == nullptr || !taken->access || !taken->access->port || taken->access->port->value != port.value)
      continue;
    report.add(port.place, field + ".access.port", "is that of the network \"" + other.name.value + "\" already");
  }
}

Bytes public_half(const Bytes& secret) {
  Result<Bytes> key = crypto::x25519_public(secret);
  return key ? std::move(*key) : Bytes();
}

void compile_access(CompileScope& scope, const Workload& workload, const Access& access, pb::Facets& facets,
                    pb::Access& out) {
  const std::string& name = workload.name.value;
  out.set_port(access.port ? access.port->value : default_access_port(scope.context().nonce, name));
  CompileScope::Made made =
      scope.keep_or_make(workload, std::string(kAccessKeyField), crypto::make_x25519_secret,
                         [](const Bytes& secret) { return crypto::x25519_public(secret).has_value(); });
  out.set_public_key(public_half(made.value));
  *out.mutable_private_key() = std::move(made.secret);
  crypto::wipe(made.value);
  compile_service(scope, workload, service_of(access), facets);
  facets.add_claims(claim_name("udp", out.port()));
  facets.add_spaces(name);
}

std::string summarize(const pb::Facets& facets, const pb::WorkloadBody& body) {
  const pb::NetworkBody& network = body.network();
  std::string text = network.range();
  switch (effective_encryption(network)) {
    case pb::ENCRYPTION_DEDICATED: text += ", encrypted with keys of its own"; break;
    case pb::ENCRYPTION_WIREGUARD: text += ", encrypted"; break;
    default: text += ", not encrypted"; break;
  }
  if (!network.bridge().empty()) text += ", bridged to " + network.bridge();
  if (network.restricted()) {
    text += network.allow().empty()
                ? ", nobody may open anything"
                : ", " + std::to_string(network.allow_size()) + (network.allow_size() == 1 ? " rule" : " rules");
  }
  if (!network.has_access()) return text;
  text += ", devices join at " + claim_name("udp", network.access().port());
  return facets.replicas() == 1 ? text : text + " of " + std::to_string(facets.replicas()) + " nodes";
}

}  // namespace

const Kind kNetworkKind = {
    .name = "network",
    .body_case = pb::WorkloadBody::kNetwork,
    .parse = parse_network,
    .check = check_network,
    .compile = compile_network,
    .validate = validate_network,
    .summary = summarize,
    .own_facets = true,
    .live_fields = kLiveFields,
};

std::string bridge_label(std::string_view bridge) { return "bridge." + std::string(bridge); }

std::string range_of(const Network& network) {
  return network.range ? network.range->value : std::string(kDefaultRange);
}

uint32_t default_access_port(BytesView nonce, std::string_view network) {
  constexpr uint32_t kFirst = 20000, kCount = 10000;
  Hash hash = crypto::blake2b({nonce, BytesView("|"), network});
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(hash.view()[i]);
  return kFirst + number % kCount;
}

void check_network(const Contract& contract, const Workload& workload, Report& report) {
  const Network& network = std::get<Network>(workload.spec);
  check_range(contract, workload, network, report);
  if (encryption_of(network) == pb::ENCRYPTION_NONE) check_one_farm(contract, workload, report);
  if (network.bridge && encryption_of(network) != pb::ENCRYPTION_NONE) {
    report.add(network.bridge->place, "workloads." + workload.name.value + ".bridge",
               "a physical network is not encrypted", {"encryption: none beside it", ""});
  }
  check_access(contract, workload, network, report);
  check_allow(contract, workload, network, report);
}

void compile_network(CompileScope& scope, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  const Network& network = std::get<Network>(workload.spec);
  pb::NetworkBody& out = *body.mutable_network();
  out.set_range(range_of(network));
  out.set_encryption(encryption_of(network));
  compile_allow(scope, workload, network, out);
  if (network.bridge) out.set_bridge(network.bridge->value);
  if (!network.access) return make_unplaced(facets);
  compile_access(scope, workload, *network.access, facets, *out.mutable_access());
}

void compile_space(CompileScope& scope, const Workload& workload, const pb::NetworkBody& body,
                   pb::AddressSpace& space) {
  space.set_name(workload.name.value);
  space.set_range(body.range());
  space.set_devices(body.has_access());
  std::map<PublicKey, std::string> members;
  for (const Text& who : std::get<Network>(workload.spec).members) {
    const std::string field = "workloads." + workload.name.value + ".members";
    Result<PublicKey> key =
        who.value == "owner" ? Result<PublicKey>(scope.context().owner) : scope.resolver().key_of(who.value);
    if (!key) {
      scope.report().add(who.place, field, key.error().message);
    } else if (*key == scope.context().owner) {
      scope.report().add(who.place, field, "is the owner, whose devices may join anyway");
    } else if (auto [other, is_new] = members.emplace(*key, who.value); !is_new) {
      scope.report().add(who.place, field, "\"" + who.value + "\" and \"" + other->second + "\" are the same person");
    }
  }
  for (const auto& [key, who] : members) space.add_members(key.bytes());
}

}  // namespace mcloud::contract
