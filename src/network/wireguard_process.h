// Inside this room only: one wireguard-go as a process: started, spoken to by its socket, ended. It lives on without us.
#pragma once

#include <string>

#include "io/file.h"
#include "network/wireguard_config.h"

namespace mcloud::network {

// Starts it for a TUN device of that name in the calling thread's network namespace; its UDP socket will stand there.
// Returns when it answers at `socket`. In a session of its own; nobody's child.
Status start_wireguard_go(const std::string& device, const std::string& socket);

// One question, one answer; at most 5 s. Unavailable when nobody listens.
Result<std::string> ask_wireguard_go(const std::string& socket, const std::string& request);

// A pidfd of the process that listens at the socket; nobody: not open.
io::Fd wireguard_go_at(const std::string& socket);
bool is_running(const io::Fd& pidfd);
// It has had its device taken away: waits for its end, then makes sure of it. Removes the socket.
Status end_wireguard_go(const std::string& socket);

// Bound in the calling thread's network namespace?
Result<bool> is_udp_port_bound(uint16_t port);

}  // namespace mcloud::network
