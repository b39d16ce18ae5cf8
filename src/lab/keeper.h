// The keeper: the cluster's one process in the host's namespaces. Starts the root, listens on the host's ports and on
// the control socket, and leaves nothing behind when it ends: on "down", SIGTERM, SIGINT, or when its owner is gone.
//
// Control socket, one JSON line each: {"command":"status"} and so on -> {"result":{...}} or {"error":{"code",
// "message"}}. Commands: status, down, release, forward, remove-forward, and those of the root (lab/root.h).
#pragma once

#include <string>

namespace mcloud::lab {

// The body of the hidden sub-command `lab keeper FOLDER OWNER-FD REPORT-FD`. It ends when the other end of OWNER-FD is
// closed; it writes lines of JSON to REPORT-FD: {"progress":"..."}, at last {"ready":true} or {"error":{...}}.
int run_keeper(const std::string& folder, int owner_descriptor, int report_descriptor);

}  // namespace mcloud::lab
