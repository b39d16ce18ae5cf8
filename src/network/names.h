// Names of a contract's workloads inside its networks, as /etc/hosts of its containers. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "network/address.h"

namespace mcloud::network {

struct NamedMember {
  std::string workload;  // "web"
  uint32_t index = 0;    // of the replica
  Ipv4 address;
};

struct Names {
  std::string contract;              // "hello"
  std::string own_name;              // host name of the container that gets the file: "web-0"
  Ipv4 own_address;                  // none = it is in no network
  std::vector<NamedMember> members;  // all replicas in the networks this container is in, on any node, its own too
};

// The whole file, ending with a line break. Each replica answers to "web-0", "web-0.hello.internal", "web" and
// "web.hello.internal"; a name with several replicas has a line for each. A workload's lines begin with a replica
// that depends on the own name, so that not every client prefers the same one; a replica's own line comes first.
std::string hosts_file(const Names& names);

// The host name of a replica: "web-0".
std::string host_name(const std::string& workload, uint32_t index);

}  // namespace mcloud::network
