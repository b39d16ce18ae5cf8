// Bounds on disks where the file system has none.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "node/disk_usage.h"
#include "node/disk_watch.h"
#include "node/fake_machine_test.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr uint64_t kGiB = 1ull << 30;
constexpr const char* kSmall = R"(
name: small
workloads:
  app:
    kind: container
    image: oci:./image
    resources: {disk: 1GiB}
)";

const DiskSubject kSubject{{ContractId(), "app", 0}, false};

void make_file(const std::string& path, size_t bytes) {
  REQUIRE(io::write_file(path, Bytes(bytes, 'x'), io::Durability::None).has_value());
}

}  // namespace

TEST_CASE("a disk that fills up is told of once, and again only after it was emptied") {
  FakeMachine machine;
  Ledger ledger;
  ledger.place(make(kSmall));
  Bench bench(machine);
  bench.orders(ledger);
  machine.disk_usage.bytes = kGiB / 100 * 89;
  bench.pass(40'000);
  CHECK(bench.result("app")->message() == "");
  machine.disk_usage.bytes = kGiB / 100 * 92;
  bench.pass(40'000);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  CHECK(bench.result("app")->message() == "disk: over 90 % of 1GiB is used");
  machine.disk_usage.bytes = kGiB / 100 * 87;
  bench.pass(40'000);
  CHECK(bench.result("app")->message() == "disk: over 90 % of 1GiB is used");
  machine.disk_usage.bytes = kGiB / 100 * 80;
  bench.pass(40'000);
  CHECK(bench.result("app")->message() == "");
}

TEST_CASE("a container that takes more disk than it asked for is ended, told of then, and begins on an empty one") {
  FakeMachine machine;
  Ledger ledger;
  Sample small = make(kSmall);
  std::string id = container_id({small.id, "app", 0});
  ledger.place(small);
  Bench bench(machine);
  bench.orders(ledger);
  machine.disk_usage.bytes = 2 * kGiB;
  bench.pass(1'900);
  CHECK(machine.containers.size() == 1);
  std::vector<Job> stops;
  for (int i = 0; i < 3 && stops.empty(); ++i) {
    bench.now_ms += 100;
    for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) {
      if (job.kind == JobKind::Stop) stops.push_back(job);
      if (job.kind != JobKind::Stop) bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
    }
  }
  REQUIRE(stops.size() == 1);
  CHECK(stops[0].reason == StopReason::GivenUp);
  CHECK(bench.result("app") == nullptr);  // it still runs: nobody else is given it yet
  bench.reconciler.observed(id, {.state = runtime::ContainerState::Stopped, .exit_code = 143}, bench.now_ms,
                            bench.now_ms);
  bench.reconciler.job_done(stops[0].id, machine.execute(stops[0]), bench.now_ms);
  CHECK(bench.state("app") == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("app")->message() == "disk: used 2GiB of 1GiB");
  // The ledger lets it try again here at once.
  machine.disk_usage.bytes = 0;
  ledger.place(small, 2);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.empty());
  CHECK(machine.disks.contains(id));
  bench.pass(6'000);
  CHECK(std::count(machine.done.begin(), machine.done.end(), JobKind::DropDisk) == 1);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
}

TEST_CASE("a volume that holds more than its size ends who mounts it, and keeps its data") {
  FakeMachine machine;
  Ledger ledger;
  ledger.place(make(kDatabase));
  Bench bench(machine);
  bench.orders(ledger);
  machine.volume_usage.bytes = 60 << 20;
  bench.pass(3'000);
  CHECK(bench.result("data")->message() == "volume: over 90 % of 64MiB is used");
  CHECK(bench.state("db") == pb::REPLICA_RUNNING);
  machine.volume_usage.bytes = 65 << 20;
  bench.pass(40'000);
  CHECK(machine.containers.empty());
  CHECK(machine.volumes.size() == 1);
  CHECK(bench.state("db") == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("db")->message() == "volume data: used 65MiB of 64MiB");
  CHECK(bench.state("data") == pb::REPLICA_RUNNING);
  CHECK(bench.result("data")->message() == "volume: used 65MiB of 64MiB");
  CHECK(std::count(machine.done.begin(), machine.done.end(), JobKind::DropDisk) == 0);
}

TEST_CASE("where the file system bounds a disk itself nothing is ended for it") {
  FakeMachine machine;
  Ledger ledger;
  ledger.place(make(kSmall));
  Bench bench(machine);
  bench.orders(ledger);
  machine.disk_usage = {.bytes = kGiB + 4096, .is_enforced = true};
  bench.pass(60'000);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  CHECK(bench.result("app")->message() == "disk: over 90 % of 1GiB is used");
}

TEST_CASE("an ended container's full disk is no reason to give its successor up") {
  FakeMachine machine;
  Ledger ledger;
  Sample small = make(kSmall);
  ledger.place(small);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  bench.now_ms += 2'000;
  std::vector<Job> jobs = bench.reconciler.take_jobs(bench.now_ms);
  REQUIRE(!jobs.empty());
  REQUIRE(jobs[0].kind == JobKind::Measure);
  machine.end(container_id({small.id, "app", 0}), 1, bench.now_ms);
  bench.reconciler.observed(jobs[0].container, machine.containers.begin()->second.status, bench.now_ms, bench.now_ms);
  bench.reconciler.job_done(jobs[0].id, {.status = {}, .networks = {}, .usage = {.bytes = 2 * kGiB}}, bench.now_ms);
  CHECK(bench.state("app") == pb::REPLICA_RESTARTING);
}

TEST_CASE("a disk is looked at more often the faster it fills, and never for much of the time") {
  DiskWatch watch;
  uint64_t now = 1'000'000;
  watch.set({{kSubject, kGiB}}, now);
  CHECK(watch.next_ms() == now + DiskWatch::kFirstMs);
  CHECK(watch.due(now).empty());
  auto look = [&](uint64_t bytes, uint64_t took_ms) {
    now = watch.next_ms();
    REQUIRE(watch.due(now).size() == 1);
    watch.begun(kSubject, now);
    now += took_ms;
    watch.measured(kSubject, DiskUsage{.bytes = bytes}, now);
    return watch.next_ms() - now;
  };
  CHECK(look(1 << 20, 0) == DiskWatch::kEveryMs);
  CHECK(look(1 << 20, 0) == DiskWatch::kEveryMs);
  CHECK(look(513 << 20, 0) < DiskWatch::kEveryMs / 2 + 1'000);  // half of it in 30 s
  CHECK(look(1000 << 20, 0) == DiskWatch::kOftenMs);
  CHECK(look(1000 << 20, 10'000) == 10'000 * DiskWatch::kCostShare);
  watch.measured(kSubject, make_error(Code::Unavailable, "gone"), now);
  CHECK(watch.next_ms() == now + 10'000 * DiskWatch::kCostShare);
  watch.set({}, now);
  CHECK(watch.next_ms() == UINT64_MAX);
}

TEST_CASE("what is below a folder is counted once, whatever its names, and nothing beside it") {
  testing::TemporaryFolder folder;
  std::string root = folder / "disk";
  REQUIRE(io::make_folders(root + "/a/b").has_value());
  make_file(folder / "beside", 1 << 20);
  make_file(root + "/one", 64 << 10);
  REQUIRE(::link((root + "/one").c_str(), (root + "/a/two").c_str()) == 0);
  REQUIRE(::symlink((folder / "beside").c_str(), (root + "/link").c_str()) == 0);
  REQUIRE(::symlink("..", (root + "/a/b/up").c_str()) == 0);
  make_file(root + "/a/b/three", 128 << 10);
  auto usage = measure_folder(root);
  REQUIRE(usage.has_value());
  CHECK(usage->is_whole);
  CHECK(usage->bytes >= 192 << 10);
  CHECK(usage->bytes < 256 << 10);
  CHECK(measure_folder(folder / "absent").error().code == Code::NotFound);
}

TEST_CASE("no depth hides what a folder holds, and no number of files keeps the walk for ever") {
  testing::TemporaryFolder folder;
  std::string root = folder / "disk";
  REQUIRE(io::make_folders(root).has_value());
  // Deeper than any path may be long.
  int here = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::string name(200, 'd');
  for (int i = 0; i < 100; ++i) {
    REQUIRE(::mkdirat(here, name.c_str(), 0700) == 0);
    int below = ::openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(here);
    here = below;
  }
  int file = ::openat(here, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  Bytes bytes(1 << 20, 'x');
  REQUIRE(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ::close(file);
  ::close(here);
  auto usage = measure_folder(root);
  REQUIRE(usage.has_value());
  CHECK(usage->is_whole);
  CHECK(usage->bytes >= 1 << 20);
  auto some = measure_folder(root, {.entries_max = 50});
  CHECK(!some->is_whole);
  CHECK(some->bytes < 1 << 20);
  auto late = measure_folder(root, {.time_max_ms = 0});
  CHECK(!late->is_whole);
}
