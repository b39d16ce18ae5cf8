#include "node/log_shipper.h"

#include <doctest/doctest.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "io/clock.h"
#include "io/file.h"
#include "sink/server.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {

crypto::SigningKey key(std::string_view name) { return *crypto::SigningKey::from_seed(crypto::blake2b(name).view()); }
ContractId contract(std::string_view name) { return *ContractId::from_bytes(crypto::blake2b(name).view()); }

const crypto::SigningKey kNode = key("node");
const crypto::SigningKey kOwner = key("owner");
const ContractId kHello = contract("hello");

class FixedDirectory final : public sink::Directory {
 public:
  Result<NodeEntry> node(const NodeId&, bool) override { return NodeEntry{.name = "n1", .contracts = {kHello}}; }
  Result<PublicKey> owner(const ContractId&) override { return kOwner.public_key(); }
};

class NoContainers final : public Containers {
 public:
  Result<std::vector<FoundContainer>> list() override { return std::vector<FoundContainer>(); }
  Status prepare_image(const ContainerTask&) override { return {}; }
  Status start(const ContainerTask&, uint32_t) override { return {}; }
  Status stop(const std::string&, uint64_t) override { return {}; }
  Status adopt(const std::string&, uint64_t, uint64_t) override { return {}; }
  Result<runtime::ContainerStatus> status(const std::string&) override { return runtime::ContainerStatus{}; }
  Status probe(const ContainerTask&) override { return {}; }
  Result<runtime::ContainerUsage> usage(const std::string&) override {
    return runtime::ContainerUsage{.cpu_ns = 1'500'000'000, .memory_bytes = 4096, .pids = 3};
  }
  Result<std::vector<std::string>> wait_for_exits(uint64_t) override { return std::vector<std::string>(); }
  Result<std::set<std::string>> disks() override { return std::set<std::string>(); }
  Status drop_disk(const std::string&) override { return {}; }
  Result<DiskUsage> disk_usage(const std::string&) override { return DiskUsage{}; }
  Result<std::vector<std::string>> images() override { return std::vector<std::string>(); }
  Status drop_image(const std::string&) override { return {}; }
  Status make_images_durable() override { return {}; }
  bool is_disk_short() override { return false; }
};

// Time that the test lets pass; the sink lives in the machine's.
class TestClock final : public Clock {
 public:
  uint64_t monotonic_ms() const override { return now_ms; }
  uint64_t wall_ms() const override { return io::SystemClock().wall_ms(); }
  uint64_t now_ms = 1'000'000;
};

class World {
 public:
  World() {
    log::set_level(log::Level::Error);
    start_sink();
    start_shipper();
  }
  void start_sink() {
    sink::Server::Options options{.port = port_, .folder = folder_ / "sink", .chain_id = "test"};
    auto server = sink::Server::start(options, std::make_unique<FixedDirectory>(), clock_);
    REQUIRE_MESSAGE(server.has_value(), (server.has_value() ? "" : server.error().message));
    server_ = std::move(*server);
    port_ = server_->port();
  }
  void stop_sink() { server_.reset(); }
  void start_shipper() {
    std::string endpoint = "http://127.0.0.1:" + std::to_string(port_);
    pusher_ =
        std::move(*sink::Pusher::open({.endpoint = endpoint, .chain_id = "test", .timeout_ms = 2'000}, kNode, clock_));
    shipper_ = std::make_unique<LogShipper>(*pusher_, containers_, clock,
                                            LogShipper::Options{.disk_folder = folder_ / "containers",
                                                                .position_file = folder_ / "positions",
                                                                .data_folder = folder_.path()});
  }
  void write(const std::string& container, const std::string& text) {
    std::string folder = folder_ / ("containers/" + container);
    REQUIRE(io::make_folders(folder).has_value());
    FILE* file = std::fopen((folder + "/log").c_str(), "a");
    REQUIRE(file != nullptr);
    std::fprintf(file, "2024-05-01T10:00:00.123456789+02:00 stdout F %s\n", text.c_str());
    std::fclose(file);
  }
  void round_of(const std::vector<Telemetry::Target>& targets) { shipper_->round(targets, {}); }
  void round(std::initializer_list<const char*> containers, const std::string& figure = "node_ledger_height") {
    std::vector<Telemetry::Target> targets;
    for (const char* container : containers) {
      targets.push_back({.container = container,
                         .replica = {kHello, container, 0},
                         .owner = kOwner.public_key(),
                         .is_running = true});
    }
    shipper_->round(targets, {.node = {{figure, 7}}});
  }
  std::vector<std::string> lines() {
    auto reader = *sink::Reader::open({.endpoint = "http://127.0.0.1:" + std::to_string(port_), .chain_id = "test"},
                                      kOwner, clock_);
    auto page = reader->read({.contract = kHello});
    REQUIRE(page.has_value());
    std::vector<std::string> all;
    for (const pb::StoredBatch& batch : page->batches) {
      for (const pb::LogLine& line : sink::open_lines(kOwner, batch.batch())->lines()) {
        all.push_back(batch.batch().workload() + ": " + line.text());
      }
    }
    return all;
  }
  std::string metrics() {
    auto http = wire::HttpClient::create(*wire::Endpoint::parse("http://127.0.0.1:" + std::to_string(port_)), {});
    return http->get("/metrics")->body;
  }
  TestClock clock;

 private:
  io::SystemClock clock_;
  testing::TemporaryFolder folder_;
  NoContainers containers_;
  uint16_t port_ = 0;
  std::unique_ptr<sink::Server> server_;
  std::unique_ptr<sink::Pusher> pusher_;
  std::unique_ptr<LogShipper> shipper_;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("lines of all containers reach their owner, each once") {
  World world;
  world.write("web", "one");
  world.write("db", "two");
  world.round({"db", "web"});
  world.round({"db", "web"});
  CHECK(world.lines() == Lines{"db: two", "web: one"});
  world.write("web", "three");
  world.round({"db", "web"});
  CHECK(world.lines() == Lines{"db: two", "web: one", "web: three"});
}

TEST_CASE("a sink that is away loses nothing and is not asked all the time") {
  World world;
  world.stop_sink();
  world.write("web", "one");
  world.round({"web"});
  world.write("web", "two");
  world.start_sink();
  world.round({"web"});
  CHECK(world.lines().empty());  // still waits
  world.clock.now_ms += 1'000;
  world.round({"web"});
  world.round({"web"});
  CHECK(world.lines() == Lines{"web: one", "web: two"});
}

TEST_CASE("the next agent goes on behind what has arrived") {
  World world;
  world.write("web", "one");
  world.round({"web"});
  world.start_shipper();
  world.write("web", "two");
  world.round({"web"});
  CHECK(world.lines() == Lines{"web: one", "web: two"});
}

TEST_CASE("a flood is pushed in bounded pieces and silences nobody") {
  World world;
  std::string filler(1'000, 'x');
  for (int i = 0; i < 3'000; ++i) world.write("flood", filler);
  world.write("web", "heard");
  world.round({"flood", "web"});
  Lines after_one = world.lines();
  CHECK(std::find(after_one.begin(), after_one.end(), "web: heard") != after_one.end());
  CHECK(after_one.size() < 1'000);
}

TEST_CASE("metrics of the machine and of its containers are pushed every ten seconds") {
  World world;
  world.round({"web"});
  std::string page = world.metrics();
  CHECK(page.find("node_ledger_height{node=\"n1\"} 7\n") != std::string::npos);
  CHECK(page.find("node_memory_total_bytes{node=\"n1\"} ") != std::string::npos);
  CHECK(page.find("node_container_cpu_seconds_total{node=\"n1\",contract=\"" + kHello.hex().substr(0, 16) +
                  "\",workload=\"web\",index=\"0\"} 1.5\n") != std::string::npos);
}

TEST_CASE("figures of more containers than the sink takes leave their lines unharmed") {
  World world;
  world.write("web", "one");
  std::vector<Telemetry::Target> targets;
  for (int i = 0; i < 1'500; ++i) {
    std::string name = i == 0 ? "web" : "c" + std::to_string(i);
    targets.push_back(
        {.container = name, .replica = {kHello, name, 0}, .owner = kOwner.public_key(), .is_running = true});
  }
  world.round_of(targets);
  CHECK(world.lines() == Lines{"web: one"});
  CHECK(world.metrics().find("workload=\"c500\"") != std::string::npos);
}

TEST_CASE("a push that the sink will never take keeps nothing that comes after it") {
  World world;
  world.write("web", "one");
  // No sink takes this text as figures.
  world.round({"web"}, "bad name");
  CHECK(world.lines().empty());
  world.round({"web"}, "bad name");
  CHECK(world.lines() == Lines{"web: one"});
}
