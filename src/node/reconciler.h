// The agent's mind: knows what is wanted and what is there, and says what to do next. Pure: no clock, no
// thread, no I/O; the agent (node/agent.h) does its jobs and tells it what came of them.
//
// Each replica has a lane of its own for its container, another for its image, a third to talk to a member of a
// replica set; each volume has one; networks share one. A lane does one job at a time, so a job that hangs delays nothing but its own lane: plan() is asked
// again after everything that happens, and its steps for free lanes become jobs. No contract has more than
// its share of jobs in flight.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mcloud/ledger.pb.h"
#include "node/desired.h"
#include "node/disk_watch.h"
#include "node/life.h"
#include "node/plan.h"
#include "node/ports.h"
#include "node/report_book.h"
#include "node/wanted_networks.h"

namespace mcloud::node {

enum class JobKind {
  Adopt,
  Stop,
  ChangeNetworks,
  EraseVolume,
  EnsureVolume,
  PrepareImage,
  Start,
  Probe,
  DropDisk,
  Measure,
  AskMember,
  SetNames,
  SetGateways,
  LookAtGateway,
  TendNetworks
};

// They come all the time and change nothing but what is known.
inline bool is_look(JobKind kind) {
  return kind == JobKind::Probe || kind == JobKind::Measure || kind == JobKind::AskMember || kind == JobKind::LookAtGateway ||
         kind == JobKind::TendNetworks;
}

struct Job {
  uint64_t id = 0;
  JobKind kind = JobKind::Adopt;
  ReplicaKey replica;                 // ChangeNetworks: none
  std::optional<ContainerTask> task;  // PrepareImage, Start, Probe
  std::string container;              // Adopt, Stop, Start, Probe, DropDisk, Measure ("" = the volume), AskMember
  uint64_t epoch = 0;                 // Adopt
  uint64_t version = 0;               // Adopt
  uint64_t grace_ms = 0;              // Stop
  uint64_t size_bytes = 0;            // EnsureVolume
  uint32_t restarts = 0;              // Start
  Networks::Change networks;          // ChangeNetworks
  GroupCommand group;                 // AskMember
  uint64_t process = 0;               // AskMember: SetMember::process()
  std::vector<network::NetworkNames> names;  // SetNames
  pb::LocalGateway gateway;           // SetGateways
  pb::LocalTunnel tunnel;             // SetGateways
  StopReason reason = StopReason::None;
};

struct JobOutcome {
  Status status;
  std::map<ContractId, Status> networks;  // ChangeNetworks
  DiskUsage usage = {};                   // Measure
  GroupStatus group = {};                 // AskMember
  pb::GatewayState gateway = {};          // LookAtGateway
};

// Everything here belongs to one thread. Times are milliseconds of one monotonic clock.
class Reconciler {
 public:
  struct Limits {
    // In flight at the same time, in all and for one contract.
    size_t start_jobs = 8, start_jobs_per_contract = 3;  // Start, Adopt, volumes, disks
    size_t stop_jobs = 6, stop_jobs_per_contract = 3;    // their own, so that no start keeps a stop waiting
    size_t image_jobs = 6, image_jobs_per_contract = 1;
    size_t probes = 6, probes_per_contract = 2;
    size_t measures = 2, measures_per_contract = 1;
    size_t asks = 6, asks_per_contract = 3;              // of members of replica sets
    uint64_t job_deadline_ms = 60'000;  // then its replica is given up here; the lane stays taken until it ends
    uint64_t image_deadline_ms = 15 * 60'000;
    uint64_t linger_ms = 300;          // from the end of its publication to the stop of a container
    uint64_t gateway_linger_ms = 1'200;  // until gateways have read that it leaves
    uint64_t withdraw_max_ms = 5'000;  // a container that must go does not wait longer for that end
  };
  explicit Reconciler(const Limits& limits) : limits_(limits) {}

  // What the machine has; once, before anything else.
  struct Found {
    std::vector<FoundContainer> containers;
    std::map<ReplicaKey, uint64_t> volumes;
    std::map<ContractId, pb::LocalNetworks> networks;
    std::set<std::string> disks;
  };
  void found(const Found& found, std::string_view chain_id);

  void set_orders(Orders orders, uint64_t now_ms);
  // `fence_after_ms` counts until the first orders, which bring the ledger's own.
  void set_contact(uint64_t last_contact_ms, uint64_t fence_after_ms);
  void job_done(uint64_t job, const JobOutcome& outcome, uint64_t now_ms);
  // Nodes that answer no pings: nobody is led to what runs there.
  void set_silent(std::set<NodeId> nodes);
  // Any news of a container; only an end is of interest. `looked_ms`: when it was asked about, at the latest.
  void observed(const std::string& container, const runtime::ContainerStatus& status, uint64_t looked_ms,
                uint64_t now_ms);

  std::vector<Job> take_jobs(uint64_t now_ms);
  // When take_jobs() may have something without further news; UINT64_MAX: never.
  uint64_t next_ms(uint64_t now_ms) const;

  // The state of everything assigned here, and which contracts are wholly erased.
  std::vector<Report> reports() const;

  // Everything that is no longer ours has been stopped: the assignment is applied as far as others depend on it.
  bool has_left_what_moved() const;
  const std::optional<Orders>& orders() const { return orders_; }
  const pb::GatewayState& gateway_state() const { return gateway_state_; }
  // Nothing planned, and no job in flight but looks at what runs.
  bool is_settled(uint64_t now_ms) const;
  // Nothing of this contract is here: no container, volume or disk, and no job about it.
  bool is_gone(const ContractId& contract) const;
  bool has_disk(const std::string& container) const { return disks_.contains(container); }
  struct Running {
    std::string container;
    ReplicaKey replica;
    uint64_t epoch = 0;
  };
  std::vector<Running> running() const;
  // Digests of the images of everything here and to come; nullopt while that is not known of everything.
  std::optional<std::set<std::string>> used_images() const;
  // While this image is being removed, no job that needs it begins. "" = none is.
  void hold_image(const std::string& digest) { held_image_ = digest; }

 private:
  struct Tracked {
    ActualContainer actual;
    uint32_t restarts = 0;
    uint64_t stop_grace_ms = 10'000;
    uint64_t began_ms = 0;  // our clock at the end of the start that we did; 0 = found
    std::string image;      // digest; "" = not known, found running another spec than is ordered
    runtime::ContainerStatus status;
    bool is_end_told = false;  // to its Life
    bool is_behind_gateway = false;  // gateways lead to it, as far as was last known
  };
  struct VolumeLife {
    uint64_t failures = 0;
    uint64_t hold_until_ms = 0;
    std::string message;
    bool given_up = false;
  };
  struct NetworkLife {
    uint64_t failures = 0;
    uint64_t hold_until_ms = 0;
    Error error;
  };
  struct InFlight {
    Job job;
    std::string lane;
    uint64_t deadline_ms = 0;
    bool is_overdue = false;
  };

  // A published container that is to be stopped: first no new request comes to it, then it goes.
  struct Leaving {
    uint64_t since_ms = 0;
    uint64_t withdrawn_ms = 0;  // 0: its publication still leads to it
  };

  // Replicas here and elsewhere that answer, and those of them that requests may go to.
  struct Standing {
    std::set<ReplicaKey> ready, serving;
    bool operator==(const Standing&) const = default;
  };
  // Something that is told of all that serves, as a whole.
  struct Service {
    bool is_due = true;
    uint64_t failures = 0;
    uint64_t hold_until_ms = 0;
    void failed(uint64_t now_ms);
  };

  bool is_fresh(uint64_t now_ms) const;
  void refresh_lives(uint64_t now_ms);
  void tell_life(Tracked& tracked, Life& life, uint64_t now_ms);
  void give_up_overdue(uint64_t now_ms);
  void give_up_unconnected();
  Standing standing() const;
  using NetworksNow = std::map<ContractId, std::shared_ptr<const HashedNetworks>>;
  NetworksNow networks_now() const;
  Desired desired_now(const NetworksNow& networks) const;
  Actual actual_now(uint64_t now_ms) const;

  void add_step_jobs(uint64_t now_ms, std::vector<Job>& jobs);
  std::optional<Job> job_of(const Step& step, uint64_t now_ms) const;
  bool note_leaving(const std::vector<Step>& steps, uint64_t now_ms);
  uint64_t leaves_ms(const Leaving& leaving) const;
  std::optional<Job> network_job(const std::vector<Step>& steps,
                                 const NetworksNow& networks, uint64_t now_ms) const;
  void add_probes(uint64_t now_ms, std::vector<Job>& jobs);
  void add_disk_jobs(uint64_t now_ms, std::vector<Job>& jobs);
  void refresh_members(uint64_t now_ms);
  void member_process_began(const ReplicaKey& replica, uint64_t now_ms);
  void add_asks(uint64_t now_ms, std::vector<Job>& jobs);
  void ask_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms);
  bool may_serve_set(const ReplicaKey& replica) const;
  void tell_set(const ReplicaKey& replica, Report& report) const;
  uint64_t next_ask_ms() const;
  void services_changed();
  void add_service_jobs(uint64_t now_ms, std::vector<Job>& jobs);
  void service_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms);
  bool has_networks() const;
  uint64_t next_service_ms(uint64_t now_ms) const;
  void tell_portal(const ReplicaKey& replica, const PortalTask& portal, pb::Result& result) const;
  void watch_disks(uint64_t now_ms);
  void add_measures(uint64_t now_ms, std::vector<Job>& jobs);
  void measure_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms);
  bool give_up_running(const ReplicaKey& replica, const std::string& message);
  std::string disk_warning(const ReplicaKey& replica, bool is_volume) const;
  bool is_stopping(const std::string& container) const;
  void begin(Job job, uint64_t now_ms, std::vector<Job>& jobs);
  bool has_room(const Job& job) const;
  bool is_free(JobKind kind) const;  // of those that have one lane in all
  size_t in_flight_of(const ContractId& contract) const;

  void adopt_done(const Job& job, const Status& status, uint64_t now_ms);
  void start_done(const Job& job, const Status& status, uint64_t now_ms);
  void stop_done(const Job& job, const Status& status, uint64_t now_ms);
  void volume_done(const Job& job, const Status& status, uint64_t now_ms);
  void networks_done(const Job& job, const JobOutcome& outcome, uint64_t now_ms);
  std::optional<Report> report_of(const ReplicaKey& replica, const Assigned& assigned) const;
  void tell_state(const ReplicaKey& replica, Report& report) const;
  Life* life_of(const ReplicaKey& replica, const Hash& spec);
  const Tracked* running_container(const ReplicaKey& replica) const;

  const Limits limits_;
  std::optional<Orders> orders_;
  uint64_t last_contact_ms_ = 0;
  uint64_t fence_after_ms_ = 5000;
  std::map<std::string, Tracked> containers_;
  std::map<ReplicaKey, uint64_t> volumes_;
  std::map<ContractId, HashedNetworks> networks_;  // as they are set
  mutable WantedNetworks wanted_networks_;         // spares making what is as before; answers the same without it
  std::optional<Bytes> mesh_;  // as it is set, encoded; nullopt: not known
  uint64_t mesh_hold_until_ms_ = 0;
  Standing standing_;
  Service names_, gateways_;
  std::set<NodeId> silent_;
  pb::GatewayState gateway_state_;
  uint64_t next_look_ms_ = 0;
  uint64_t next_tend_ms_ = 0;
  std::map<ReplicaKey, Hash> prepared_;
  std::map<ReplicaKey, Life> lives_;
  std::map<ReplicaKey, SetMember> members_;
  std::map<ReplicaKey, VolumeLife> volume_lives_;
  std::map<ContractId, NetworkLife> network_lives_;
  std::map<std::string, Leaving> leaving_;       // by container
  std::map<std::string, uint64_t> stop_holds_;   // containers whose stop failed: not again before
  std::map<std::string, uint64_t> adopt_holds_;  // the same for noting their epoch
  // Disks of containers, by the container's id: not to be dropped before this moment (its last lines are still read).
  std::map<std::string, uint64_t> disks_;
  std::set<std::string> spent_disks_;  // too full to be gone on with
  DiskWatch disk_watch_;
  std::string held_image_;
  std::map<uint64_t, InFlight> in_flight_;
  std::map<std::string, uint64_t> lanes_;  // lane -> job
  uint64_t next_job_ = 1;
};

}  // namespace mcloud::node
