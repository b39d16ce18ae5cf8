#include "contract/fields/patterns.h"
#include "contract/fields/table.h"
#include "contract/header.h"
#include "contract/kinds/container.h"

namespace mcloud::contract {

Field networks_field() {
  return {.key = "networks",
          .says = "The networks of this contract that it stands in.",
          .forms = {list({0, container_bounds::kNetworks}, {text(patterns::kName)})},
          .otherwise = "the contract's only network, else `default`, which need not be declared"};
}

Field placement_field(PlacedBy whose) {
  const bool of_workload = whose != PlacedBy::Contract;
  const bool is_prefer = whose == PlacedBy::Contract || whose == PlacedBy::Container;
  const std::vector<Shape> names_list = {list({0, kListMax}, {text(patterns::kName)})};
  std::vector<Field> fields = {
      {.key = "farms", .says = "It runs only in these farms.", .forms = names_list, .otherwise = "any farm"},
      {.key = "countries",
       .says = "It runs only in these countries.",
       .forms = {list({0, kListMax}, {text(patterns::kCountry)})},
       .otherwise = "any country"},
      {.key = "labels",
       .says = "It runs only on nodes that have all of these labels.",
       .forms = {names(kListMax, patterns::kLabelKey, {text(patterns::kLabelValue)})},
       .otherwise = "any node"},
      {.key = "spread",
       .says = "Whether replicas stand on different nodes: preferred, required, or packed onto few.",
       .forms = {word(kSpreadWords)},
       .fallback = is_prefer ? "prefer" : "require"}};
  if (of_workload) {
    fields.push_back({.key = "together",
                      .says = "Containers or kvs to be near, if possible.",
                      .forms = names_list,
                      .fallback = "[]"});
    fields.push_back({.key = "apart",
                      .says = "Containers or kvs never to share a node with.",
                      .forms = names_list,
                      .fallback = "[]"});
    fields.push_back({.key = "pin", .says = "The one node it runs on.", .forms = {text(patterns::kNode)}, .otherwise = "any node"});
  }
  return {.key = "placement",
          .says = of_workload ? "Where it may run; a list here replaces the contract's."
                              : "Where workloads may run that do not say so themselves.",
          .forms = {map(std::move(fields))},
          .otherwise = of_workload ? "as the contract's" : "anywhere the owner may"};
}

std::vector<Field> conduct_fields() {
  return {{.key = "update",
           .says = "How a new version replaces the old one.",
           .forms = {map({{.key = "max_unavailable",
                           .says = "How many replicas may be down at once.",
                           .forms = {number({1, kReplicasMax})},
                           .fallback = "1"},
                          {.key = "healthy_after",
                           .says = "How long each new replica must be ready before the next one follows.",
                           .forms = {duration({0, 3'600'000})},
                           .fallback = "1s"}})},
           .otherwise = "one by one"},
          {.key = "on_node_loss",
           .says = "When its node is lost: move elsewhere, wait for the node, or start elsewhere without the data.",
           .forms = {word(kNodeLossWords)},
           .otherwise = "move; wait where it has volumes or is the only copy of its data"},
          {.key = "on_isolation",
           .says = "Whether it runs on or stops on a node that is cut off.",
           .forms = {word(kIsolationWords)},
           .otherwise = "run; of a kv with followers and min_replicas 0: stop"},
          {.key = "on_mass_loss",
           .says = "When many nodes are lost at once: hold, or move all the same.",
           .forms = {word(kMassLossWords)},
           .fallback = "hold"}};
}

}  // namespace mcloud::contract
