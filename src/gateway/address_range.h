// Whether an address of a socket lies in a range such as 10.0.0.0/8. Pure.
#pragma once

#include <sys/socket.h>

#include <string>

namespace mcloud::gateway {

// False also for a text that is no range. IPv4 in IPv6 (::ffff:a.b.c.d) is IPv6.
bool is_in_range(const sockaddr_storage& address, const std::string& range);

}  // namespace mcloud::gateway
