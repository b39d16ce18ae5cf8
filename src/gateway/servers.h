// The servers of a route: its replicas, how each is reached, how much of the traffic it gets. Pure.
#pragma once

#include <string>
#include <vector>

#include "gateway/haproxy_config.h"

namespace mcloud::gateway {

// A back end's weight is its share of the route, however many replicas carry it: the share is cut evenly among those that serve.
// Replicas that drain weigh 0. The heaviest weighs 256, HAProxy's most.
std::vector<HaproxyServer> servers_of(const pb::LocalSite& site, const pb::Route& route, const HaproxyPaths& paths);

}  // namespace mcloud::gateway
