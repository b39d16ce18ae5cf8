// The network namespace in which the mesh's devices stand, and the rules around them. Only VXLAN packets and pings pass
// between the mesh and this machine, nothing is forwarded. docs/design/network.md 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::network {

// All work from the calling thread's network namespace, the node's; idempotent, also after a crash inside.

// Makes NETNS_FOLDER/mcloud_mesh when it is not there, and its rules when they are not as they should be.
Status ensure_mesh_namespace(const std::string& netns_folder);
// Its WireGuard devices must have been removed. VXLAN devices in it go with it.
Status remove_mesh_namespace(const std::string& netns_folder);

// What may pass kRelayDevice in the node's namespace.
struct RelayRules {
  bool is_relay = false;        // forwards between the peers of the relay device, nowhere else
  std::vector<uint16_t> ports;  // UDP ports of this machine's mesh devices: what users of relays reach here
};
Status ensure_relay_rules(const RelayRules& rules);
Status remove_relay_rules();

}  // namespace mcloud::network
