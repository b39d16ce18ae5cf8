// UDP ports that lead through tunnels, of what is wanted. Others are the kernel's. Pure.
#pragma once

#include <vector>

#include "gateway/haproxy_config.h"
#include "gateway/udp_doors.h"

namespace mcloud::gateway {

bool is_udp_by_tunnel(const pb::LocalSite& site);
// Of a site that plan_sites() took: its words are paths' parts. Its name is its back end's (HaproxyConfig.backend_sites). Each replica that serves, with its share of its back end's weight. A replica's socket is there while a tunnel leads to it.
UdpDoor udp_door(const pb::LocalSite& site, const HaproxyPaths& paths);

}  // namespace mcloud::gateway
