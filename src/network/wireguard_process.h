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

struct WireGuardProcess {
  io::Fd pidfd;
  int pid = 0;
};
// The process that listens at the socket; nobody: its pidfd is not open.
WireGuardProcess wireguard_go_at(const std::string& socket);
bool is_running(const WireGuardProcess& process);
// Gives its UDP sockets room for bursts, which it does not ask for itself: with the kernel's default most of what TCP
// sends at full speed is lost there. A kernel that does not let us is left as it is.
void widen_sockets(const WireGuardProcess& process);
// It has had its device taken away: waits for its end, then makes sure of it. Removes the socket.
Status end_wireguard_go(const std::string& socket);

// Does it have this UDP port in the calling thread's network namespace?
bool has_udp_port(const WireGuardProcess& process, uint16_t port);

}  // namespace mcloud::network
