#include "node/plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <random>

using namespace mcloud;
using namespace mcloud::node;

namespace {

Hash hash_of(int number) {
  Hash hash;
  hash.data()[0] = static_cast<uint8_t>(number);
  return hash;
}
ContractId contract_of(int number) {
  ContractId id;
  id.data()[0] = static_cast<uint8_t>(number);
  return id;
}
ReplicaKey replica_of(int contract, const std::string& workload = "web", uint32_t index = 0) {
  return {contract_of(contract), workload, index};
}
ActualContainer running(const ReplicaKey& replica, uint64_t epoch, int spec, std::string id = "c1") {
  return {.id = std::move(id), .replica = replica, .epoch = epoch, .version = 1, .spec = hash_of(spec), .running = true};
}
Desired one_container(const ReplicaKey& replica, uint64_t epoch, int spec) {
  Desired desired;
  desired.known = true;
  desired.containers[replica] = {.epoch = epoch, .version = 1, .spec = hash_of(spec)};
  return desired;
}
std::vector<StepKind> kinds(const std::vector<Step>& steps) {
  std::vector<StepKind> result;
  for (const Step& step : steps) result.push_back(step.kind);
  return result;
}

// A node as a value: what the steps do to it, and what must never happen.
struct Model {
  Actual actual;
  int next_id = 100;

  void apply(const Step& step, const Desired& desired) {
    switch (step.kind) {
      case StepKind::AdoptEpoch: return adopt(step);
      case StepKind::StopContainer: return stop(step);
      case StepKind::RemoveNetwork:
        REQUIRE(actual.networks.erase(step.replica.contract) == 1);
        return;
      case StepKind::EraseVolume: return erase(step, desired);
      case StepKind::EnsureVolume: actual.volumes[step.replica] = step.size_bytes; return;
      case StepKind::SetNetwork: actual.networks[step.replica.contract] = step.spec; return;
      case StepKind::PrepareImage: actual.prepared[step.replica] = step.spec; return;
      case StepKind::StartContainer: return start(step, desired);
    }
  }

  void adopt(const Step& step) {
    for (ActualContainer& container : actual.containers) {
      if (container.id != step.container) continue;
      REQUIRE(container.spec == step.spec);
      container.epoch = step.epoch;
      container.version = step.version;
    }
  }
  void stop(const Step& step) {
    size_t gone = std::erase_if(actual.containers, [&](const auto& container) { return container.id == step.container; });
    REQUIRE(gone == 1);
  }
  void erase(const Step& step, const Desired& desired) {
    REQUIRE(desired.erase.contains(step.replica.contract));
    for (const auto& container : actual.containers) {
      REQUIRE(std::find(container.volumes.begin(), container.volumes.end(), step.replica) == container.volumes.end());
    }
    REQUIRE(actual.volumes.erase(step.replica) == 1);
  }
  void start(const Step& step, const Desired& desired) {
    const DesiredContainer& want = desired.containers.at(step.replica);
    for (const ReplicaKey& volume : want.volumes) REQUIRE(actual.volumes.contains(volume));
    REQUIRE(!actual.held.contains(step.replica));
    for (ActualContainer& container : actual.containers) {
      if (container.id == step.container) {
        REQUIRE(!container.running);
        REQUIRE(container.spec == want.spec);
        container.running = true;
        check_holders(container);
        return;
      }
      REQUIRE(container.replica != step.replica);  // never two holders of a replica
    }
    REQUIRE(step.container.empty());
    REQUIRE(actual.prepared.at(step.replica) == want.spec);
    actual.containers.push_back({.id = "c" + std::to_string(next_id++), .replica = step.replica, .epoch = step.epoch,
                                 .version = step.version, .spec = step.spec,
                                 .stop_on_isolation = want.stop_on_isolation, .running = true, .volumes = want.volumes});
    check_holders(actual.containers.back());
  }
  // What was just started shares no volume with any other.
  void check_holders(const ActualContainer& newest) {
    for (const ActualContainer& other : actual.containers) {
      if (&other == &newest) continue;
      for (const ReplicaKey& volume : newest.volumes) {
        REQUIRE(std::find(other.volumes.begin(), other.volumes.end(), volume) == other.volumes.end());
      }
    }
  }
};

struct World {
  Desired desired;
  Model model;
};

// Small numbers of everything, so that collisions of all sorts are common.
World random_world(std::mt19937& random) {
  auto below = [&](int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); };
  World world;
  world.desired.known = true;
  Actual& actual = world.model.actual;
  for (int contract = 1; contract <= 3; ++contract) {
    bool is_ended = below(5) == 0;
    if (is_ended && below(2) == 0) world.desired.erase.insert(contract_of(contract));
    if (!is_ended && below(3) > 0) world.desired.networks[contract_of(contract)] = hash_of(below(3));
    if (below(2) == 0) actual.networks[contract_of(contract)] = hash_of(below(3));
    for (uint32_t index = 0; index < 2; ++index) {
      ReplicaKey volume = replica_of(contract, "data", index);
      // A spec says which volumes it mounts: here "web" mounts one with specs 1 and 2, "worker" with 3.
      auto volumes_of = [&](const std::string& name, int spec) {
        bool mounts = name == "web" ? spec <= 1 : spec == 2;
        return mounts ? std::vector{volume} : std::vector<ReplicaKey>{};
      };
      if (!is_ended && below(4) > 0) world.desired.volumes[volume] = {.size_bytes = static_cast<uint64_t>(1 + below(2))};
      if (below(2) == 0) actual.volumes[volume] = static_cast<uint64_t>(1 + below(2));
      for (const char* name : {"web", "worker"}) {
        ReplicaKey replica = replica_of(contract, name, index);
        int fate = is_ended ? 0 : below(6);
        if (fate == 1) world.desired.unverified.insert(replica);
        if (fate >= 2) {
          int spec = below(3);
          DesiredContainer want{.epoch = static_cast<uint64_t>(5 + below(2)), .version = static_cast<uint64_t>(1 + below(2)),
                                .spec = hash_of(spec), .volumes = volumes_of(name, spec), .stop_on_isolation = below(3) == 0};
          world.desired.containers[replica] = want;
          if (below(8) == 0) actual.held.insert(replica);
        }
        for (int copy = below(3); copy > 0; --copy) {
          int spec = below(3);
          actual.containers.push_back({.id = "c" + std::to_string(world.model.next_id++), .replica = replica,
                                       .epoch = static_cast<uint64_t>(3 + below(3)), .version = 1, .spec = hash_of(spec),
                                       .stop_on_isolation = below(3) == 0, .running = below(3) > 0,
                                       .volumes = volumes_of(name, spec)});
        }
        if (below(3) == 0) actual.prepared[replica] = hash_of(below(3));
      }
    }
  }
  return world;
}

void check_shape(const std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    for (size_t before : steps[i].after) REQUIRE(before < i);
    if (i > 0) REQUIRE(static_cast<int>(steps[i - 1].kind) >= 0);
  }
  // Every stop stands before every start.
  bool started = false;
  for (const Step& step : steps) {
    if (step.kind == StepKind::StartContainer) started = true;
    if (step.kind == StepKind::StopContainer) REQUIRE(!started);
  }
}

// After all steps: each wanted container runs as wanted, unless something that is not ours to do keeps it.
void check_converged(const World& world) {
  const Actual& actual = world.model.actual;
  for (const auto& [replica, want] : world.desired.containers) {
    if (actual.held.contains(replica)) continue;
    bool blocked = false;
    for (const ReplicaKey& volume : want.volumes) {
      if (!actual.volumes.contains(volume)) blocked = true;
      for (const auto& other : actual.containers) {
        if (other.replica == replica) continue;
        bool holds = std::find(other.volumes.begin(), other.volumes.end(), volume) != other.volumes.end();
        if (holds && (world.desired.unverified.contains(other.replica) || actual.held.contains(other.replica))) blocked = true;
        if (holds && world.desired.containers.contains(other.replica)) blocked = true;  // a contract that shares it for ever
      }
    }
    if (blocked) continue;
    int count = 0;
    for (const auto& container : actual.containers) {
      if (container.replica != replica) continue;
      ++count;
      CHECK(container.running);
      CHECK(container.spec == want.spec);
      CHECK(container.epoch == want.epoch);
      CHECK(container.version == want.version);
    }
    CHECK(count == 1);
  }
  for (const auto& container : actual.containers) {
    bool may_stay = world.desired.containers.contains(container.replica) || world.desired.unverified.contains(container.replica);
    CHECK(may_stay);
  }
  for (const auto& [volume, want] : world.desired.volumes) CHECK(actual.volumes.at(volume) == want.size_bytes);
  for (const auto& [contract, spec] : world.desired.networks) CHECK(actual.networks.at(contract) == spec);
}

}  // namespace

TEST_CASE("nothing is planned when all is as wanted") {
  Desired desired = one_container(replica_of(1), 4, 1);
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  CHECK(plan(desired, actual, Contact::Fresh).empty());
}

TEST_CASE("a new replica gets its volume, network and image before it starts") {
  Desired desired = one_container(replica_of(1), 1, 1);
  desired.volumes[replica_of(1, "data")] = {.size_bytes = 10};
  desired.containers[replica_of(1)].volumes = {replica_of(1, "data")};
  desired.networks[contract_of(1)] = hash_of(9);
  std::vector<Step> steps = plan(desired, {}, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::PrepareImage, StepKind::EnsureVolume, StepKind::SetNetwork,
                                      StepKind::StartContainer});
  CHECK(steps[3].after == std::vector<size_t>{0, 1, 2});
}

TEST_CASE("a higher epoch of the same thing is adopted without touching the process") {
  Desired desired = one_container(replica_of(1), 5, 1);
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::AdoptEpoch});
  CHECK(steps[0].epoch == 5);
}

TEST_CASE("a changed spec prepares first, then stops the old, then starts the new") {
  Desired desired = one_container(replica_of(1), 5, 2);
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::PrepareImage, StepKind::StopContainer, StepKind::StartContainer});
  CHECK(steps[1].after == std::vector<size_t>{0});
  CHECK(steps[1].reason == StopReason::Replaced);
  CHECK(steps[2].after == std::vector<size_t>{0, 1});
}

TEST_CASE("an old container serves on while the new one is given up") {
  Desired desired = one_container(replica_of(1), 5, 2);
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  actual.held.insert(replica_of(1));
  CHECK(plan(desired, actual, Contact::Fresh).empty());
}

TEST_CASE("of two containers of one replica the fitting, running one stays") {
  Desired desired = one_container(replica_of(1), 5, 1);
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1, "old"));
  actual.containers.push_back(running(replica_of(1), 5, 1, "new"));
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::StopContainer});
  CHECK(steps[0].container == "old");
  CHECK(steps[0].reason == StopReason::Duplicate);
}

TEST_CASE("a replica that moved away is stopped and its volume stays") {
  Desired desired;
  desired.known = true;
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  actual.volumes[replica_of(1, "data")] = 10;
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::StopContainer});
  CHECK(steps[0].reason == StopReason::NotAssigned);
}

TEST_CASE("a volume goes only with the contract's erase flag and after its container") {
  Desired desired;
  desired.known = true;
  desired.erase.insert(contract_of(1));
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  actual.volumes[replica_of(1, "data")] = 10;
  actual.volumes[replica_of(2, "data")] = 10;
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::StopContainer, StepKind::EraseVolume});
  CHECK(steps[1].replica == replica_of(1, "data"));
  CHECK(steps[1].after == std::vector<size_t>{0});
}

TEST_CASE("a contract that could not be verified is left alone, its network too") {
  Desired desired;
  desired.known = true;
  desired.unverified.insert(replica_of(1));
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1));
  actual.networks[contract_of(1)] = hash_of(1);
  actual.networks[contract_of(2)] = hash_of(1);
  std::vector<Step> steps = plan(desired, actual, Contact::Fresh);
  REQUIRE(kinds(steps) == std::vector{StepKind::RemoveNetwork});
  CHECK(steps[0].replica.contract == contract_of(2));
}

TEST_CASE("with lost contact nothing new starts but what crashed under its epoch may start again") {
  Desired desired = one_container(replica_of(1), 4, 1);
  desired.containers[replica_of(2)] = {.epoch = 1, .version = 1, .spec = hash_of(1)};
  desired.containers[replica_of(3)] = {.epoch = 2, .version = 1, .spec = hash_of(1)};
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1, "ended"));
  actual.containers.back().running = false;
  actual.containers.push_back(running(replica_of(3), 1, 1, "older"));
  actual.containers.back().running = false;
  std::vector<Step> steps = plan(desired, actual, Contact::Lost);
  REQUIRE(kinds(steps) == std::vector{StepKind::StartContainer});
  CHECK(steps[0].container == "ended");
}

TEST_CASE("isolation stops what asked for it, even before any assignment is known") {
  Actual actual;
  actual.containers.push_back(running(replica_of(1), 4, 1, "stops"));
  actual.containers.back().stop_on_isolation = true;
  actual.containers.push_back(running(replica_of(2), 4, 1, "stays"));
  std::vector<Step> steps = plan({}, actual, Contact::Lost);
  REQUIRE(kinds(steps) == std::vector{StepKind::StopContainer});
  CHECK(steps[0].container == "stops");
  CHECK(steps[0].reason == StopReason::Isolated);
  CHECK(plan({}, actual, Contact::Fresh).empty());
}

TEST_CASE("a stop for isolation is over before anybody else is given the replica") {
  for (uint64_t fence_after : {500u, 1000u, 5000u, 60000u}) {
    uint64_t cut = 1'000'000;
    uint64_t stopped = cut + isolation_limit_ms(fence_after) + isolation_grace_ms(fence_after);
    uint64_t moved_earliest = cut - fence_after / 5 + fence_after;
    CHECK(stopped < moved_earliest);
    CHECK(contact_at(cut + isolation_limit_ms(fence_after), cut, fence_after) == Contact::Lost);
    CHECK(contact_at(cut + isolation_limit_ms(fence_after) - 1, cut, fence_after) == Contact::Fresh);
  }
  CHECK(contact_at(100, 0, 5000) == Contact::Lost);
  CHECK(contact_at(100, 200, 5000) == Contact::Lost);  // a contact from the future is a file from another boot
}

TEST_CASE("any desired from any actual converges, and never two hold one replica or volume") {
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    World world = random_world(random);
    for (int round = 0; round < 4; ++round) {
      std::vector<Step> steps = plan(world.desired, world.model.actual, Contact::Fresh);
      check_shape(steps);
      for (const Step& step : steps) world.model.apply(step, world.desired);
    }
    CHECK(plan(world.desired, world.model.actual, Contact::Fresh).empty());
    check_converged(world);
  }
}

TEST_CASE("stopping after any step and planning again converges to the same") {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    World world = random_world(random);
    int rounds = 0;
    while (true) {
      Contact contact = random() % 4 == 0 ? Contact::Lost : Contact::Fresh;
      std::vector<Step> steps = plan(world.desired, world.model.actual, contact);
      if (steps.empty() && contact == Contact::Fresh) break;
      REQUIRE(++rounds < 500);
      // Any step without a predecessor may be the next one, whatever its place in the list.
      std::vector<const Step*> ready;
      for (const Step& step : steps) {
        if (step.after.empty()) ready.push_back(&step);
      }
      if (ready.empty()) REQUIRE(steps.empty());
      if (!ready.empty()) world.model.apply(*ready[random() % ready.size()], world.desired);
      if (random() % 8 == 0) world.model.actual.prepared.clear();  // the agent was killed: it forgets
    }
    check_converged(world);
  }
}

TEST_CASE("with lost contact the plan is only stops, cleaning and second starts") {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    World world = random_world(random);
    for (const Step& step : plan(world.desired, world.model.actual, Contact::Lost)) {
      CHECK(step.kind != StepKind::PrepareImage);
      CHECK(step.kind != StepKind::EnsureVolume);
      CHECK(step.kind != StepKind::SetNetwork);
      CHECK(step.kind != StepKind::AdoptEpoch);
      if (step.kind == StepKind::StartContainer) CHECK(!step.container.empty());
      if (step.kind == StepKind::StopContainer) CHECK(step.reason != StopReason::Replaced);
    }
  }
}
