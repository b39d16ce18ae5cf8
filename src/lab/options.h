// What a cluster consists of, as given to lab::up() and kept in DIR/lab.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::lab {

struct NodeSpec {
  std::string name;                // [a-z][a-z0-9-]{0,14}, unique; also the host name inside
  std::string config_json = "{}";  // members for its node.json beside the lab's own, which win
  bool is_hidden = false;          // behind a router that masquerades (NAT) and lets nobody in; not on the ring
  bool is_gateway = false;         // offers to be a gateway, and a relay of hidden nodes
};

// A process in the cluster's root (ledger, sink); restarted when it ends. Reaches and is reached on 10.250.0.1.
struct ServiceSpec {
  std::string name;  // as NodeSpec::name; its output goes to DIR/logs/NAME.log
  std::vector<std::string> command;
  std::vector<std::string> environment;
};

// A port of 127.0.0.1 on the host that leads into the cluster.
struct ForwardSpec {
  std::string name;
  uint16_t port = 0;                 // 0 = the one it had before, or any
  std::vector<std::string> targets;  // "10.250.0.1:7100", first come first tried
  uint16_t node_port = 0;            // not 0: this port of every node's uplink, later ones too
};

struct Options {
  std::string folder;                     // absolute; made when absent; not below /run
  std::vector<std::string> self;          // starts this program's lab sub-commands: {"/usr/bin/mcloud", "lab"}
  std::vector<std::string> node_command;  // a node's pid 1; the path of its node.json is appended
  std::vector<NodeSpec> nodes;            // 1..100, in the order of the ring
  std::vector<ServiceSpec> services;
  std::vector<ForwardSpec> forwards;
  std::string context_json = "{}";  // members for DIR/cluster.json beside the lab's own, which win
};

Status check(const Options& options);
std::string to_json(const Options& options);
Result<Options> options_from_json(const std::string& text);

// "mcloud-1a2b3c4d": of the folder; names its control groups and its lock.
std::string cluster_id(const std::string& folder);

}  // namespace mcloud::lab
