// For tests: an agent's loop, pools and reporting against a real ledger, with a machine that only pretends.
#pragma once

#include <doctest/doctest.h>

#include <atomic>  // the hand of the test and the threads of the agent meet here
#include <chrono>
#include <condition_variable>  // as above
#include <mutex>               // as above
#include <thread>              // one for the agent, one for its heart

#include "io/loop.h"
#include "ledger/engine/test_server.h"
#include "node/agent.h"
#include "node/fake_machine_test.h"
#include "node/heartbeat.h"
#include "node/liveness.h"
#include "testing/temporary_folder.h"

namespace mcloud::node::sample {

using ledger::must;

// Waits for something that other threads bring about.
template <typename Predicate>
bool soon(Predicate&& predicate, int timeout_ms = 10'000) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// The machine that outlives agents; all ports of one agent at a time.
class PretendMachine final : public Containers {
 public:
  Result<std::vector<FoundContainer>> list() override {
    std::lock_guard lock(mutex_);
    return machine_.found().containers;
  }
  Status prepare_image(const ContainerTask& task) override {
    std::unique_lock lock(mutex_);
    if (task.replica.workload == hanging_) {
      hung_ = true;
      wake_.wait(lock, [&] { return task.replica.workload != hanging_; });
    }
    return run({.kind = JobKind::PrepareImage, .replica = task.replica, .task = task});
  }
  Status start(const ContainerTask& task, uint32_t restarts) override {
    std::lock_guard lock(mutex_);
    ++starts_;
    return run({.kind = JobKind::Start,
                .replica = task.replica,
                .task = task,
                .container = task.container_id(),
                .restarts = restarts});
  }
  Status stop(const std::string& id, uint64_t grace_ms) override {
    std::lock_guard lock(mutex_);
    return run({.kind = JobKind::Stop, .container = id, .grace_ms = grace_ms});
  }
  Status adopt(const std::string& id, uint64_t epoch, uint64_t version) override {
    std::lock_guard lock(mutex_);
    return run({.kind = JobKind::Adopt, .container = id, .epoch = epoch, .version = version});
  }
  Result<runtime::ContainerStatus> status(const std::string& id) override {
    std::lock_guard lock(mutex_);
    auto found = machine_.containers.find(id);
    if (found == machine_.containers.end()) return make_error(Code::NotFound, "no container " + id);
    return found->second.status;
  }
  Status probe(const ContainerTask&) override { return {}; }
  Result<runtime::ContainerUsage> usage(const std::string&) override { return runtime::ContainerUsage{}; }
  Result<std::vector<std::string>> wait_for_exits(uint64_t) override {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(50), [&] { return !ended_.empty(); });
    return std::move(ended_);
  }
  Result<std::set<std::string>> disks() override {
    std::lock_guard lock(mutex_);
    return machine_.disks;
  }
  Status drop_disk(const std::string& id) override {
    std::lock_guard lock(mutex_);
    return run({.kind = JobKind::DropDisk, .container = id});
  }
  Result<DiskUsage> disk_usage(const std::string&) override { return DiskUsage{}; }
  Result<std::vector<std::string>> images() override {
    std::lock_guard lock(mutex_);
    return std::vector<std::string>(machine_.images.begin(), machine_.images.end());
  }
  Status drop_image(const std::string& digest) override {
    std::lock_guard lock(mutex_);
    machine_.images.erase(digest);
    return {};
  }
  Status make_images_durable() override {
    std::lock_guard lock(mutex_);
    if (durable_fails_ > 0) {
      --durable_fails_;
      return make_error(Code::Unavailable, "the disk is busy");
    }
    durable_ = machine_.images;
    return {};
  }
  bool is_disk_short() override { return false; }
  Status ensure(const ReplicaKey& volume, uint64_t size_bytes) {
    std::lock_guard lock(mutex_);
    return run({.kind = JobKind::EnsureVolume, .replica = volume, .size_bytes = size_bytes});
  }
  Status erase(const ReplicaKey& volume) {
    std::lock_guard lock(mutex_);
    return run({.kind = JobKind::EraseVolume, .replica = volume});
  }
  std::map<ContractId, Status> apply(const Networks::Change& change) {
    std::lock_guard lock(mutex_);
    return machine_.execute({.kind = JobKind::ChangeNetworks, .networks = change}).networks;
  }
  // The other ports, as doors to the same machine.
  struct VolumeDoor final : Volumes {
    explicit VolumeDoor(PretendMachine& owner) : owner_(owner) {}
    Result<std::map<ReplicaKey, uint64_t>> list() override {
      std::lock_guard lock(owner_.mutex_);
      return owner_.machine_.volumes;
    }
    Status ensure(const ReplicaKey& volume, uint64_t size_bytes) override { return owner_.ensure(volume, size_bytes); }
    Status erase(const ReplicaKey& volume) override { return owner_.erase(volume); }
    Result<DiskUsage> usage(const ReplicaKey&) override { return DiskUsage{}; }
    PretendMachine& owner_;
  };
  struct NetworkDoor final : Networks {
    explicit NetworkDoor(PretendMachine& owner) : owner_(owner) {}
    Result<std::map<ContractId, pb::LocalNetworks>> list() override {
      std::lock_guard lock(owner_.mutex_);
      return owner_.machine_.networks;
    }
    std::map<ContractId, Status> apply(const Change& change) override {
      Status broken = owner_.network_trouble();
      if (broken.has_value()) return owner_.apply(change);
      std::map<ContractId, Status> outcome{{{}, {}}};
      for (const auto& [contract, networks] : change.set) outcome[contract] = broken;
      return outcome;
    }
    Status tend() override { return owner_.network_trouble(); }
    PretendMachine& owner_;
  };

  struct MemberDoor final : SetMembers {
    explicit MemberDoor(PretendMachine& owner) : owner_(owner) {}
    Result<GroupStatus> ask(const std::string& container, const GroupCommand& command) override {
      std::lock_guard lock(owner_.mutex_);
      if (!owner_.machine_.containers.contains(container)) return make_error(Code::Unavailable, "it does not run");
      JobOutcome outcome =
          owner_.machine_.execute({.kind = JobKind::AskMember, .container = container, .group = command});
      if (!outcome.status.has_value()) return outcome.status.error();
      return outcome.group;
    }
    PretendMachine& owner_;
  };

  // ---- the test's hand ----
  // Networks fail with this; "" = they do not.
  void break_networks(const std::string& message) {
    std::lock_guard lock(mutex_);
    network_trouble_ = message;
    network_failures_ = 0;
  }
  // How often they did since.
  int network_failures() {
    std::lock_guard lock(mutex_);
    return network_failures_;
  }
  Status network_trouble() {
    std::lock_guard lock(mutex_);
    if (network_trouble_.empty()) return {};
    ++network_failures_;
    return make_error(Code::Unavailable, network_trouble_);
  }
  std::vector<GroupCommand> told() {
    std::lock_guard lock(mutex_);
    return machine_.told;
  }
  size_t running() {
    std::lock_guard lock(mutex_);
    return machine_.containers.size();
  }
  size_t starts() {
    std::lock_guard lock(mutex_);
    return starts_;
  }
  size_t images_there() {
    std::lock_guard lock(mutex_);
    return machine_.images.size();
  }
  bool are_images_durable() {
    std::lock_guard lock(mutex_);
    return !machine_.images.empty() && durable_ == machine_.images;
  }
  void fail_durable(int times) {
    std::lock_guard lock(mutex_);
    durable_fails_ = times;
  }
  void end(const std::string& id, int exit_code) {
    std::lock_guard lock(mutex_);
    machine_.end(id, exit_code, machine_.now_ms);
    ended_.push_back(id);
    wake_.notify_all();
  }
  void hang(const std::string& workload) {
    std::lock_guard lock(mutex_);
    hanging_ = workload;
    wake_.notify_all();
  }
  bool is_hung() {
    std::lock_guard lock(mutex_);
    return hung_;
  }

 private:
  Status run(const Job& job) { return machine_.execute(job).status; }
  std::mutex mutex_;
  std::string network_trouble_;
  int network_failures_ = 0;
  std::condition_variable wake_;
  FakeMachine machine_;
  size_t starts_ = 0;
  std::string hanging_;
  bool hung_ = false;
  std::set<std::string> durable_;
  int durable_fails_ = 0;
  std::vector<std::string> ended_;
};

// A cable to the ledger that can be cut, and be slow for questions about the state.
struct Cable {
  std::atomic<bool> is_cut = false;
  std::atomic<int> slow_ms = 0;
};

class CabledClient final : public ledger::Client {
 public:
  CabledClient(std::unique_ptr<ledger::Client> inner, Cable& cable) : inner_(std::move(inner)), cable_(cable) {}
  const ledger::Trust& trust() const override { return inner_->trust(); }
  ledger::Head head() const override { return inner_->head(); }
  uint64_t last_contact_ms() const override { return inner_->last_contact_ms(); }
  Result<ledger::Snapshot> get(const std::vector<Bytes>& keys) override {
    // On the way there and on the way back: what arrives is not the newest any more.
    std::this_thread::sleep_for(std::chrono::milliseconds(cable_.slow_ms / 2));
    if (cable_.is_cut) return cut();
    auto answer = inner_->get(keys);
    std::this_thread::sleep_for(std::chrono::milliseconds(cable_.slow_ms / 2));
    if (cable_.is_cut) return cut();
    return answer;
  }
  Result<ledger::Snapshot> list(BytesView prefix) override {
    if (cable_.is_cut) return cut();
    return inner_->list(prefix);
  }
  Result<std::vector<ledger::SubmitOutcome>> submit(const std::vector<Bytes>& transactions) override {
    if (cable_.is_cut) return cut();
    return inner_->submit(transactions);
  }
  Result<uint64_t> next_sequence(const PublicKey& sender) override {
    if (cable_.is_cut) return cut();
    return inner_->next_sequence(sender);
  }
  Status put_blob(BytesView bytes) override { return inner_->put_blob(bytes); }
  Result<Bytes> get_blob(const Hash& hash) override {
    if (cable_.is_cut) return cut();
    return inner_->get_blob(hash);
  }
  Status send_heartbeat(const pb::SignedHeartbeat& heartbeat) override {
    if (cable_.is_cut) return cut();
    return inner_->send_heartbeat(heartbeat);
  }
  Result<std::optional<ledger::Head>> wait_for_head(uint64_t above, uint64_t timeout_ms) override {
    if (cable_.is_cut) return cut();
    auto head = inner_->wait_for_head(above, timeout_ms);
    if (cable_.is_cut) return cut();
    return head;
  }

 private:
  static Error cut() { return make_error(Code::Unavailable, "the cable is cut"); }
  std::unique_ptr<ledger::Client> inner_;
  Cable& cable_;
};

// A ledger with a farm, and one node that may be born, die and be cut off.
class World {
 public:
  explicit World(uint64_t fence_after_ms = 5'000)
      : server_(fence_after_ms),
        endpoint_(server_.endpoint()),
        trust_(server_.server().trust()),
        client_(open_client()) {
    submit(server_.create_farm("ann", "home"));
  }
  ~World() {
    stop_agent();
    is_beating_ = false;
    if (heart_.joinable()) heart_.join();
  }

  void start_agent() {
    follow_ = cabled();
    read_ = cabled();
    submit_ = cabled();
    Agent::Options options{.data_folder = folder_ / "agent", .liveness_file = folder_ / "liveness"};
    options.house = {.look_ms = 20, .image_rest_ms = 100, .settle_ms = 10};
    options.capacity = ledger::test_demand(8'000, 8ull << 30);
    options.capacity.set_disk_bytes(100ull << 30);
    options.capacity.set_pids(10'000);
    options.addresses.set_backplane("10.251.0.1");
    options.keys = keys;
    options.where = where;
    options.where_every_ms = 20;
    options.join = [this]() -> Status {
      auto outcomes = submit_->submit({server_.admit("ann", "home", "node1")});
      if (!outcomes.has_value()) return outcomes.error();
      const ledger::TransactionResult& result = outcomes->at(0).result;
      return result.ok ? Status() : Status(make_error(result.code, result.message));
    };
    AgentPorts ports{.containers = machine,
                     .volumes = volumes_,
                     .networks = networks_,
                     .members = &members_,
                     .telemetry = nullptr,
                     .follow = *follow_,
                     .read = *read_,
                     .submit = *submit_,
                     .clock = server_.clock()};
    agent_ = must(Agent::open(ports, kNode, options));
    thread_ = std::thread([this] { agent_->run(); });
  }
  void stop_agent() {
    if (!thread_.joinable()) return;
    agent_->stop();
    thread_.join();
    agent_.reset();
  }
  void start_heart() {
    is_beating_ = true;
    if (heart_.joinable()) heart_.join();
    heart_ = std::thread([this] {
      auto client = cabled();
      Liveness liveness(folder_ / "liveness");
      uint64_t counter = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
      while (is_beating_) {
        uint64_t epoch = liveness.read().node_epoch();
        if (epoch != 0) (void)client->send_heartbeat(make_heartbeat(kChain, kNode, {epoch, ++counter})).has_value();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    });
  }
  void stop_heart() { is_beating_ = false; }

  std::unique_ptr<ledger::Client> cabled() { return std::make_unique<CabledClient>(open_client(), cable); }
  // Also while the ledger is away.
  std::unique_ptr<ledger::Client> open_client() {
    return must(ledger::Client::open({{endpoint_}, trust_, "", 2'000}, server_.clock()));
  }

  void submit(const Bytes& transaction) {
    auto outcomes = must(client_->submit({transaction}));
    REQUIRE_MESSAGE(outcomes.at(0).result.ok, outcomes.at(0).result.message);
  }
  void send(const crypto::SigningKey& key, pb::Transaction transaction) {
    transaction.set_chain_id(kChain);
    transaction.set_sender(key.public_key().bytes());
    transaction.set_sequence(must(client_->next_sequence(key.public_key())));
    submit(ledger::sign_transaction(transaction, key));
  }
  Sample deploy(const std::string& yaml, int nonce = 1) {
    Sample sample = make(yaml, {.nonce = nonce, .now_ms = server_.clock().wall_ms()});
    must(client_->put_blob(sample.compiled.body_bytes));
    if (!sample.keyring.empty()) must(client_->put_blob(sample.keyring));
    pb::Transaction transaction;
    pb::SubmitContract& submission = *transaction.mutable_submit_contract();
    submission.set_header(sample.compiled.header_bytes);
    if (!sample.keyring.empty()) {
      submission.set_keyring_hash(crypto::blake2b(sample.keyring).bytes());
      submission.add_keyring_nodes(kNode.public_key().bytes());
    }
    send(kOwner, transaction);
    pb::Transaction approval;
    pb::Approve& approve = *approval.mutable_approve();
    approve.set_contract(sample.id.bytes());
    approve.set_version(1);
    approve.set_header_hash(contract::header_hash(sample.compiled.header_bytes).bytes());
    approve.set_signature(decision(sample, kOwner).signature());
    send(kOwner, approval);
    return sample;
  }
  pb::Replica replica(const Sample& sample, const std::string& workload, int index = 0) {
    auto snapshot = client_->get({ledger::keys::workload(sample.id, workload)});
    if (!snapshot.has_value() || !snapshot->entries[0].value) return {};
    auto record = wire::decode<pb::Workload>(*snapshot->entries[0].value, "workload");
    return record.has_value() && record->replicas_size() > index ? record->replicas(index) : pb::Replica();
  }
  pb::SetRecord set(const Sample& sample, const std::string& workload) {
    auto snapshot = client_->get({ledger::keys::workload(sample.id, workload)});
    if (!snapshot.has_value() || !snapshot->entries[0].value) return {};
    auto record = wire::decode<pb::Workload>(*snapshot->entries[0].value, "workload");
    return record.has_value() ? record->set() : pb::SetRecord();
  }
  uint64_t height() { return must(client_->get({ledger::keys::parameters()})).head.height; }
  pb::ReplicaState state(const Sample& sample, const std::string& workload, int index = 0) {
    return replica(sample, workload, index).state();
  }
  pb::Node node() {
    auto snapshot = client_->get({ledger::keys::node(kNode.public_key())});
    if (!snapshot.has_value() || !snapshot->entries[0].value) return {};
    return *wire::decode<pb::Node>(*snapshot->entries[0].value, "node");
  }

  std::function<pb::PublishKeys()> keys;       // of the mesh; before start_agent()
  std::function<pb::NodeAddresses()> where;    // before start_agent()
  PretendMachine machine;
  Cable cable;  // of the node; the owner has another
  ledger::TestServer server_;

 private:
  PretendMachine::VolumeDoor volumes_{machine};
  PretendMachine::NetworkDoor networks_{machine};
  PretendMachine::MemberDoor members_{machine};
  testing::TemporaryFolder folder_;
  std::string endpoint_;
  ledger::Trust trust_;
  std::unique_ptr<ledger::Client> client_, follow_, read_, submit_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_, heart_;
  std::atomic<bool> is_beating_ = false;
};

inline constexpr const char* kApp = R"(
name: app
workloads:
  app:
    kind: container
    image: oci:./image
    restart: {when: always, backoff: 100ms, backoff_max: 200ms, tries: 0}
)";

}  // namespace mcloud::node::sample
