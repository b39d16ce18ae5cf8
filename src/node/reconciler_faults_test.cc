// What goes wrong on the machine, at moments that are rare there.
#include <doctest/doctest.h>

#include "node/fake_machine_test.h"
#include "node/followed_containers.h"
#include "node/rejoin_pace.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kOnce = R"(
name: once
workloads:
  app:
    kind: container
    image: oci:./image
    restart: {when: never}
    on_isolation: stop
)";

long times(const FakeMachine& machine, JobKind kind) {
  return std::count(machine.done.begin(), machine.done.end(), kind);
}

// Does all jobs but those of one kind, which it returns.
std::vector<Job> withhold(Bench& bench, FakeMachine& machine, JobKind kind) {
  std::vector<Job> withheld;
  for (int round = 0; round < 20; ++round) {
    for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) {
      if (job.kind == kind) {
        withheld.push_back(job);
      } else {
        bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
      }
    }
  }
  return withheld;
}

runtime::ContainerStatus stopped(int exit_code) {
  return {.state = runtime::ContainerState::Stopped, .exit_code = exit_code};
}

}  // namespace

TEST_CASE("an erasure that fails is tried again after a pause") {
  FakeMachine machine;
  Ledger ledger;
  Sample database = make(kDatabase);
  ledger.place(database);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  pb::AssignedContract& assigned = *ledger.assigned(database.id);
  assigned.clear_replicas();
  assigned.set_erase_volumes(true);
  pb::Contract& record = ledger.view.contracts[database.id].record;
  record.set_erase_volumes(true);
  record.mutable_current()->set_state(pb::CONTRACT_CANCELLED);
  machine.failures[JobKind::EraseVolume] = make_error(Code::Unavailable, "something is mounted below it");
  bench.orders(ledger);
  bench.settle();
  CHECK(times(machine, JobKind::EraseVolume) == 1);
  bench.pass(10'000);
  CHECK(times(machine, JobKind::EraseVolume) >= 3);
  CHECK(times(machine, JobKind::EraseVolume) <= 6);
  machine.failures.clear();
  bench.pass(30'000);
  CHECK(machine.volumes.empty());
}

TEST_CASE("an epoch that cannot be noted is tried again after a pause") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  machine.failures[JobKind::Adopt] = make_error(Code::Exhausted, "no space left on device");
  ledger.place(web, 2);
  bench.orders(ledger);
  bench.settle();
  CHECK(times(machine, JobKind::Adopt) == 2);  // once for each replica
  bench.pass(3'500);
  CHECK(times(machine, JobKind::Adopt) == 8);
  machine.failures.clear();
  bench.pass(2'000);
  CHECK(machine.containers.at(container_id({web.id, "web", 0})).record.epoch() == 2);
}

TEST_CASE("a program that was stopped by us has not ended by itself, whenever its end is seen") {
  FakeMachine machine;
  Ledger ledger;
  Sample once = make(kOnce);
  ledger.place(once);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  REQUIRE(bench.state("app") == pb::REPLICA_RUNNING);
  bench.now_ms += 4'000;  // without contact
  std::vector<Job> stops = withhold(bench, machine, JobKind::Stop);
  REQUIRE(stops.size() == 1);
  bench.reconciler.observed(stops[0].container, stopped(143), bench.now_ms, bench.now_ms);
  bench.reconciler.job_done(stops[0].id, machine.execute(stops[0]), bench.now_ms);
  CHECK(bench.state("app") == pb::REPLICA_PREPARING);
  bench.orders(ledger);
  bench.settle();
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  CHECK(machine.containers.size() == 1);
}

TEST_CASE("a look from before a start says nothing about the process after it") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  uint64_t before = bench.now_ms - 1;
  bench.reconciler.observed(container_id({web.id, "web", 0}), stopped(1), before, bench.now_ms);
  CHECK(bench.reconciler.running().size() == 2);
  bench.reconciler.observed(container_id({web.id, "web", 0}), stopped(1), bench.now_ms, bench.now_ms);
  CHECK(bench.reconciler.running().size() == 1);
}

TEST_CASE("a node has not left what moved while that may still be starting") {
  FakeMachine machine;
  Ledger ledger;
  Sample database = make(kDatabase);
  ledger.place(database);
  Bench bench(machine);
  bench.orders(ledger);
  std::vector<Job> starts = withhold(bench, machine, JobKind::Start);
  REQUIRE(starts.size() == 1);
  ledger.forget(database.id);
  bench.orders(ledger);
  bench.settle();
  CHECK(!bench.reconciler.has_left_what_moved());
  bench.reconciler.job_done(starts[0].id, machine.execute(starts[0]), bench.now_ms);
  CHECK(!bench.reconciler.has_left_what_moved());
  bench.settle();
  CHECK(bench.reconciler.has_left_what_moved());
  CHECK(machine.containers.empty());
}

TEST_CASE("a volume whose making hangs is given up, and is there when it was only slow") {
  FakeMachine machine;
  Ledger ledger;
  Sample database = make(kDatabase);
  ledger.place(database);
  Bench bench(machine);
  bench.orders(ledger);
  std::vector<Job> volumes = withhold(bench, machine, JobKind::EnsureVolume);
  REQUIRE(volumes.size() == 1);
  bench.now_ms += 60'000;
  CHECK(withhold(bench, machine, JobKind::EnsureVolume).empty());
  CHECK(bench.state("data") == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("data")->message() == "volume: making it hangs");
  bench.reconciler.job_done(volumes[0].id, machine.execute(volumes[0]), bench.now_ms);
  CHECK(bench.state("data") == pb::REPLICA_RUNNING);
}

TEST_CASE("networks that hang are told of every replica that waits for one") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  Sample later = make(kDatabase, {.nonce = 2});
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  REQUIRE(withhold(bench, machine, JobKind::ChangeNetworks).size() == 1);
  bench.now_ms += 60'000;
  ledger.place(later);
  bench.orders(ledger);
  CHECK(withhold(bench, machine, JobKind::ChangeNetworks).empty());
  CHECK(bench.state("web", 0, web.id) == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.state("db", 0, later.id) == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("web", 0, web.id)->message() == "network: changing the networks of this node hangs");
}

TEST_CASE("a network that could never be made is removed with its contract, for something of it may be there") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  machine.failures[JobKind::ChangeNetworks] = make_error(Code::Unavailable, "no link");
  bench.settle();
  ledger.forget(web.id);
  bench.orders(ledger);
  machine.failures.clear();
  std::set<ContractId> removed;
  bench.now_ms += 60'000;
  bench.orders(ledger);
  for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) {
    removed.insert(job.networks.remove.begin(), job.networks.remove.end());
    bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
  }
  CHECK(removed.contains(web.id));
  bench.now_ms += 60'000;
  bench.orders(ledger);
  for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) CHECK(job.networks.remove.empty());
}

TEST_CASE("an image is in use as long as something is ordered, starts or runs of it") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kWeb);
  ledger.place(first);
  Bench bench(machine);
  CHECK(!bench.reconciler.used_images());
  bench.orders(ledger);
  REQUIRE(bench.reconciler.used_images()->size() == 1);
  std::string digest = *bench.reconciler.used_images()->begin();
  CHECK(digest.starts_with("sha256:"));
  std::vector<Job> starts = withhold(bench, machine, JobKind::Start);
  REQUIRE(starts.size() == 2);
  ledger.forget(first.id);
  bench.orders(ledger);
  CHECK(bench.reconciler.used_images()->contains(digest));
  bench.reconciler.job_done(starts[0].id, machine.execute(starts[0]), bench.now_ms);
  bench.reconciler.job_done(starts[1].id, machine.execute(starts[1]), bench.now_ms);
  CHECK(bench.reconciler.used_images()->contains(digest));
  bench.settle();
  CHECK(bench.reconciler.used_images()->empty());
}

TEST_CASE("while an image is being removed nothing of it is prepared or started") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  std::set<std::string> used = *bench.reconciler.used_images();
  REQUIRE(used.size() == 1);
  bench.reconciler.hold_image(*used.begin());
  bench.pass(1'000);
  CHECK(times(machine, JobKind::PrepareImage) == 0);
  bench.reconciler.hold_image("");
  bench.pass(1'000);
  CHECK(machine.containers.size() == 2);
}

TEST_CASE("the last lines of a container that has left are read until its disk goes") {
  FakeMachine machine;
  Ledger ledger;
  Sample database = make(kDatabase);
  ledger.place(database);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  FollowedContainers followed;
  REQUIRE(followed.now(bench.reconciler).size() == 1);
  CHECK(followed.now(bench.reconciler)[0].is_running);
  ledger.forget(database.id);
  bench.orders(ledger);
  bench.pass(1'000);
  REQUIRE(machine.containers.empty());
  REQUIRE(followed.now(bench.reconciler).size() == 1);
  CHECK(!followed.now(bench.reconciler)[0].is_running);
  CHECK(followed.now(bench.reconciler)[0].owner == kOwner.public_key());
  bench.pass(6'000);
  CHECK(followed.now(bench.reconciler).empty());
}

TEST_CASE("who is fenced again right after a rejoin waits longer, a silent ledger costs seconds only") {
  RejoinPace pace;
  uint64_t now = 1'000'000;
  for (uint64_t pause : {1'000, 2'000, 4'000, 5'000, 5'000}) {
    pace.failed(now);
    CHECK(pace.next_ms() == now + pause);
    now = pace.next_ms();
  }
  for (uint64_t pause : {1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000}) {
    pace.taken(now);
    CHECK(pace.next_ms() == now + pause);
    now = pace.next_ms();
  }
  pace.taken(now + 120'000);
  CHECK(pace.next_ms() == now + 121'000);
}
