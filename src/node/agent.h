// The node's agent: follows the ledger, does what the reconciler says, reports what became of it.
//
// One loop thread owns all state; what blocks runs on pools and posts its outcome back. It may be killed at
// any moment: workloads do not notice, and the next agent finds everything by looking (runtime, volumes,
// records on tmpfs). It opens no socket that listens.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/world.h"
#include "crypto/sign.h"
#include "ledger/client/client.h"
#include "node/config.h"
#include "node/housekeeper.h"
#include "node/peer_watch.h"
#include "node/ports.h"
#include "node/reconciler.h"

namespace mcloud::node {

// Pushes logs and metrics; a round may block on the network without harm to anything else.
class Telemetry {
 public:
  virtual ~Telemetry() = default;
  struct Target {
    std::string container;
    ReplicaKey replica;
    PublicKey owner;
    bool is_running = false;
  };
  struct Numbers {
    std::vector<std::pair<std::string, double>> node;  // metric name -> value
    Figures figures;                                   // of networks and gateways
  };
  virtual void round(const std::vector<Target>& targets, const Numbers& numbers) = 0;
};

// All borrowed; each client is used by one thread of the agent.
struct AgentPorts {
  Containers& containers;
  Volumes& volumes;
  Networks& networks;
  SetMembers* members = nullptr;   // may be absent: then no replica set is led here
  Names* names = nullptr;          // may be absent: then nothing is found by name
  Gateways* gateways = nullptr;    // may be absent: then no site is served here
  Telemetry* telemetry = nullptr;  // may be absent
  ledger::Client& follow;          // waits for heads
  ledger::Client& read;
  ledger::Client& submit;
  const Clock& clock;
};

class Agent {
 public:
  struct Options {
    std::string data_folder;    // DATA/agent: evidence/, user-ranges
    std::string liveness_file;  // on tmpfs
    pb::Demand capacity;        // told at a rejoin
    pb::NodeAddresses addresses;
    Reconciler::Limits limits;
    uint64_t telemetry_ms = 500;
    Housekeeper::Pace house;
    // Puts this node on the ledger; called on the submit client's thread when it is not there. Absent: it just waits.
    std::function<Status()> join;
    // Where we are now, the ledger is told when it is not where it has us; from any thread, may block some ms. Absent:
    // `addresses`, told at a join only.
    std::function<pb::NodeAddresses()> where;
    uint64_t where_every_ms = 2'000;
    // What the ledger is to know of our WireGuard keys; from any thread. Absent: nothing but where we are.
    std::function<pb::PublishKeys()> keys;
    PeerWatch::Options peers;
  };

  // Looks at what is here. `key` is borrowed.
  static Result<std::unique_ptr<Agent>> open(const AgentPorts& ports, const crypto::SigningKey& key, Options options);
  // Waits for what it began; workloads run on.
  virtual ~Agent() = default;
  // Until stop().
  virtual void run() = 0;
  // From any thread.
  virtual void stop() = 0;
  virtual void stop_on_signals() = 0;
};

// `mcloud node agent CONFIG`: joins when it has to, then runs until SIGTERM. Returns only when it could not begin;
// jobs that hang at the end are not waited for.
Status run_agent(const Config& config);

}  // namespace mcloud::node
