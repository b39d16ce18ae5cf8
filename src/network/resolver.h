// The node's DNS server for its private networks: which records each network sees, and the changes that lead there.
// Pure here; resolver_server.h drives unbound.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "network/address.h"

namespace mcloud::network {

inline constexpr const char* kResolverAddress = "198.19.255.254";  // on the node's lo; reached from networks only
inline constexpr const char* kResolverAddress6 = "fd6d:6300:7472::fffe";

// One replica that serves, or a device.
struct ServedMember {
  std::string workload;  // "web"
  uint32_t index = 0;
  Ipv4 address;
  std::string address6;  // "" = none
  struct Port {
    std::string name;
    std::string protocol;
    uint16_t number = 0;
    auto operator<=>(const Port&) const = default;
  };
  std::vector<Port> ports;
  auto operator<=>(const ServedMember&) const = default;
};

struct NetworkNames {
  uint32_t vni = 0;
  Ipv4 client;           // source address of queries of this network, as the node sees it
  std::string contract;  // "hello": names end with ".hello.internal"
  std::vector<ServedMember> members;
};

// Lines of a zone ("web.hello.internal. 1 IN A 10.42.0.7"), sorted, without doubles. A, AAAA, SRV
// ("_http._tcp.web.hello.internal."), PTR.
std::vector<std::string> records(const NetworkNames& names);

struct Resolver {
  virtual ~Resolver() = default;
  // Brings all networks' records into force; blocks at most 2 s. Starts unbound when there are networks and it does not
  // run, ends it when there are none.
  virtual Status apply(const std::vector<NetworkNames>& networks) = 0;
};

}  // namespace mcloud::network
