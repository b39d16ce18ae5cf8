// Inside this room only: placement and conduct, which every kind that is placed shares.
#pragma once

#include "contract/field_reader.h"
#include "contract/kinds/kind.h"

namespace mcloud::contract {

enum class PlacementOf { Contract, Workload };

// The field `placement`: together, apart and pin only for a workload.
Placement read_placement(MapReader& fields, PlacementOf whose);
// The fields on_node_loss, on_isolation, on_mass_loss and update.
Conduct read_conduct(MapReader& fields);

// Placement names containers of this contract; conduct fits replicas and volumes.
void check_placement(const Contract& contract, const Workload& workload, const Placement& placement, Report& report);
void check_conduct(const Workload& workload, const Conduct& conduct, uint32_t replicas, bool has_volumes,
                   Report& report);

// Writes placement and conduct with all defaults.
void compile_placement(CompileScope& scope, const Workload& workload, const Placement& placement, pb::Facets& facets);
void compile_conduct(const Conduct& conduct, bool has_volumes, pb::Facets& facets);
// What facets say of a workload that is not placed.
void make_unplaced(pb::Facets& facets);
// Invalid when they say anything else.
Status check_unplaced(const pb::Facets& facets);

}  // namespace mcloud::contract
