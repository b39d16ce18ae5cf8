// Inside this room only: a UDP port that answers from the address it was asked at, whichever of the machine's that was.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/ip_prefix.h"
#include "gateway/tunnel/address.h"

namespace mcloud::gateway {

// Who sent a datagram, and where to.
struct Origin {
  sockaddr_storage client = {};
  socklen_t client_size = 0;
  in_pktinfo at_v4 = {};  // of IPv4
  in6_pktinfo at_v6 = {};
  Bytes key() const { return Bytes(reinterpret_cast<const char*>(&client), client_size); }  // one per client
};

IpAddress ip_of(const sockaddr_storage& address);  // of IPv4 or IPv6. IPv4 in IPv6 (::ffff:a.b.c.d) is IPv6
// Does not block. IPv6 only, where it is IPv6.
Result<io::Fd> open_udp_port(const Address& address);
// Its bytes in `buffer`; -1 with errno.
ssize_t receive_datagram(int fd, char* buffer, size_t size, Origin& origin);
bool answer_datagram(int fd, const Origin& origin, BytesView bytes);  // false: it is lost, there is no room or no way

}  // namespace mcloud::gateway
