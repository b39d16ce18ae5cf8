#include "contract/kinds/network.h"

#include "contract/conduct.h"
#include "contract/judge.h"
#include "contract/kinds/reachable.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

std::string range_text(const Network& network) {
  return network.range ? network.range->value : std::string(kDefaultRange);
}

void parse_network(MapReader& fields, Workload& workload) {
  Network network;
  if (auto found = fields.find("range")) {
    network.range = found->text();
    if (network.range) {
      if (Result<AddressRange> range = parse_range(network.range->value); !range) {
        found->complain("\"" + shortened(network.range->value) + "\": " + range.error().message,
                        {"an IPv4 range, /8 to /28, such as 10.7.0.0/16", ""});
      }
    }
  }
  workload.spec = std::move(network);
}

uint64_t replicas_in(const Contract& contract, const std::string& space) {
  uint64_t replicas = 0;
  for (const Workload& workload : contract.workloads) {
    std::optional<Reachable> found = reachable(workload);
    if (found && contains(spaces_of(contract, *found->networks), space)) replicas += found->replicas;
  }
  return replicas;
}

// Pairs are reported once, at the second of them.
void check_network(const Contract& contract, const Workload& workload, Report& report) {
  const Network& network = std::get<Network>(workload.spec);
  Place place = network.range ? network.range->place : workload.name.place;
  std::string field = "workloads." + workload.name.value + ".range";
  Result<AddressRange> range = parse_range(range_text(network));
  if (!range) return;
  for (const Workload& other : contract.workloads) {
    const Network* neighbour = std::get_if<Network>(&other.spec);
    if (&other == &workload) break;
    if (neighbour == nullptr) continue;
    Result<AddressRange> taken = parse_range(range_text(*neighbour));
    if (!taken || !taken->overlaps(*range)) continue;
    report.add(place, field, range->text() + " overlaps the network \"" + other.name.value + "\", " + taken->text(),
               {"a range of its own, such as 10.43.0.0/16", ""});
  }
  uint64_t replicas = replicas_in(contract, workload.name.value);
  if (replicas > replicas_that_fit(*range)) {
    report.add(place, field, std::to_string(replicas) + " replicas do not fit into " + range->text() + ", which has room for " +
                                 std::to_string(replicas_that_fit(*range)));
  }
}

void compile_network(CompileScope&, const Workload& workload, pb::Facets& facets, pb::WorkloadBody& body) {
  make_unplaced(facets);
  body.mutable_network()->set_range(range_text(std::get<Network>(workload.spec)));
}

Status validate_network(const SignedScope& scope, const pb::Facets& facets, const pb::WorkloadBody& body) {
  TRY(check_unplaced(facets));
  for (const pb::AddressSpace& space : scope.header.spaces()) {
    if (space.name() != facets.name()) continue;
    return require(space.range() == body.network().range(), "range", "the header says " + space.range());
  }
  return refused("range", "the header has no address space of this name");
}

std::string summarize(const pb::Facets&, const pb::WorkloadBody& body) {
  return body.network().range();
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
    .own_facets = false,
    .live_fields = {},
};

}  // namespace mcloud::contract
