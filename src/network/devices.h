// Inside this room only: behind which of a network's access portals a device is. A portal tells all members that the
// device is behind it now, and hears when another one does.
#pragma once

#include <set>

#include "io/file.h"
#include "network/plan.h"

namespace mcloud::network {

// A gratuitous ARP answer and an unsolicited neighbour advertisement (RFC 826, RFC 4861 7.2.6): members that know the
// device by another portal's MAC know this one's from then on. What others said of it before is forgotten.
Status announce_device(const io::Fd& portal, const DeviceAnnouncement& announcement);

// Whom others announced since. The kernel remembers them as neighbours, also when nobody asks: a portal's interface is
// attached so (arp_accept).
Result<std::set<Ipv4>> read_claims(const io::Fd& portal, const std::string& interface);

}  // namespace mcloud::network
