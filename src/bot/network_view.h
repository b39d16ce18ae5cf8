// A contract's network as people look at it: who is in it, who reaches whom, by which way between nodes, and what is in
// the way. And its publications. Pure.
#pragma once

#include <string>
#include <vector>

#include "bot/network_path.h"

namespace mcloud::bot {

struct NetworkMember {
  std::string workload;
  uint32_t index = 0;
  std::string kind;
  std::string address, address6;  // address6 "" = the network has none
  std::string node;               // name; "" = unplaced
  pb::ReplicaState state = pb::REPLICA_UNSET;
  bool serves = false;            // names lead to it
  std::string state_text;
  std::string name() const { return workload + "-" + std::to_string(index); }
};

struct NetworkDevice {
  std::string name;
  std::string address, address6;
  std::string owner;
  uint64_t since_ms = 0;
};

// Where people's devices come in.
struct AccessPoint {
  uint32_t index = 0;
  std::string node;
  std::string endpoint;  // "192.0.2.1:51900"; "" = nobody can call that node
  std::string address;   // in the network
  bool serves = false;
};

// Who may open connections to whom, between workloads and devices; and of workloads to the world.
struct Reach {
  std::string from, to;
  std::string what;  // "everything", "tcp 5432", "nothing"
  bool is_allowed = false;
};

struct NetworkView {
  std::string name;
  uint32_t vni = 0;
  std::string range, range6;
  pb::Encryption encryption = pb::ENCRYPTION_UNSET;
  std::string bridge;
  bool is_restricted = false;
  bool takes_devices = false;
  std::vector<NetworkMember> members;  // by workload and index
  std::vector<NetworkDevice> devices;
  std::vector<AccessPoint> access;
  std::vector<std::string> rules;      // "web -> db:5432/tcp"
  std::vector<Reach> reach;            // each pair of names, both ways, when it is restricted
  std::vector<NodePath> paths;         // each pair of its nodes, one way
};

struct TargetView {
  std::string replica;  // "web-0"
  uint32_t port = 0;
  std::string node;
  bool serves = false;
  bool is_by_tunnel = false;
};
struct GatewayView {
  std::string node;
  std::string address;
  bool serves = false;
  std::string state_text;
};
struct PublicationView {
  std::string workload;
  std::string mode;                  // "http", "tls", "tcp", "udp": at gateways; "port": on the targets' nodes
  std::vector<std::string> hosts;    // "shop.gw.example", "www.example.org"
  uint32_t port = 0;                 // of tcp, udp, port
  bool ends_tls = false;             // the gateway reads the traffic
  std::vector<GatewayView> gateways; // of "port": the nodes
  std::vector<TargetView> targets;
};

// NotFound suggests the nearest of the contract's networks.
Result<NetworkView> view_network(const NetworkFacts& facts, std::string_view name);
std::vector<std::string> networks_of(const NetworkFacts& facts);
std::vector<PublicationView> view_publications(const NetworkFacts& facts);

std::string rule_text(const pb::Allow& rule);                 // "web -> db:5432/tcp", as in contract files
std::string_view encryption_name(pb::Encryption encryption);  // "wireguard"

inline constexpr const char* kWorld = "world";  // in rules: what lies outside of all networks

// Does the rule let `from` open a connection to `to`? A name is a workload's, or "device:NAME", or kWorld.
bool fits_rule(const pb::Allow& rule, const std::string& from, const std::string& to);

}  // namespace mcloud::bot
