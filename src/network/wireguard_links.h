// Inside this room only: addresses, routes and rules of WireGuard devices, of either family, in the calling thread's
// network namespace.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ip_prefix.h"
#include "network/links.h"
#include "network/wireguard.h"

namespace mcloud::network {

// All of a namespace at once, by index of the link.
struct NamespaceState {
  std::vector<Link> links;
  std::map<int, std::set<std::string>> addresses;  // but link-local ones the kernel made
  std::map<int, std::set<DeviceRoute>> routes;     // but those the kernel made
  std::map<std::string, uint32_t> rules;           // "198.18.0.4/32" as source -> table
};

class WireGuardLinks {
 public:
  static Result<WireGuardLinks> open();

  Result<NamespaceState> read();

  Status add_kernel_device(const std::string& name, int netns);  // into that namespace, its socket stays here
  Status move(int link, const std::string& new_name, int netns);
  Status set_mtu(int link, int mtu);
  Status set_down(int link);
  Status add_address(int link, const std::string& address);
  Status remove_address(int link, const std::string& address);
  Status set_route(int link, const DeviceRoute& route);     // replaces one that leads elsewhere
  Status remove_route(int link, const DeviceRoute& route);  // where it leads into the link; absent is fine
  // Packets from `source` look into the table before the main one.
  Status add_rule(const std::string& source, uint32_t table);
  Status remove_rule(const std::string& source, uint32_t table);

 private:
  explicit WireGuardLinks(NetlinkSocket socket) : socket_(std::move(socket)) {}
  Status change(NetlinkMessage message, const std::string& doing);
  Status read_addresses(NamespaceState& out);
  Status read_routes(NamespaceState& out);
  Status read_rules(NamespaceState& out);
  NetlinkSocket socket_;
};

}  // namespace mcloud::network
