// What it costs a node to plan its networks and its mesh: 1,000 networks with a member on each of 200 nodes, and smaller
// ones beside it, so that growth is seen. Each line is one node's work; a cluster is as many nodes.
//   network_mesh_plan_bench [NETWORKS NODES]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "io/clock.h"
#include "network/firewall.h"
#include "network/mesh.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

double memory_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <typename Work>
double ms_of(Work work) {
  io::SystemClock clock;
  uint64_t begin_us = clock.monotonic_us();
  work();
  return static_cast<double>(clock.monotonic_us() - begin_us) / 1000;
}

Member member_of(uint32_t network, uint32_t node) {
  return {.netns = "n" + std::to_string(network) + "-" + std::to_string(node), .address = Ipv4{0x0A2A0000 + node + 1}};
}

// As node 1 is to have them.
DesiredNetworks wish_of(uint32_t networks, uint32_t nodes) {
  DesiredNetworks out;
  out.backplane = Ipv4{0xAC100001};
  out.uplink = "uplink";
  for (uint32_t i = 1; i <= networks; ++i) {
    Network& network = out.networks.emplace_back();
    network.name = "net";
    network.vni = i;
    network.range = Range::parse("10.42.0.0/16").value();
    network.underlay = Underlay::Mesh;
    network.members = {member_of(i, 1)};
    for (uint32_t node = 2; node <= nodes; ++node) {
      network.remotes.push_back({member_of(i, node).address, mesh_address(node, 0)});
    }
  }
  return out;
}

// The machine as it would be after steps.
struct After {
  const DesiredNetworks& desired;
  ActualNetworks& actual;
  void operator()(const EnableForwarding&) { actual.forwarding = true; }
  void operator()(const EnableForwarding6&) { actual.forwarding6 = true; }
  void operator()(const SetNodeFirewall& step) {
    actual.firewall = step.revision;
    actual.sources = vxlan_sources(desired, Underlay::Plain);
  }
  void operator()(const SetMeshFirewall& step) {
    actual.mesh_firewall = step.revision;
    actual.mesh_sources = vxlan_sources(desired, Underlay::Mesh);
  }
  void operator()(const ChangeSources& step) {
    auto& sources = step.underlay == Underlay::Plain ? actual.sources : actual.mesh_sources;
    for (const VxlanSource& one : step.removed) sources.erase(one);
    sources.insert(step.added.begin(), step.added.end());
  }
  void operator()(const CreateNetwork& step) {
    ActualNetwork& network = actual.networks[step.shape.vni];
    network.shape = step.shape;
    network.has_underlay = true;
  }
  void operator()(const SetNetworkFirewall& step) { actual.networks[step.vni].firewall = step.revision; }
  void operator()(const SetPeer& step) { actual.networks[step.vni].peers.insert(step.node); }
  void operator()(const SetRemote& step) {
    actual.networks[step.vni].remotes[step.remote.address] = step.remote.node;
  }
  void operator()(const CreateNetns& step) { actual.netns.insert(step.netns); }
  void operator()(const SetNetnsFirewall& step) { actual.netns_firewalls[step.netns] = step.revision; }
  void operator()(const AttachMember& step) { actual.networks[step.vni].members.insert(step.member); }
  template <typename Other>
  void operator()(const Other&) {
    std::printf("a step that nothing here needs\n");
    std::exit(1);
  }
};

void measure_networks(uint32_t networks, uint32_t nodes) {
  DesiredNetworks desired = wish_of(networks, nodes);
  ActualNetworks actual;
  actual.has_mesh = true;
  std::vector<NetworkStep> steps;
  double first = ms_of([&] { steps = plan(desired, actual); });
  size_t count = steps.size();
  for (const NetworkStep& step : steps) std::visit(After{desired, actual}, step);
  double same = ms_of([&] { steps = plan(desired, actual); });
  size_t left = steps.size();
  // A node more gets a member of the last network.
  desired.networks.back().remotes.push_back({member_of(networks, nodes + 1).address, mesh_address(nodes + 1, 0)});
  double more = ms_of([&] { steps = plan(desired, actual); });
  std::printf("%5u networks x %4u nodes: first %8.1f ms (%7zu steps)  unchanged %8.1f ms (%zu)  a member more %8.1f ms (%zu steps)  %6.0f MB\n",
              networks, nodes, first, count, same, left, more, steps.size(), memory_mb());
}

MeshNode mesh_node(uint32_t number) {
  MeshNode out;
  Bytes id(32, 'n');
  id[0] = static_cast<char>(number);
  id[1] = static_cast<char>(number >> 8);
  out.id = NodeId::from_bytes(id).value();
  out.number = number;
  out.farm = "farm" + std::to_string(number % 5);
  out.endpoints = {"192.0.2.1"};
  out.mesh_secret_id = Hash::from_bytes(Bytes(32, 's')).value();
  WireGuardKey key;
  std::copy(id.begin(), id.end(), key.bytes.begin());
  out.keys = {{0, key, kMeshPort}};
  return out;
}

void measure_mesh(uint32_t nodes) {
  MeshWish wish;
  wish.self = mesh_node(1);
  WireGuardKey secret = WireGuardKey::make_secret();
  wish.own_keys = {{0, secret, secret.public_key(), kMeshPort}};
  wish.mesh_secret = Bytes(32, 's');
  for (uint32_t number = 2; number <= nodes; ++number) wish.peers.push_back(mesh_node(number));
  std::vector<WireGuardDevice> devices;
  double planned = ms_of([&] { devices = plan_mesh(wish); });
  std::vector<ActualDevice> actual = {{devices[0], routes_of(devices[0]), {}, false}};
  std::vector<WireGuardStep> steps;
  wish.peers.push_back(mesh_node(nodes + 1));
  auto wished = plan_mesh(wish);
  double compared = ms_of([&] { steps = wireguard_steps(wished, devices, actual); });
  std::printf("mesh of %5u nodes: plan %7.2f ms, a node more: difference %7.2f ms, %zu steps\n", nodes, planned, compared,
              steps.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    measure_networks(static_cast<uint32_t>(std::atoi(argv[1])), static_cast<uint32_t>(std::atoi(argv[2])));
    return 0;
  }
  for (uint32_t nodes : {200u, 2'000u, 16'000u}) measure_mesh(nodes);
  for (uint32_t networks : {125u, 250u, 500u, 1'000u}) measure_networks(networks, 200);
  return 0;
}
