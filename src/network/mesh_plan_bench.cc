// What it costs a node to plan its mesh, and to find the difference when a node more is in it. Networks: planner_bench.cc.
#include <cstdio>

#include "io/clock.h"
#include "network/mesh.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

template <typename Work>
double ms_of(Work work) {
  io::SystemClock clock;
  uint64_t begin_us = clock.monotonic_us();
  work();
  return static_cast<double>(clock.monotonic_us() - begin_us) / 1000;
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

int main() {
  for (uint32_t nodes : {200u, 2'000u, 16'000u}) measure_mesh(nodes);
  return 0;
}
