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
// NotFound when no cluster runs there or one of these is no node of it; then the nearest name is suggested.
Result<lab::ClusterStatus> running(const std::string& folder, const std::vector<std::string>& nodes);
// The answer of a command that did something to nodes.
void done(Desk& desk, const std::string& what, const std::vector<std::string>& nodes);

}  // namespace mcloud::cli
