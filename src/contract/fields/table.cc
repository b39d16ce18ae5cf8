#include "contract/fields/table.h"

#include "contract/expand.h"

#include "contract/fields/patterns.h"
#include "contract/header.h"
#include "contract/substitute.h"

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
          .forms = {map({{.key = "threshold",
                          .says = "The weights that must approve.",
                          .forms = {number({1, uint64_t{kSignersMax} * kWeightMax})},
                          .otherwise = "all of them"},
                         {.key = "acceptance",
                          .says = "The weights that sign off after success; 0 asks nobody.",
                          .forms = {number({0, uint64_t{kSignersMax} * kWeightMax})},
                          .fallback = "0"},
                         required({.key = "signers",
                                   .says = "The people who decide.",
                                   .forms = {list({1, kSignersMax}, {text(kWho), signer})}})})},
          .otherwise = "the owner alone"};
}

Field parameters_field() {
  const std::vector<Shape> amount = {text(kAmount)};
  const Shape declaration =
      map({required({.key = "type", .says = "What its values are.", .forms = {word(kParameterTypeWords)}}),
           {.key = "default", .says = "The value where nobody gives one; without it one must be given.", .forms = amount},
           {.key = "min", .says = "The least value of a number, size, duration or cpu.", .forms = amount, .otherwise = "what its field allows"},
           {.key = "max", .says = "The greatest value of a number, size, duration or cpu.", .forms = amount, .otherwise = "what its field allows"},
           {.key = "max_length",
            .says = "The most letters of a text.",
            .forms = {number(parameter_bounds::kLength)},
            .fallback = "1024"},
           {.key = "words", .says = "The values of a word.", .forms = {list({0, parameter_bounds::kWords}, {text(kValue)})}},
           {.key = "says", .says = "One sentence for who gives the value.", .forms = {text(kValue)}}});
  return {.key = "parameters",
          .says = "Values that whoever applies the contract may give; ${NAME} stands for them in values.",
          .forms = {names(parameter_bounds::kParameters, kParameterName, {declaration})},
          .fallback = "{}"};
}

Field include_field() {
  return {.key = "include",
          .says = "Files below this one's folder that give workloads and sets of fields.",
          .forms = {text(kFragment), list({0, expand_bounds::kFragments}, {text(kFragment)})},
          .fallback = "[]"};
}

}  // namespace

const std::vector<Field>& contract_fields() {
  static const std::vector<Field> kFields = {
      required({.key = "name", .says = "What the contract is called; one owner's names are unique.", .forms = {text(kName)}}),
      {.key = "expires",
       .says = "Approvals must come within this time.",
       .forms = {duration({60'000, 365ull * 86'400'000})},
       .fallback = "7d"},
      parameters_field(),
      include_field(),
      approvals_field(),
      placement_field(PlacedBy::Contract),
      {.key = "fields", .says = "Sets of fields, by a name of their own, that workloads take with `use`.", .fallback = "{}"},
      required({.key = "workloads", .says = "What runs, by name."})};
  return kFields;
}

const std::vector<Field>& workload_fields() {
  static const std::vector<Field> kFields = [] {
    std::vector<std::string_view> words;
    for (const KindFields& kind : kind_fields()) words.push_back(kind.kind);
    return std::vector<Field>{
        required({.key = "kind", .says = "What kind of workload it is.", .forms = {word(std::move(words))}}),
        {.key = "use",
         .says = "Sets of `fields` whose fields this workload has as if they stood here.",
         .forms = {text(kName), list({0, expand_bounds::kSets}, {text(kName)})},
         .fallback = "[]"}};
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
