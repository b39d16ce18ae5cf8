// Can this machine be a node? What a node needs of its host, held against what is there, with the remedy for each thing
// that is missing. `mcloud doctor`.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace mcloud::bot {

struct HostFacts {
  bool is_root = false;
  std::string kernel;              // "6.1.0-25-cloud-amd64"
  std::string processor;           // "x86_64"
  uint32_t cpus = 0;
  uint64_t memory_bytes = 0;
  bool has_cgroup_v2 = false;      // the unified hierarchy with the controllers below
  std::set<std::string> controllers;
  std::set<std::string> file_systems;  // that the kernel knows
  std::set<std::string> devices;       // of those asked for: "fuse", "net/tun"
  std::set<std::string> programs;      // of node_programs() and those of gateways
  bool has_kernel_wireguard = false;
  uint64_t user_namespaces_max = 0;
  bool has_seccomp = false;
  bool is_clock_synchronized = false;
  std::string data_folder;
  uint64_t data_free_bytes = 0;
  bool has_project_quota = false;      // of the file system below the data folder
  std::set<uint16_t> taken_ports;      // TCP ports of any address on which somebody listens
};

struct HostCheck {
  enum class Verdict { Good, Warning, Bad };
  std::string what;    // "control groups"
  Verdict verdict = Verdict::Good;
  std::string found;
  std::string remedy;  // "" when good
};

// Programs by the Debian package that brings them.
struct Program {
  std::string name;
  std::string package;
};
std::vector<Program> node_programs();
std::vector<Program> gateway_programs();

// In the order in which they would matter. Pure.
std::vector<HostCheck> check_host(const HostFacts& facts, bool is_gateway);

// Of this machine. `data_folder` need not be there yet. What cannot be found out counts as missing.
HostFacts read_host_facts(const std::string& data_folder);

}  // namespace mcloud::bot
