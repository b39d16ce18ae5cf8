// What nodes and gateways measured of one contract's networks and publications, as the sink has it.
#pragma once

#include <string>
#include <vector>

#include "bot/network_facts.h"
#include "cli/output.h"
#include "sink/figures.h"

namespace mcloud::cli {

// Of all that the sink has: what says this contract or one of its networks' numbers; of nodes, their meshes and their
// tunnels what is between nodes that run a part of it. Where a figure names a peer by its key, it gets a label "to" with
// its name. Pure.
std::vector<sink::Figure> figures_of(const bot::NetworkFacts& facts, std::vector<sink::Figure> all);

// For people: a table for each thing that is measured; what is zero of drops is left out. `wall_ms` is now.
void print_figures(Output& out, const std::vector<sink::Figure>& figures, uint64_t wall_ms);

}  // namespace mcloud::cli
