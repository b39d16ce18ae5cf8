// A node's config file: JSON, written by whoever sets the node up. Keys as in parse_config():
//   name, data, runtime, cgroup, ledger[], trust{}, sink, token (base64), mesh_secret (base64),
//   uplink{interface, address, endpoints[]}, backplane{address, range, mtu}, hidden, relay,
//   gateway{domain, http_port, https_port, tunnel_port}, resolver[], bridges{}, forbidden[],
//   capacity{cpu_milli, memory_bytes, disk_bytes, pids}, labels{}, services[{name, command[]}], image_cache_bytes
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/client/client.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::node {

struct ServiceConfig {
  std::string name;
  std::vector<std::string> command;  // [0] is found through PATH
};

struct Config {
  std::string name;
  std::string data_folder;                    // absolute; survives reboots: key, images, volumes, containers' disks
  std::string runtime_folder = "/run/mcloud"; // absolute, on tmpfs: secrets, sockets, records
  std::string cgroup;                         // "mcloud-x/n1"; host/ and containers/ are made below it
  std::vector<std::string> ledger;            // endpoints, tried in turn
  ledger::Trust trust;
  std::string sink;                           // endpoint; "" = logs and metrics stay here
  Bytes token;                                // a SignedJoinToken for the first start; "" = admitted already
  Bytes mesh_secret;                          // of the farm, 32 bytes; "" = none: its tunnels have no preshared keys
  std::string uplink_interface;               // "" = no uplink
  pb::NodeAddresses addresses;                // as the ledger is told: endpoints, hidden, relay, gateway too
  std::vector<std::string> resolvers;         // DNS servers for names that are not ours; none = the machine's
  std::map<std::string, std::string> bridges; // physical networks by name -> interface
  int underlay_mtu = 1500;
  std::vector<std::string> forbidden;         // ranges of either family that containers must not reach through the uplink
  pb::Demand capacity;                        // 0 in a field: what the machine has, less a share for the node itself
  std::map<std::string, std::string> labels;  // with those that follow: gateway=yes, bridge.NAME=yes
  std::vector<ServiceConfig> services;        // beside agent and heartbeat
  uint64_t image_cache_bytes = 0;             // of blocks of fl: images; 0: a tenth of the disk, at most 20 GiB

  std::string key_file() const { return data_folder + "/node.key"; }
  std::string agent_folder() const { return data_folder + "/agent"; }
  std::string network_folder() const { return data_folder + "/network"; }
  std::string gateway_folder() const { return runtime_folder + "/gateway"; }
  std::string tunnel_folder() const { return runtime_folder + "/tunnel"; }
  std::string liveness_file() const { return runtime_folder + "/liveness"; }
};

// Unknown keys are errors. Invalid names the key and what is allowed.
Result<Config> parse_config(std::string_view json);
Result<Config> read_config(const std::string& path);

// What containers must not reach though its address may be in no forbidden range: the ledger and the sink, where the
// config names them by address ("192.0.2.1:7100").
std::vector<std::string> forbidden_services(const Config& config);

// The bound with its default filled in.
uint64_t image_cache_bytes(const Config& config);

// What this machine can give: capacity with its zeros filled in from /proc and the data folder's disk.
Result<pb::Demand> offered_capacity(const Config& config);

}  // namespace mcloud::node
