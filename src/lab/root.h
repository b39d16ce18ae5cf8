// The cluster's root: pid 1 of the cluster's namespaces. Owns the cables, the nodes and the services; does what
// the keeper asks over its channel. When the channel closes, everything ends.
//
// Channel, one JSON packet each. keeper -> root: {"id":7,"command":"kill","node":"n2"}; root -> keeper:
// {"id":7,"result":{...}} or {"id":7,"error":{"code","message"}}; {"event":"process","name":"n2"} with the pidfd of a
// process that has just started; {"event":"progress","text":...}; {"event":"ready"}; {"event":"failed","error":{...}}.
#pragma once

#include <string>

namespace mcloud::lab {

// The body of the hidden sub-command `lab root FOLDER CHANNEL-DESCRIPTOR`. The exit code.
int run_root(const std::string& folder, int channel_descriptor);

}  // namespace mcloud::lab
