// What clusters that were killed leave behind, and how to tell them from live ones. A live cluster's keeper
// holds the abstract unix socket "@mcloud-ID" in the host's network namespace.
#pragma once

#include <string>

#include "io/file.h"
#include "lab/cgroups.h"

namespace mcloud::lab {

// Conflict while another keeper has it.
Result<io::Fd> claim_cluster(const std::string& id);
bool is_cluster_alive(const std::string& id);
// Control groups of clusters that are not alive. Never touches a group with processes in it.
void sweep_dead_clusters(const Cgroups& cgroups);

}  // namespace mcloud::lab
