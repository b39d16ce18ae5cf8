#include <map>
#include <set>

#include "contract/header.h"
#include "contract/judge.h"
#include "contract/web_syntax.h"
#include "wire/canonical.h"

namespace mcloud::contract {
namespace {

constexpr uint64_t kTimeMsMax = 1ull << 53;  // so that JSON readers see the same number
constexpr size_t kKindBytesMax = 40;

Status check_identity(const pb::ContractHeader& header) {
  TRY(require(header.format() == kFormat, "format", std::to_string(header.format()) + " is not known"));
  TRY(require_rule(kNameRule, header.name(), "name"));
  TRY(require(header.owner().size() == PublicKey::kSize, "owner", "a key has 32 bytes"));
  TRY(require(header.nonce().size() == kNonceSize, "nonce", "has not 16 bytes"));
  TRY(require_bounds({1, kTimeMsMax}, header.version(), "version"));
  TRY(require(header.body_hash().size() == Hash::kSize, "body_hash", "a hash has 32 bytes"));
  return require_bounds({1, kTimeMsMax}, header.expires_ms(), "expires_ms");
}

Status check_approvals(const pb::ContractHeader& header) {
  const pb::Approvals& approvals = header.approvals();
  TRY(require(header.has_approvals() && approvals.signers_size() > 0, "approvals.signers", "nobody could approve"));
  TRY(require_sorted(approvals.signers(), kSignersMax, "approvals.signers", [](auto& signer) -> auto& { return signer.key(); }));
  uint64_t weights = 0;
  for (const pb::Signer& signer : approvals.signers()) {
    TRY(require(signer.key().size() == PublicKey::kSize, "approvals.signers.key", "a key has 32 bytes"));
    TRY(require_rule(kNameRule, signer.role(), "approvals.signers.role"));
    TRY(require_bounds({1, kWeightMax}, signer.weight(), "approvals.signers.weight"));
    weights += signer.weight();
  }
  TRY(require_bounds({1, weights}, approvals.threshold(), "approvals.threshold"));
  return require_bounds({0, weights}, approvals.acceptance_threshold(), "approvals.acceptance_threshold");
}

Status check_members(const pb::ContractHeader& header, const pb::AddressSpace& space) {
  const std::string field = "spaces." + space.name() + ".members";
  TRY(require(space.devices() || space.members().empty(), field, "no devices may join"));
  TRY(require_sorted(space.members(), static_cast<size_t>(kMembersMax), field));
  for (const std::string& member : space.members()) {
    TRY(require(member.size() == PublicKey::kSize, field, "a key has 32 bytes"));
    TRY(require(member != header.owner(), field, "the owner's devices may join anyway"));
  }
  return {};
}

Status check_spaces(const pb::ContractHeader& header) {
  TRY(require_sorted(header.spaces(), kSpacesMax, "spaces", [](auto& space) -> auto& { return space.name(); }));
  std::vector<AddressRange> ranges;
  for (const pb::AddressSpace& space : header.spaces()) {
    TRY(require_rule(kNameRule, space.name(), "spaces"));
    Result<AddressRange> range = parse_range(space.range());
    if (!range) return range.error().with_context("spaces." + space.name());
    for (const AddressRange& other : ranges) {
      TRY(require(!range->overlaps(other), "spaces." + space.name(), "overlaps another address space"));
    }
    ranges.push_back(*range);
    TRY(check_members(header, space));
    uint64_t replicas = 0;
    for (const pb::Facets& facets : header.workloads()) {
      if (contains(facets.spaces(), space.name())) replicas += facets.replicas();
    }
    TRY(require(replicas <= replicas_that_fit(*range), "spaces." + space.name(),
                std::to_string(replicas) + " replicas do not fit into " + space.range()));
  }
  return {};
}

Status check_placement(const pb::Placement& placement) {
  TRY(require_words(placement.farms(), kNameRule, kListMax, "placement.farms"));
  TRY(require_words(placement.countries(), kCountryRule, kListMax, "placement.countries"));
  TRY(require_sorted(placement.labels(), kListMax, "placement.labels", [](auto& label) -> auto& { return label.key(); }));
  for (const pb::Label& label : placement.labels()) {
    TRY(require_rule(kLabelKeyRule, label.key(), "placement.labels"));
    TRY(require_rule(kLabelValueRule, label.value(), "placement.labels"));
  }
  TRY(require(placement.spread() >= pb::SPREAD_PREFER && placement.spread() <= pb::SPREAD_PACK, "placement.spread",
              "is not set"));
  TRY(require(placement.pin().empty() || placement.pin().size() == NodeId::kSize, "placement.pin",
              "a node's key has 32 bytes"));
  TRY(require_words(placement.together(), kNameRule, kListMax, "placement.together"));
  TRY(require_words(placement.apart(), kNameRule, kListMax, "placement.apart"));
  for (const std::string& name : placement.apart()) {
    TRY(require(!contains(placement.together(), name), "placement.apart", "\"" + name + "\" stands in together as well"));
  }
  return {};
}

// Its members are what the set's record speaks of: each stands for itself.
Status check_set(const pb::Facets& facets) {
  TRY(require_bounds({1, kSetReplicasMax}, facets.replicas(), "replicas"));
  TRY(require_bounds({1, facets.replicas()}, facets.set().copies(), "set.copies"));
  TRY(require(facets.with().empty(), "set", "nothing may be with its replicas"));
  return require(facets.on_node_loss() != pb::NODE_LOSS_START_EMPTY, "on_node_loss", "no member of a set starts empty");
}

// What can be judged without looking at other workloads.
Status check_alone(const pb::Facets& facets) {
  TRY(require(facets.kind().size() <= kKindBytesMax && kNameRule.holds(facets.kind()), "kind", "is not a kind's name"));
  TRY(require_bounds({0, kReplicasMax}, facets.replicas(), "replicas"));
  TRY(require(facets.has_demand() && facets.has_placement() && facets.has_update(), "demand, placement, update",
              "must be written out"));
  TRY(require_bounds({0, kDemandCpuMilliMax}, facets.demand().cpu_milli(), "demand.cpu_milli"));
  TRY(require_bounds({0, kDemandBytesMax}, facets.demand().memory_bytes(), "demand.memory_bytes"));
  TRY(require_bounds({0, kDemandBytesMax}, facets.demand().disk_bytes(), "demand.disk_bytes"));
  TRY(require_bounds({0, kDemandPidsMax}, facets.demand().pids(), "demand.pids"));
  TRY(check_placement(facets.placement()));
  TRY(require(facets.on_node_loss() >= pb::NODE_LOSS_MOVE && facets.on_node_loss() <= pb::NODE_LOSS_START_EMPTY,
              "on_node_loss", "is not set"));
  TRY(require(facets.on_isolation() == pb::ISOLATION_RUN || facets.on_isolation() == pb::ISOLATION_STOP,
              "on_isolation", "is not set"));
  TRY(require(facets.on_mass_loss() == pb::MASS_LOSS_HOLD || facets.on_mass_loss() == pb::MASS_LOSS_MOVE,
              "on_mass_loss", "is not set"));
  uint32_t unavailable_max = std::max(1u, facets.replicas());
  TRY(require_bounds({1, unavailable_max}, facets.update().max_unavailable(), "update.max_unavailable"));
  TRY(require_bounds({0, 3'600'000}, facets.update().healthy_after_ms(), "update.healthy_after_ms"));
  if (facets.has_set()) TRY(check_set(facets));
  TRY(require_words(facets.with(), kNameRule, kListMax, "with"));
  TRY(require_words(facets.claims(), kClaimRule, kListMax, "claims"));
  TRY(require_words(facets.names(), kPublicNameRule, static_cast<size_t>(kNamesMax), "names"));
  return require_words(facets.spaces(), kNameRule, kSpacesMax, "spaces");
}

using Leaders = std::map<std::string_view, const pb::Facets*>;  // by follower

Status check_follower(const pb::Facets& leader, const pb::Facets& follower) {
  std::string field = "with \"" + follower.name() + "\"";
  TRY(require(follower.name() != leader.name(), field, "names itself"));
  TRY(require(follower.with().empty(), field, "leads others"));
  TRY(require(!follower.has_set(), field, "is a replica set"));
  TRY(require(follower.replicas() == leader.replicas(), field, "has other replicas"));
  TRY(require(wire::encode(follower.placement()) == wire::encode(leader.placement()), field, "has another placement"));
  TRY(require(wire::encode(follower.update()) == wire::encode(leader.update()), field, "has another update"));
  TRY(require(follower.exclusive() == leader.exclusive(), field, "has another `exclusive`"));
  return require(follower.on_node_loss() == leader.on_node_loss() && follower.on_isolation() == leader.on_isolation() &&
                     follower.on_mass_loss() == leader.on_mass_loss(),
                 field, "has another on_node_loss, on_isolation or on_mass_loss");
}

Result<Leaders> check_bundles(const pb::ContractHeader& header) {
  Leaders leaders;
  for (const pb::Facets& facets : header.workloads()) {
    for (const std::string& name : facets.with()) {
      const pb::Facets* follower = find_facets(header, name);
      Status checked = follower == nullptr ? refused("with", "there is no workload \"" + name + "\"")
                                           : check_follower(facets, *follower);
      if (!checked) return checked.error().with_context("workloads." + facets.name());
      if (!leaders.emplace(follower->name(), &facets).second) {
        return refused("workloads." + name, "follows two workloads");
      }
    }
  }
  return leaders;
}

Status check_references(const pb::ContractHeader& header, const Leaders& leaders, const pb::Facets& facets) {
  bool bundled = !facets.with().empty() || leaders.contains(facets.name());
  TRY(require(facets.with().empty() || facets.on_node_loss() != pb::NODE_LOSS_MOVE, "on_node_loss",
              "it cannot move: what is with it stays behind"));
  TRY(require(bundled || facets.on_node_loss() != pb::NODE_LOSS_START_EMPTY, "on_node_loss",
              "nothing is with it that could start empty"));
  for (const auto* list : {&facets.placement().together(), &facets.placement().apart()}) {
    for (const std::string& name : *list) {
      TRY(require(find_facets(header, name) != nullptr, "placement", "there is no workload \"" + name + "\""));
      TRY(require(name != facets.name(), "placement", "names itself"));
      TRY(require(!leaders.contains(name), "placement", "\"" + name + "\" only follows another workload"));
    }
  }
  for (const std::string& name : facets.spaces()) {
    auto is_named = [&](const pb::AddressSpace& space) { return space.name() == name; };
    TRY(require(std::any_of(header.spaces().begin(), header.spaces().end(), is_named), "spaces",
                "there is no address space \"" + name + "\""));
  }
  return {};
}

Status check_names(const pb::ContractHeader& header) {
  std::map<std::string_view, std::string_view> seen;
  for (const pb::Facets& facets : header.workloads()) {
    for (const std::string& name : facets.names()) {
      auto [other, is_new] = seen.emplace(name, facets.name());
      if (is_new) continue;
      return refused("workloads." + facets.name() + ".names", "\"" + name + "\" is needed by \"" + std::string(other->second) + "\" as well");
    }
  }
  return {};
}

Status check_workloads(const pb::ContractHeader& header) {
  TRY(require(header.workloads_size() > 0, "workloads", "there is nothing to run"));
  TRY(require_sorted(header.workloads(), kWorkloadsMax, "workloads", [](auto& facets) -> auto& { return facets.name(); }));
  for (const pb::Facets& facets : header.workloads()) {
    TRY(require_rule(kNameRule, facets.name(), "workloads"));
    Status checked = check_alone(facets);
    if (!checked) return checked.error().with_context("workloads." + facets.name());
  }
  TRY(check_names(header));
  Leaders leaders = TRY(check_bundles(header));
  for (const pb::Facets& facets : header.workloads()) {
    Status checked = check_references(header, leaders, facets);
    if (!checked) return checked.error().with_context("workloads." + facets.name());
  }
  return {};
}

Status check_all(const pb::ContractHeader& header) {
  TRY(check_identity(header));
  TRY(check_approvals(header));
  TRY(check_workloads(header));
  return check_spaces(header);
}

}  // namespace

Status validate_header(const pb::ContractHeader& header) { return check_all(header).with_context("contract header"); }

}  // namespace mcloud::contract
