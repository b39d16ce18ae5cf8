// What the agent needs of the machine. The real homes are the *_adapter.h beside; tests bring their own.
//
// All calls block, from any thread of the agent's pools, and have deadlines of their own; calls about one
// container or volume are never made at the same time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "mcloud/node.pb.h"
#include "node/desired.h"
#include "node/disk_usage.h"
#include "node/figures.h"
#include "node/group.h"
#include "node/plan.h"
#include "runtime/container.h"

namespace mcloud::node {

struct FoundContainer {
  std::string id;
  pb::LocalContainer record;  // empty when there is none: something of ours that nobody can name
  runtime::ContainerStatus status;
};

class Containers {
 public:
  virtual ~Containers() = default;
  // All that is here, ended and half-made ones included.
  virtual Result<std::vector<FoundContainer>> list() = 0;
  // Makes the image ready, so that start() is quick. Idempotent.
  virtual Status prepare_image(const ContainerTask& task) = 0;
  // Opens the secrets and starts the process; its image, volumes and network are there. What an ended container of
  // the same replica and spec left on disk is gone on with; of another spec it is dropped. Writes the record first.
  virtual Status start(const ContainerTask& task, uint32_t restarts) = 0;
  // Stops it and removes all but its disk (that goes by drop_disk(), or is used by the next start()).
  virtual Status stop(const std::string& id, uint64_t grace_ms) = 0;
  // Notes another epoch and version in the record; touches nothing that runs.
  virtual Status adopt(const std::string& id, uint64_t epoch, uint64_t version) = 0;
  virtual Result<runtime::ContainerStatus> status(const std::string& id) = 0;
  virtual Status probe(const ContainerTask& task) = 0;
  virtual Result<runtime::ContainerUsage> usage(const std::string& id) = 0;
  // Ids of containers that ended, as a hint; none after `timeout_ms`. One thread.
  virtual Result<std::vector<std::string>> wait_for_exits(uint64_t timeout_ms) = 0;
  // Ids of containers, gone ones too, that have left files on disk.
  virtual Result<std::set<std::string>> disks() = 0;
  virtual Status drop_disk(const std::string& id) = 0;
  // What its disk holds now. May take as long as WalkLimits says.
  virtual Result<DiskUsage> disk_usage(const std::string& id) = 0;
  // Digests of the images that are ready.
  virtual Result<std::vector<std::string>> images() = 0;
  // The caller knows that no container here, and none that is being started, uses it. May take seconds.
  virtual Status drop_image(const std::string& digest) = 0;
  // Images made since the last call outlive a power loss from now on. May take seconds.
  virtual Status make_images_durable() = 0;
  // So little is left that what can go should go.
  virtual bool is_disk_short() = 0;
};

class Volumes {
 public:
  virtual ~Volumes() = default;
  virtual Result<std::map<ReplicaKey, uint64_t>> list() = 0;  // sizes in bytes
  virtual Status ensure(const ReplicaKey& volume, uint64_t size_bytes) = 0;
  virtual Status erase(const ReplicaKey& volume) = 0;
  // What it holds now. May take as long as WalkLimits says.
  virtual Result<DiskUsage> usage(const ReplicaKey& volume) = 0;
};

class Networks {
 public:
  virtual ~Networks() = default;
  // What was last set, by contract; of those that are known only by their traces, an empty one.
  virtual Result<std::map<ContractId, pb::LocalNetworks>> list() = 0;
  struct Change {
    std::map<ContractId, pb::LocalNetworks> set;
    std::set<ContractId> remove;
    std::optional<pb::LocalMesh> mesh;
  };
  // Others are left alone. The outcome of each contract in the change; that of the mesh under the id none.
  virtual std::map<ContractId, Status> apply(const Change& change) = 0;
  // Now and then while there are networks: devices that died are made again, keys get older and are changed, figures
  // are read.
  virtual Status tend() { return {}; }
  // From any thread, at once: as they were read last.
  virtual Figures figures() const { return {}; }
};

// What containers of this node find by name.
class Names {
 public:
  virtual ~Names() = default;
  // All of them; `client` is filled in here.
  virtual Status set(const std::vector<network::NetworkNames>& names) = 0;
};

// The gateway's and the tunnel's process beside the agent: they run while something is wanted of them.
class Gateways {
 public:
  virtual ~Gateways() = default;
  // Addresses are as Transit has them. Servers and ways of links that are not there yet are left out.
  virtual Status want(const pb::LocalGateway& gateway, const pb::LocalTunnel& tunnel) = 0;
  // NotFound: the process has not said anything yet.
  virtual Result<pb::GatewayState> gateway_state() = 0;
  // Of what both processes say.
  virtual Figures figures() const { return {}; }
};

// Processes that are members of a replica set.
class SetMembers {
 public:
  virtual ~SetMembers() = default;
  // The member's state after the command. Unavailable while it does not answer, Denied when it has promised a higher
  // term.
  virtual Result<GroupStatus> ask(const std::string& container, const GroupCommand& command) = 0;
};

}  // namespace mcloud::node
