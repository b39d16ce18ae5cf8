// Inside this room only: the kernel's WireGuard by generic netlink (linux/wireguard.h): messages and what answers say.
// Pure; docs/reference/wireguard.md.
#pragma once

#include "network/netlink.h"
#include "network/wireguard_config.h"

namespace mcloud::network {

// Messages that make the change together, in order; each small enough for the kernel. `family` is the number of the
// generic netlink family "wireguard".
Result<std::vector<NetlinkMessage>> set_device_messages(uint16_t family, const std::string& device,
                                                        const ConfigChange& change);
NetlinkMessage get_device_message(uint16_t family, const std::string& device);
// One message of the answer; a peer may be spread over several. Corrupt when malformed.
Status merge_device_answer(BytesView payload, ConfigState& state);

NetlinkMessage get_family_message();
Result<uint16_t> family_of_answer(BytesView payload);

}  // namespace mcloud::network
