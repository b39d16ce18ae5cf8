// What a node's networks cost to plan, as a whole and by what changes: N networks with a member on each of M nodes, as one
// node has them. Each size is a process of its own, so that its peak memory is seen.
//   network_planner_bench [NETWORKS NODES]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "io/clock.h"
#include "network/mesh.h"
#include "network/planner.h"
#include "network/test_plan_model.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr uint32_t kChanges = 200;

double us_now() {
  static io::SystemClock clock;
  return static_cast<double>(clock.monotonic_us());
}

template <typename Work>
double ms_of(Work work) {
  double begin = us_now();
  work();
  return (us_now() - begin) / 1000;
}

double peak_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Ipv4 address_of(uint32_t node) { return Ipv4{0x0A2A0000 + node + 1}; }

// As node 1 is to have it.
Planner::Wish wish_of(uint32_t vni, uint32_t nodes) {
  Planner::Wish out;
  Network& network = out.networks.emplace_back();
  network.name = "net";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = ula_range("bench", vni);
  network.underlay = Underlay::Mesh;
  network.members = {{"n" + std::to_string(vni), "eth0", address_of(1)}};
  for (uint32_t node = 2; node <= nodes; ++node) network.remotes.push_back({address_of(node), mesh_address(node, 0)});
  return out;
}

void expect(bool is_so, const char* what) {
  if (is_so) return;
  std::printf("not so: %s\n", what);
  std::exit(1);
}

std::string name_of(uint32_t vni) { return std::to_string(1'000'000 + vni); }

struct Bench {
  Planner planner;
  PlanModel model{expect, {}};
  size_t steps = 0;

  // Milliseconds of planning alone.
  double run() {
    ActualNetworks seen = seen_in(model.actual, planner.scope());
    std::optional<std::vector<NetworkStep>> planned;
    double took = ms_of([&] { planned = planner.steps(std::move(seen)); });
    expect(planned.has_value(), "the machine is as it was left");
    steps = planned->size();
    for (const NetworkStep& step : *planned) {
      model.run(step);
      planner.done(step);
    }
    return took;
  }
};

// Of one change: a member more or less on a node that is none of its peers. The reading of the machine is not in it.
double change(Bench& bench, Planner::Wish& wish, uint32_t nodes) {
  std::vector<RemoteMember>& remotes = wish.networks[0].remotes;
  if (remotes.size() == nodes) {
    remotes.pop_back();
  } else {
    remotes.push_back({address_of(nodes + 1), mesh_address(nodes + 1, 0)});
  }
  std::optional<std::vector<NetworkStep>> planned;
  double begin = us_now();
  bench.planner.set(name_of(wish.networks[0].vni), wish);
  Scope scope = bench.planner.scope();
  double middle = us_now();
  ActualNetworks seen = seen_in(bench.model.actual, scope);
  double again = us_now();
  planned = bench.planner.steps(std::move(seen));
  double took = us_now() - again + middle - begin;
  expect(planned.has_value() && planned->size() == 3, "it takes three steps");
  for (const NetworkStep& step : *planned) {
    bench.model.run(step);
    bench.planner.done(step);
  }
  return took;
}

void measure(uint32_t networks, uint32_t nodes) {
  Bench bench;
  bench.model.actual.has_mesh = true;
  bench.planner.set_node({.backplane = Ipv4{0xAC100001}, .uplink = "uplink"});
  DesiredNetworks all{.backplane = Ipv4{0xAC100001}, .uplink = "uplink"};
  std::vector<Planner::Wish> wishes;
  for (uint32_t vni = 1; vni <= networks; ++vni) {
    wishes.push_back(wish_of(vni, nodes));
    all.networks.push_back(wishes.back().networks[0]);
    bench.planner.set(name_of(vni), wishes.back());
  }
  double first = bench.run();
  size_t steps = bench.steps;
  bench.run();
  expect(bench.steps == 0, "nothing is left to do");
  double whole = ms_of([&] { expect(plan(all, bench.model.actual).empty(), "nothing is left to do"); });
  std::vector<double> took;
  size_t visited = 0;
  for (uint32_t i = 0; i < kChanges; ++i) {
    took.push_back(change(bench, wishes[i * 7 % networks], nodes));
    visited = std::max(visited, bench.planner.visited());
  }
  std::sort(took.begin(), took.end());
  std::printf("%5u networks x %4u nodes: from nothing %8.1f ms (%7zu steps)  all compared %8.1f ms  one change p50 %7.0f us "
              "p99 %7.0f us, %zu networks looked at  peak %5.0f MB\n",
              networks, nodes, first, steps, whole, took[took.size() / 2], took[took.size() * 99 / 100], visited, peak_mb());
}

void measure_alone(uint32_t networks, uint32_t nodes) {
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    measure(networks, nodes);
    std::exit(0);
  }
  int status = 0;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid || status != 0) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    measure(static_cast<uint32_t>(std::atoi(argv[1])), static_cast<uint32_t>(std::atoi(argv[2])));
    return 0;
  }
  for (uint32_t nodes : {20u, 200u}) {
    for (uint32_t networks : {10u, 100u, 1'000u}) measure_alone(networks, nodes);
  }
  return 0;
}
