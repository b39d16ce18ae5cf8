// The front door: start a local cluster and hold it, or talk to one that runs.
//
// Processes: we -> keeper (host's namespaces; forwards ports, serves the control socket) -> root (pid 1 of the
// cluster's namespaces) -> ledger, sink, and each node's pid 1 in namespaces of its own. Every link of that chain
// ends with the one before it, however that one ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/process.h"
#include "lab/options.h"

namespace mcloud::lab {

struct NodeStatus {
  std::string name;
  std::string address;       // on the backplane
  std::string uplink;        // where publications appear; inside the cluster only
  std::string state;         // "up", "down"
  std::string uplink_state;  // "up", "cut"
  bool is_hidden = false;    // then it has no address on the backplane
  bool is_gateway = false;
  int pid1 = 0;       // number of its pid 1 in our pid namespace; 0 when down
  int exit_code = 0;  // of the last pid 1
};
struct LinkStatus {
  std::string a, b;
  std::string state;  // "up", "cut"
};
struct ServiceStatus {
  std::string name;
  std::string state;  // "up", "down"
  int pid = 0;
  uint64_t restarts = 0;
};
struct ForwardStatus {
  std::string name;
  uint16_t port = 0;  // of 127.0.0.1
  std::vector<std::string> targets;
};
struct ClusterStatus {
  std::string id;
  std::string folder;
  std::vector<NodeStatus> nodes;
  std::vector<LinkStatus> links;
  std::vector<ServiceStatus> services;
  std::vector<ForwardStatus> forwards;
};
ClusterStatus status_from_json(const std::string& text);

// A running cluster, by its folder. Every call is one exchange of at most 30 s; NotFound when it does not run.
class Cluster {
 public:
  explicit Cluster(std::string folder) : folder_(std::move(folder)) {}

  Result<ClusterStatus> status() const;
  // SIGKILL to the node's pid 1; returns when all of the node is gone.
  Status kill(const std::string& node) const;
  // Starts a node that is down again, with the same data folder.
  Status restore(const std::string& node) const;
  // The ring's link between two neighbours carries nothing any more and tells nobody; and carries again.
  Status cut(const std::string& a, const std::string& b) const;
  Status mend(const std::string& a, const std::string& b) const;
  Status cut_uplink(const std::string& node) const;
  Status mend_uplink(const std::string& node) const;
  // Joins the ring between the last and the first node.
  Status add_node(const NodeSpec& node) const;
  // A new port, or new targets of one. The port.
  Result<uint16_t> forward(const ForwardSpec& forward) const;
  Status remove_forward(const std::string& name) const;
  // The cluster outlives its owner from now on, until down().
  Status release() const;
  // Returns when nothing of it is left. Without a cluster it removes what a killed one has left behind.
  Status down() const;

 private:
  Result<std::string> ask(const std::string& request) const;
  Status tell(const std::string& request) const;
  std::string folder_;
};

// Holds a cluster: destroying it ends the cluster, and so does the end of this process.
class Owner {
 public:
  using Progress = std::function<void(const std::string& text)>;

  // Writes DIR/lab.json and starts everything; returns when every process of the cluster has been started.
  // Denied without root; Conflict when a cluster runs in this folder.
  static Result<std::unique_ptr<Owner>> up(const Options& options, const Progress& progress = {});
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  Cluster cluster() const { return Cluster(folder_); }
  // Waits at most `timeout_ms`; true when the cluster has ended (by down(), or because it failed).
  bool wait(uint64_t timeout_ms);
  // Leaves it running without an owner.
  Status release();

 private:
  Owner(std::string folder, std::unique_ptr<io::Child> keeper, io::Fd life)
      : folder_(std::move(folder)), keeper_(std::move(keeper)), life_(std::move(life)) {}
  std::string folder_;
  std::unique_ptr<io::Child> keeper_;
  io::Fd life_;  // closed by our end, however it comes
};

// Dispatches the hidden sub-commands: {"keeper", ...} and {"root", ...}, the words after Options::self. The exit
// code. To be called before any thread is started.
int run_hidden(const std::vector<std::string>& words);

}  // namespace mcloud::lab
