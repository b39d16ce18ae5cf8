// Inside this room: a bound on what a folder holds, by the file system's project quotas.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace mcloud::node {

// Whether the file system of `folder` counts and enforces them.
bool has_project_quota(const std::string& folder);

// Everything made below `folder` from now on counts; call it while the folder is empty. Later calls change the bound.
Status set_project_quota(const std::string& folder, uint64_t bytes);

// What counts below `folder`, in bytes; nullopt when it was given no bound of its own.
std::optional<uint64_t> project_usage(const std::string& folder);

}  // namespace mcloud::node
