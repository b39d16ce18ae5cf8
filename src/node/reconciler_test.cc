#include "node/reconciler.h"

#include <doctest/doctest.h>

#include "node/fake_machine_test.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

constexpr const char* kPlain = R"(
name: plain
workloads:
  app:
    kind: container
    image: oci:./image
    restart: {when: always, backoff: 500ms, backoff_max: 2s, tries: 3}
)";

std::string id_of(const Sample& sample, const std::string& workload, uint32_t index = 0) {
  return container_id({sample.id, workload, index});
}

}  // namespace

TEST_CASE("a contract becomes containers in its network, and they are reported ready when healthy") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.size() == 2);
  bench.pass(100);
  CHECK(bench.state("web", 0) == pb::REPLICA_HEALTHY);
  CHECK(bench.state("web", 1) == pb::REPLICA_HEALTHY);
  const pb::LocalNetworks& networks = machine.networks.at(web.id);
  REQUIRE(networks.publications_size() == 1);
  CHECK(networks.publications(0).targets_size() == 2);
}

TEST_CASE("no request comes to a replica before it is healthy, nor while it is not") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  machine.probe = make_error(Code::Unavailable, "not yet");
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  CHECK(machine.containers.size() == 2);
  CHECK(machine.networks.at(web.id).publications_size() == 0);
  machine.probe = {};
  bench.pass(3'000);
  REQUIRE(machine.networks.at(web.id).publications_size() == 1);
  CHECK(machine.networks.at(web.id).publications(0).targets_size() == 2);
  machine.probe = make_error(Code::Unavailable, "not any more");
  bench.pass(20'000);
  CHECK(machine.networks.at(web.id).publications_size() == 0);
}

TEST_CASE("a replica is replaced after its publication has ended and its last requests have been answered") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kWeb);
  ledger.place(first);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  std::string changed = kWeb;
  changed.replace(changed.find("oci:./image"), 11, "oci:./newer");
  ledger.place(make(changed, {.version = 2, .previous = &first}), 2);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.size() == 2);
  CHECK(machine.containers.at(id_of(first, "web", 0)).record.version() == 1);
  CHECK(machine.networks.at(first.id).publications_size() == 0);
  REQUIRE(machine.networks.at(first.id).networks_size() == 1);
  CHECK(machine.networks.at(first.id).networks(0).members_size() == 2);
  machine.done.clear();
  bench.pass(299);
  CHECK(std::count(machine.done.begin(), machine.done.end(), JobKind::Stop) == 0);
  bench.pass(300);
  CHECK(machine.containers.at(id_of(first, "web", 0)).record.version() == 2);
  REQUIRE(machine.networks.at(first.id).publications_size() == 1);
  CHECK(machine.networks.at(first.id).publications(0).targets_size() == 2);
}

TEST_CASE("an update whose image is not ready yet changes nothing about who serves") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kWeb);
  ledger.place(first);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  std::string changed = kWeb;
  changed.replace(changed.find("oci:./image"), 11, "oci:./newer");
  machine.failures[JobKind::PrepareImage] = make_error(Code::Unavailable, "no way to it now");
  ledger.place(make(changed, {.version = 2, .previous = &first}), 2);
  bench.orders(ledger);
  bench.pass(2'000);
  REQUIRE(machine.networks.at(first.id).publications_size() == 1);
  CHECK(machine.networks.at(first.id).publications(0).targets_size() == 2);
}

TEST_CASE("a published replica that moves away keeps its address until it has stopped, and no request comes to it") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  ledger.forget(web.id);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.size() == 2);
  CHECK(machine.networks.at(web.id).publications_size() == 0);
  CHECK(machine.networks.at(web.id).networks(0).members_size() == 2);
  bench.pass(400);
  CHECK(machine.containers.empty());
  CHECK(machine.networks.empty());
}

TEST_CASE("a container that must go does not wait for ever for the end of its publication") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  machine.failures[JobKind::ChangeNetworks] = make_error(Code::Internal, "the firewall is stuck");
  ledger.forget(web.id);
  bench.orders(ledger);
  bench.pass(4'900);
  CHECK(machine.containers.size() == 2);
  bench.pass(200);
  CHECK(machine.containers.empty());
}

TEST_CASE("a publication leads to ready replicas while there are any") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  REQUIRE(machine.networks.at(web.id).publications(0).targets_size() == 2);
  machine.end(id_of(web, "web", 0), 1, bench.now_ms);
  bench.pass(10);
  REQUIRE(machine.networks.at(web.id).publications(0).targets_size() == 1);
  bench.pass(5'000);
  CHECK(machine.networks.at(web.id).publications(0).targets_size() == 2);
}

TEST_CASE("an agent that starts again finds everything and touches nothing") {
  FakeMachine machine;
  Ledger ledger;
  Sample web = make(kWeb);
  ledger.place(web);
  {
    Bench bench(machine);
    bench.orders(ledger);
    bench.pass(200);
  }
  machine.done.clear();
  machine.network_changes = 0;
  Bench again(machine);
  again.settle();
  again.orders(ledger);
  again.pass(200);
  CHECK(again.state("web", 0) == pb::REPLICA_HEALTHY);
  CHECK(machine.network_changes == 0);
  // What is told as a whole is told again: it changes nothing where it is so already.
  std::set<JobKind> harmless = {JobKind::Probe, JobKind::ChangeNetworks, JobKind::SetNames, JobKind::SetGateways, JobKind::TendNetworks};
  for (JobKind kind : machine.done) CHECK(harmless.contains(kind));
}

TEST_CASE("a replica that moves away is stopped with its grace, and its volume stays") {
  FakeMachine machine;
  Ledger ledger;
  Sample database = make(kDatabase);
  ledger.place(database);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  REQUIRE(machine.containers.size() == 1);
  CHECK(bench.state("data") == pb::REPLICA_RUNNING);
  ledger.forget(database.id);
  CHECK(bench.reconciler.has_left_what_moved());
  bench.orders(ledger);
  CHECK(!bench.reconciler.has_left_what_moved());
  bench.settle();
  CHECK(bench.reconciler.has_left_what_moved());
  CHECK(machine.containers.empty());
  CHECK(machine.volumes.size() == 1);
  CHECK(machine.graces.at(id_of(database, "db")) == 10'000);
  CHECK(machine.disks.size() == 1);
  bench.pass(6'000);
  CHECK(machine.disks.empty());
}

TEST_CASE("a cancelled contract's volumes are erased only when both records say so, and then it is reported") {
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
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.empty());
  CHECK(machine.volumes.size() == 1);
  CHECK(bench.result("") == nullptr);
  pb::Contract& record = ledger.view.contracts[database.id].record;
  record.set_erase_volumes(true);
  record.mutable_current()->set_state(pb::CONTRACT_CANCELLED);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.volumes.empty());
  CHECK(bench.result("") == nullptr);  // the container's own disk is still there
  bench.pass(6'000);
  CHECK(machine.disks.empty());
  REQUIRE(bench.result("") != nullptr);
  CHECK(bench.result("")->state() == pb::REPLICA_STOPPED);
}

TEST_CASE("a container that ends is started again after its back-off and given up after its tries") {
  FakeMachine machine;
  Ledger ledger;
  Sample plain = make(kPlain);
  ledger.place(plain);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  for (int crash = 1; crash <= 2; ++crash) {
    machine.end(id_of(plain, "app"), 7, bench.now_ms);
    bench.pass(1);
    CHECK(bench.state("app") == pb::REPLICA_RESTARTING);
    CHECK(bench.result("app")->message() == "exited with code 7");
    bench.pass(2'000);
    CHECK(bench.state("app") == pb::REPLICA_RUNNING);
    CHECK(bench.result("app")->restarts() == static_cast<uint32_t>(crash));
  }
  machine.end(id_of(plain, "app"), 7, bench.now_ms);
  bench.pass(5'000);
  CHECK(bench.state("app") == pb::REPLICA_CANNOT_RUN);
  // Another epoch is another try.
  ledger.place(plain, 2);
  bench.orders(ledger);
  bench.pass(100);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
}

TEST_CASE("an image that is not there is given up at once, a failing start after some tries") {
  FakeMachine machine;
  Ledger ledger;
  Sample plain = make(kPlain);
  ledger.place(plain);
  Bench bench(machine);
  machine.failures[JobKind::PrepareImage] = make_error(Code::NotFound, "oci:./image is not there");
  bench.orders(ledger);
  bench.settle();
  CHECK(bench.state("app") == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("app")->message() == "image: oci:./image is not there");

  machine.failures.clear();
  machine.failures[JobKind::Start] = make_error(Code::Unavailable, "crun is not in the mood");
  ledger.place(plain, 2);
  bench.orders(ledger);
  bench.pass(1'000);
  CHECK(bench.state("app") == pb::REPLICA_PREPARING);
  CHECK(bench.result("app")->message() == "start: crun is not in the mood");
  bench.pass(30'000);
  CHECK(bench.state("app") == pb::REPLICA_CANNOT_RUN);
}

TEST_CASE("an update whose image cannot be prepared leaves the old version serving") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kPlain);
  ledger.place(first);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  std::string changed = kPlain;
  changed.replace(changed.find("oci:./image"), 11, "oci:./newer");
  Sample second = make(changed, {.version = 2, .previous = &first});
  REQUIRE(second.id == first.id);
  machine.failures[JobKind::PrepareImage] = make_error(Code::NotFound, "no such image");
  ledger.place(second, 2);
  bench.orders(ledger);
  bench.pass(1'000);
  CHECK(bench.state("app") == pb::REPLICA_CANNOT_RUN);
  REQUIRE(machine.containers.size() == 1);
  CHECK(machine.containers.begin()->second.record.version() == 1);
  machine.failures.clear();
  ledger.place(second, 3);
  bench.orders(ledger);
  bench.pass(1'000);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  CHECK(machine.containers.begin()->second.record.version() == 2);
}

TEST_CASE("a changed health check is taken over without a restart") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kWeb);
  ledger.place(first);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  machine.done.clear();
  std::string changed = kWeb;
  changed.replace(changed.find("interval: 2s"), 12, "interval: 9s");
  ledger.place(make(changed, {.version = 2, .previous = &first}), 2);
  bench.orders(ledger);
  bench.pass(500);
  CHECK(std::count(machine.done.begin(), machine.done.end(), JobKind::Start) == 0);
  CHECK(std::count(machine.done.begin(), machine.done.end(), JobKind::Adopt) == 2);
  CHECK(bench.state("web", 0) == pb::REPLICA_HEALTHY);
  CHECK(bench.result("web", 0)->version() == 2);
}

TEST_CASE("isolation stops what asked for it in time and starts it again when contact is back") {
  FakeMachine machine;
  Ledger ledger;
  std::string text = kPlain;
  text += "    on_isolation: stop\n    stop_grace: 30s\n";
  Sample plain = make(text);
  ledger.place(plain);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  REQUIRE(machine.containers.size() == 1);
  bench.pass(2'990, false);
  CHECK(machine.containers.size() == 1);
  bench.pass(20, false);
  CHECK(machine.containers.empty());
  CHECK(machine.graces.at(id_of(plain, "app")) == 500);
  bench.pass(60'000, false);
  CHECK(machine.containers.empty());
  bench.pass(10);
  CHECK(machine.containers.size() == 1);
}

TEST_CASE("without contact a crashed container is started again and nothing new is") {
  FakeMachine machine;
  Ledger ledger;
  Sample plain = make(kPlain);
  ledger.place(plain);
  Bench bench(machine);
  bench.orders(ledger);
  bench.settle();
  Sample web = make(kWeb, {.nonce = 2});
  ledger.place(web);
  bench.now_ms += 3'600'000;
  bench.reconciler.set_orders(ledger.orders(), bench.now_ms);
  machine.end(id_of(plain, "app"), 1, bench.now_ms);
  bench.pass(2'000, false);
  CHECK(machine.containers.size() == 1);
  CHECK(bench.state("app") == pb::REPLICA_RUNNING);
  bench.pass(500);
  CHECK(machine.containers.size() == 3);
}

TEST_CASE("a fenced node starts nothing, stops what moved and what asked for it, and goes on when it is back") {
  FakeMachine machine;
  Ledger ledger;
  std::string text = kPlain;
  text += "    on_isolation: stop\n";
  Sample isolated = make(text);
  Sample web = make(kWeb, {.nonce = 2});
  ledger.place(isolated);
  ledger.place(web);
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  REQUIRE(machine.containers.size() == 3);
  ledger.view.node.set_state(pb::NODE_FENCED);
  ledger.move_away(web.id, "web", 1);
  Sample late = make(kPlain, {.nonce = 3});
  ledger.place(late);
  bench.orders(ledger);
  bench.pass(1'000);
  REQUIRE(machine.containers.size() == 1);
  CHECK(machine.containers.contains(id_of(web, "web", 0)));
  CHECK(bench.reconciler.has_left_what_moved());
  ledger.view.node.set_state(pb::NODE_ONLINE);
  bench.orders(ledger);
  bench.pass(1'000);
  CHECK(machine.containers.size() == 3);
  CHECK(bench.state("app", 0, isolated.id) == pb::REPLICA_RUNNING);
  CHECK(bench.state("app", 0, late.id) == pb::REPLICA_RUNNING);
}

TEST_CASE("what a killed agent left half made is started without counting as a crash") {
  FakeMachine machine;
  Ledger ledger;
  Sample plain = make(kPlain);
  ledger.place(plain);
  {
    Bench bench(machine);
    bench.orders(ledger);
    bench.settle();
  }
  machine.containers.begin()->second.status.state = runtime::ContainerState::Created;
  Bench again(machine);
  again.orders(ledger);
  again.settle();
  CHECK(again.state("app") == pb::REPLICA_RUNNING);
  CHECK(again.result("app")->restarts() == 0);
}

TEST_CASE("a job that hangs delays no other workload, and its replica is given up at the deadline") {
  FakeMachine machine;
  Ledger ledger;
  Sample stuck = make(kPlain);
  Sample web = make(kWeb, {.nonce = 2});
  ledger.place(stuck);
  Bench bench(machine);
  bench.orders(ledger);
  std::vector<Job> hanging = bench.reconciler.take_jobs(bench.now_ms);
  REQUIRE(hanging.size() >= 2);  // its network and its image, names
  for (const Job& job : hanging) {
    if (job.kind != JobKind::PrepareImage) bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
  }
  ledger.place(web);
  bench.orders(ledger);
  bench.pass(200);
  CHECK(bench.state("web", 0, web.id) == pb::REPLICA_HEALTHY);
  CHECK(bench.state("app", 0, stuck.id) == pb::REPLICA_PREPARING);
  bench.pass(15 * 60'000);
  CHECK(bench.state("app", 0, stuck.id) == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("app", 0, stuck.id)->message() == "image: preparing it hangs");
  // Its lane is still taken: no second job begins beside the first.
  ledger.place(stuck, 2);
  bench.orders(ledger);
  for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) CHECK(job.kind != JobKind::PrepareImage);
}

TEST_CASE("one contract with much to do leaves room for another") {
  FakeMachine machine;
  Ledger ledger;
  std::string many = kPlain;
  many += "    replicas: 40\n";
  Sample crowd = make(many);
  Sample web = make(kWeb, {.nonce = 2});
  ledger.place(crowd);
  Bench bench(machine);
  bench.orders(ledger);
  int images = 0;
  for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) images += job.kind == JobKind::PrepareImage;
  CHECK(images == 1);
  ledger.place(web);
  bench.orders(ledger);
  bool has_web = false;
  for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) {
    has_web = has_web || (job.kind == JobKind::PrepareImage && job.replica.contract == web.id);
  }
  CHECK(has_web);
}

TEST_CASE("a start in flight counts as a holder of its volume") {
  FakeMachine machine;
  Ledger ledger;
  Sample first = make(kDatabase);
  ledger.place(first);
  Bench bench(machine);
  bench.orders(ledger);
  std::optional<Job> start;
  for (int round = 0; round < 10 && !start; ++round) {
    for (const Job& job : bench.reconciler.take_jobs(bench.now_ms)) {
      if (job.kind == JobKind::Start) {
        start = job;
      } else {
        bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
      }
    }
  }
  REQUIRE(start);
  std::string renamed = kDatabase;
  renamed.replace(renamed.find("  db:"), 5, "  pg:");
  ledger.place(make(renamed, {.version = 2, .previous = &first}), 2);
  bench.orders(ledger);
  bench.settle();
  CHECK(machine.containers.empty());
  bench.reconciler.job_done(start->id, machine.execute(*start), bench.now_ms);
  bench.settle();
  REQUIRE(machine.containers.size() == 1);
  CHECK(machine.containers.begin()->second.record.workload() == "pg");
}

TEST_CASE("a contract that is not what its signers approved is given up here, others go on") {
  FakeMachine machine;
  Ledger ledger;
  Sample plain = make(kPlain);
  Sample web = make(kWeb, {.nonce = 2});
  ledger.place(plain);
  ledger.place(web);
  ledger.view.refused.emplace(plain.id, make_error(Code::Denied, "approvals weigh 1 of 2"));
  Bench bench(machine);
  bench.orders(ledger);
  bench.pass(200);
  CHECK(bench.state("app", 0, plain.id) == pb::REPLICA_CANNOT_RUN);
  CHECK(bench.result("app", 0, plain.id)->message() == "approvals weigh 1 of 2");
  CHECK(bench.state("web", 0, web.id) == pb::REPLICA_HEALTHY);
  CHECK(machine.containers.size() == 2);
}

TEST_CASE("killed after any number of jobs, the next agent converges without touching what runs well") {
  Sample database = make(kDatabase);
  Sample web = make(kWeb, {.nonce = 2});
  for (size_t survives = 0; survives < 16; ++survives) {
    CAPTURE(survives);
    FakeMachine machine;
    Ledger ledger;
    ledger.place(database);
    ledger.place(web);
    {
      Bench bench(machine);
      bench.orders(ledger);
      for (size_t done = 0; done < survives;) {
        std::vector<Job> jobs = bench.reconciler.take_jobs(bench.now_ms);
        if (jobs.empty()) break;
        for (const Job& job : jobs) {
          if (done++ < survives) bench.reconciler.job_done(job.id, machine.execute(job), bench.now_ms);
        }
      }
    }
    std::map<std::string, uint64_t> started;
    for (const auto& [id, process] : machine.containers) started[id] = process.status.started_ms;
    Bench again(machine);
    again.orders(ledger);
    again.pass(500);
    CHECK(machine.containers.size() == 3);
    CHECK(again.state("db", 0, database.id) == pb::REPLICA_RUNNING);
    CHECK(again.state("web", 1, web.id) == pb::REPLICA_HEALTHY);
    for (const auto& [id, at] : started) CHECK(machine.containers.at(id).status.started_ms == at);
  }
}
