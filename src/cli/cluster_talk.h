// What the `cluster ...` commands share.
#pragma once

#include <string>
#include <vector>

#include "cli/desk.h"
#include "lab/cluster.h"

namespace mcloud::cli {

std::string absolute(const std::string& folder);
// --dir is the same as --cluster, which every command has; "" = not said.
std::string folder_of(Desk& desk, const std::string& dir);
// Unavailable, saying how to start one.
Error no_cluster(const std::string& folder);
// Unavailable when no cluster runs there; NotFound, suggesting the nearest name, when one of these is no node of it.
Result<lab::ClusterStatus> running(const std::string& folder, const std::vector<std::string>& nodes);
// The answer of a command that did something to nodes.
void done(Desk& desk, const std::string& what, const std::vector<std::string>& nodes);

}  // namespace mcloud::cli
