// Every field of the contract language: its type, bounds, words, default and one sentence. Pure; made once, never changed.
//
// The one place that says so in data. The parser (parse.cc, kinds/*_parse.cc) reads; table_test.cc proves for every map at
// every level that both know the same keys, bounds, words and defaults.
#pragma once

#include <vector>

#include "contract/fields/shape.h"

namespace mcloud::contract {

struct KindFields {
  std::string_view kind;
  std::string_view says;
  std::vector<Field> fields;  // without `kind` itself
};

// In the order of a well-kept file. `workloads` and `fields` have no forms here: they are those of the kinds.
const std::vector<Field>& contract_fields();
// What every workload has, whatever its kind: kind, use.
const std::vector<Field>& workload_fields();
const std::vector<KindFields>& kind_fields();
// nullptr when there is no such kind.
const KindFields* find_kind_fields(std::string_view kind);

// Parts of the table, each in the file that is called like it.
KindFields container_fields();
KindFields kv_fields();
KindFields network_fields();
KindFields publish_fields();
KindFields volume_fields();
Field networks_field();
enum class PlacedBy { Contract, Container, Kv, AccessPoints, Gateways };
Field placement_field(PlacedBy whose);
std::vector<Field> conduct_fields();

}  // namespace mcloud::contract
