// The agent's loop, pools and reporting against a real ledger, with a machine that only pretends.
#include "node/agent.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "io/loop.h"
#include "ledger/engine/test_server.h"
#include "node/fake_machine_test.h"
#include "node/heartbeat.h"
#include "node/liveness.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;
using ledger::must;

namespace {

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
    return run({.kind = JobKind::Start, .replica = task.replica, .task = task, .container = task.container_id(), .restarts = restarts});
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
  Status drop_unused_images(const std::set<std::string>&, uint64_t) override { return {}; }
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
  // The other two ports, as doors to the same machine.
  struct VolumeDoor final : Volumes {
    explicit VolumeDoor(PretendMachine& owner) : owner_(owner) {}
    Result<std::map<ReplicaKey, uint64_t>> list() override {
      std::lock_guard lock(owner_.mutex_);
      return owner_.machine_.volumes;
    }
    Status ensure(const ReplicaKey& volume, uint64_t size_bytes) override { return owner_.ensure(volume, size_bytes); }
    Status erase(const ReplicaKey& volume) override { return owner_.erase(volume); }
    PretendMachine& owner_;
  };
  struct NetworkDoor final : Networks {
    explicit NetworkDoor(PretendMachine& owner) : owner_(owner) {}
    Result<std::map<ContractId, pb::LocalNetworks>> list() override {
      std::lock_guard lock(owner_.mutex_);
      return owner_.machine_.networks;
    }
    std::map<ContractId, Status> apply(const Change& change) override { return owner_.apply(change); }
    PretendMachine& owner_;
  };

  // ---- the test's hand ----
  size_t running() {
    std::lock_guard lock(mutex_);
    return machine_.containers.size();
  }
  size_t starts() {
    std::lock_guard lock(mutex_);
    return starts_;
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
  std::condition_variable wake_;
  FakeMachine machine_;
  size_t starts_ = 0;
  std::string hanging_;
  bool hung_ = false;
  std::vector<std::string> ended_;
};

}  // namespace

namespace {

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
    std::this_thread::sleep_for(std::chrono::milliseconds(cable_.slow_ms));
    if (cable_.is_cut) return cut();
    return inner_->get(keys);
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
      : server_(fence_after_ms), endpoint_(server_.endpoint()), trust_(server_.server().trust()), client_(open_client()) {
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
    options.capacity = ledger::test_demand(8'000, 8ull << 30);
    options.capacity.set_disk_bytes(100ull << 30);
    options.capacity.set_pids(10'000);
    options.addresses.set_backplane("10.251.0.1");
    options.join = [this]() -> Status {
      auto outcomes = submit_->submit({server_.admit("ann", "home", "node1")});
      if (!outcomes.has_value()) return outcomes.error();
      const ledger::TransactionResult& result = outcomes->at(0).result;
      return result.ok ? Status() : Status(make_error(result.code, result.message));
    };
    AgentPorts ports{.containers = machine, .volumes = volumes_, .networks = networks_, .telemetry = nullptr,
                     .follow = *follow_, .read = *read_, .submit = *submit_, .clock = server_.clock()};
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
  pb::ReplicaState state(const Sample& sample, const std::string& workload, int index = 0) {
    return replica(sample, workload, index).state();
  }
  pb::Node node() {
    auto snapshot = client_->get({ledger::keys::node(kNode.public_key())});
    if (!snapshot.has_value() || !snapshot->entries[0].value) return {};
    return *wire::decode<pb::Node>(*snapshot->entries[0].value, "node");
  }

  PretendMachine machine;
  Cable cable;  // of the node; the owner has another
  ledger::TestServer server_;

 private:
  PretendMachine::VolumeDoor volumes_{machine};
  PretendMachine::NetworkDoor networks_{machine};
  testing::TemporaryFolder folder_;
  std::string endpoint_;
  ledger::Trust trust_;
  std::unique_ptr<ledger::Client> client_, follow_, read_, submit_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_, heart_;
  std::atomic<bool> is_beating_ = false;
};

constexpr const char* kApp = R"(
name: app
workloads:
  app:
    kind: container
    image: oci:./image
    restart: {when: always, backoff: 100ms, backoff_max: 200ms, tries: 0}
)";

}  // namespace

TEST_CASE("an agent joins with its token, runs what is approved and tells the ledger") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample web = world.deploy(kWeb);
  CHECK(soon([&] { return world.state(web, "web", 0) == pb::REPLICA_HEALTHY && world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  CHECK(world.machine.running() == 2);
  Sample database = world.deploy(kDatabase, 2);
  CHECK(soon([&] { return world.state(database, "db") == pb::REPLICA_RUNNING && world.state(database, "data") == pb::REPLICA_RUNNING; }));
}

TEST_CASE("an agent that ends and begins again starts nothing twice") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample web = world.deploy(kWeb);
  REQUIRE(soon([&] { return world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  world.stop_agent();
  CHECK(world.machine.running() == 2);
  world.start_agent();
  Sample app = world.deploy(kApp, 2);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  CHECK(world.machine.starts() == 3);
  CHECK(world.state(web, "web", 0) == pb::REPLICA_HEALTHY);
}

TEST_CASE("a container that ends is started again, and its restarts are counted on the ledger") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.machine.end(container_id({app.id, "app", 0}), 3);
  CHECK(soon([&] { return world.replica(app, "app").restarts() == 1 && world.state(app, "app") == pb::REPLICA_RUNNING; }));
}

TEST_CASE("an image that hangs delays no other contract") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  world.machine.hang("app");
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.machine.is_hung(); }));
  Sample web = world.deploy(kWeb, 2);
  CHECK(soon([&] { return world.state(web, "web", 0) == pb::REPLICA_HEALTHY; }));
  CHECK(soon([&] { return world.state(app, "app") == pb::REPLICA_PREPARING; }));
  world.machine.hang("");
  CHECK(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
}

TEST_CASE("a cancelled contract's containers are stopped and its volumes erased as the owner said") {
  World world;
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample database = world.deploy(kDatabase);
  REQUIRE(soon([&] { return world.state(database, "db") == pb::REPLICA_RUNNING; }));
  pb::Transaction cancel;
  cancel.mutable_cancel_contract()->set_contract(database.id.bytes());
  cancel.mutable_cancel_contract()->set_erase_volumes(true);
  world.send(kOwner, cancel);
  CHECK(soon([&] { return world.machine.running() == 0; }));
  auto client = world.server_.client();
  // The assignment forgets the contract when the node has said that nothing is left.
  CHECK(soon([&] {
    auto snapshot = client->get({ledger::keys::assignment(kNode.public_key())});
    return snapshot.has_value() && snapshot->entries[0].value &&
           wire::decode<pb::Assignment>(*snapshot->entries[0].value, "assignment")->contracts().empty();
  }, 20'000));
}

TEST_CASE("a node without heartbeats is fenced, and rejoins and goes on when it beats again") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  uint64_t epoch = world.node().epoch();
  world.stop_heart();
  REQUIRE(soon([&] { return world.node().epoch() > epoch; }));
  world.start_heart();
  CHECK(soon([&] { return world.node().state() == pb::NODE_ONLINE && world.state(app, "app") == pb::REPLICA_RUNNING; }, 20'000));
  CHECK(world.machine.starts() == 1);
}

TEST_CASE("a ledger that is away for long moves and stops nothing, and a crash meanwhile is healed") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.server_.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));  // longer than fence_after
  world.machine.end(container_id({app.id, "app", 0}), 1);
  CHECK(soon([&] { return world.machine.starts() == 2; }));
  CHECK(world.machine.running() == 1);
}

TEST_CASE("an agent that starts while the ledger is away still looks after what runs") {
  World world(1'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(kApp);
  Sample web = world.deploy(kWeb, 2);
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING && world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  world.stop_agent();
  world.server_.stop();
  std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
  world.start_agent();
  world.machine.end(container_id({app.id, "app", 0}), 1);
  CHECK(soon([&] { return world.machine.starts() == 4; }));
  CHECK(world.machine.running() == 3);
}

TEST_CASE("a node that comes back starts nothing of what moved meanwhile, however slowly it learns of it") {
  World world(2'000);
  world.start_agent();
  world.start_heart();
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  Sample app = world.deploy(std::string(kApp) + "    on_isolation: stop\n");
  REQUIRE(soon([&] { return world.state(app, "app") == pb::REPLICA_RUNNING; }));
  world.cable.is_cut = true;
  // It stops itself before anybody else could be told to run it.
  REQUIRE(soon([&] { return world.machine.running() == 0; }));
  CHECK(world.node().state() == pb::NODE_ONLINE);
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_FENCED; }));
  pb::Transaction cancel;
  cancel.mutable_cancel_contract()->set_contract(app.id.bytes());
  world.send(kOwner, cancel);
  world.cable.slow_ms = 300;
  world.cable.is_cut = false;
  REQUIRE(soon([&] { return world.node().state() == pb::NODE_ONLINE; }));
  world.cable.slow_ms = 0;
  Sample web = world.deploy(kWeb, 2);
  REQUIRE(soon([&] { return world.state(web, "web", 1) == pb::REPLICA_HEALTHY; }));
  CHECK(world.machine.starts() == 3);  // the app once, web twice
}
