// Numbers of hosts and ports, and sockets that begin to use them. Nothing here waits.
#pragma once

#include <sys/socket.h>

#include <string>

#include "io/file.h"

namespace mcloud::gateway {

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

// Invalid: no IPv4 or IPv6 address in numbers.
Result<Address> make_address(const std::string& host, uint32_t port);
// "10.0.0.1:7443", "[fd00::1]:7443"
Result<Address> parse_endpoint(const std::string& text);

// Is being connected; or an error, if that is known at once.
Result<io::Fd> start_connect(const Address& address);
// `port` of the address may be 0. IPv6 only, where it is IPv6.
Result<io::Fd> listen_on(const Address& address);
uint16_t bound_port(int fd);
// Takes connections of processes of `group` ("" = ours). What stood at `path` is replaced.
Result<io::Fd> listen_at(const std::string& path, const std::string& group);

// A stream is a descriptor at each end: as many as the process may have.
void raise_descriptor_limit();

}  // namespace mcloud::gateway
