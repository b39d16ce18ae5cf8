#include "contract/fields/table.h"

#include "contract/fields/patterns.h"
#include "contract/header.h"

namespace mcloud::contract {
namespace {

using namespace patterns;

Field approvals_field() {
  const Shape signer = map(
      {required({.key = "who", .says = "A person, a key, or owner: whoever applies the contract.", .forms = {text(kWho)}}),
       {.key = "role", .says = "As what they sign.", .forms = {text(kName)}, .fallback = "approver"},
       {.key = "weight", .says = "What their word weighs.", .forms = {number({1, kWeightMax})}, .fallback = "1"},
       {.key = "required", .says = "Whether nothing goes without them.", .forms = {flag()}, .fallback = "false"}});
  return {.key = "approvals",
          .says = "Who must approve a version before it runs.",
          .forms = {map({required({.key = "signers",
                                   .says = "The people who decide.",
                                   .forms = {list({1, kSignersMax}, {text(kWho), signer})}}),
                         {.key = "threshold",
                          .says = "The weights that must approve.",
                          .forms = {number({1, uint64_t{kSignersMax} * kWeightMax})},
                          .otherwise = "all of them"},
                         {.key = "acceptance",
                          .says = "The weights that sign off after success; 0 asks nobody.",
                          .forms = {number({0, uint64_t{kSignersMax} * kWeightMax})},
                          .fallback = "0"}})},
          .otherwise = "the owner alone"};
}

}  // namespace

const std::vector<Field>& contract_fields() {
  static const std::vector<Field> kFields = {
      required({.key = "name", .says = "What the contract is called; one owner's names are unique.", .forms = {text(kName)}}),
      {.key = "expires",
       .says = "Approvals must come within this time.",
       .forms = {duration({60'000, 365ull * 86'400'000})},
       .fallback = "7d"},
      approvals_field(),
      placement_field(PlacedBy::Contract),
      required({.key = "workloads", .says = "What runs, by name."})};
  return kFields;
}

const std::vector<Field>& workload_fields() {
  static const std::vector<Field> kFields = [] {
    std::vector<std::string_view> words;
    for (const KindFields& kind : kind_fields()) words.push_back(kind.kind);
    return std::vector<Field>{
        required({.key = "kind", .says = "What kind of workload it is.", .forms = {word(std::move(words))}})};
  }();
  return kFields;
}

const std::vector<KindFields>& kind_fields() {
  static const std::vector<KindFields> kKinds = {container_fields(), kv_fields(), network_fields(), publish_fields(),
                                                 volume_fields()};
  return kKinds;
}

const KindFields* find_kind_fields(std::string_view kind) {
  for (const KindFields& one : kind_fields()) {
    if (one.kind == kind) return &one;
  }
  return nullptr;
}

}  // namespace mcloud::contract
