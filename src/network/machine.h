// The networks of this machine: reads what is there, executes steps of network/plan.h by netlink and nft
// transactions. Needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN). Spawns no process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file.h"
#include "network/plan.h"
#include "network/planner.h"

namespace mcloud::network {

// How often a rule of ours decided. Counting begins anew when rules are replaced.
struct RuleCounter {
  std::string netns;  // where: its name in the folder ("mcloud_net_7", "mcloud-web-0"); "" = the node's
  std::string rule;   // "allow 3", "spoofed", "no peer": docs/reference/networks.md
  bool is_drop = false;
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

class Machine {
 public:
  struct Options {
    // Where network namespaces are mounted; made when absent. Only names that begin with "mcloud-" are touched.
    std::string netns_folder = "/run/netns";
  };
  static Result<std::unique_ptr<Machine>> open(const Options& options);
  ~Machine();

  // All functions work in the network namespace of the calling thread, always the same one (the node's), and
  // enter others for a moment: for one thread at a time, which must not run coroutines of others meanwhile.
  Result<ActualNetworks> read() { return read({}); }
  // What is in the scope, with the work of that: all links of the node are listed, the sets of sources only with everything.
  Result<ActualNetworks> read(const Scope& scope);
  Status execute(const NetworkStep& step);
  // Of all namespaces of ours, sorted by namespace; one entry for a rule of both families.
  Result<std::vector<RuleCounter>> read_counters();
  // For networks with several access points. Devices that another portal of the network has announced since this one did.
  Result<std::set<Ipv4>> claims(const std::string& portal, const std::string& interface);
  // To all members, wherever they are: the device is behind this portal.
  Status announce(const DeviceAnnouncement& announcement);
  // read, plan, execute. Goes on past a step that fails and returns the first error at the end, so that one
  // broken network delays no other; the next apply() tries again. The number of steps done otherwise.
  Result<size_t> apply(const DesiredNetworks& desired);

  // Path of a container's network namespace, for the runtime: "/run/netns/mcloud-NAME".
  std::string netns_path(const std::string& netns) const;

 private:
  struct Inside;
  explicit Machine(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// A socket (socket(2) arguments) inside the network namespace mounted at `netns_path`, usable from anywhere
// afterwards: how the agent probes containers' ports, whose addresses it cannot reach. Close-on-exec.
Result<io::Fd> open_socket_in(const std::string& netns_path, int domain, int type, int protocol = 0);

}  // namespace mcloud::network
