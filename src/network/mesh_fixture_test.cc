#include <doctest/doctest.h>
#include <sys/mount.h>

#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "testing/temporary_folder.h"

namespace mcloud::network {

bool can_make_meshes() {
  static const bool can = [] {
    if (!can_make_networks()) return false;
    // wireguard-go knows one folder only.
    return io::make_folders("/run/wireguard", 0700).has_value() &&
           ::mount("tmpfs", "/run/wireguard", "tmpfs", 0, nullptr) == 0;
  }();
  return can;
}

void MeshPlace::add_key(uint32_t slot) {
  WireGuardKey secret = WireGuardKey::make_secret();
  uint16_t port = static_cast<uint16_t>(kMeshPort + slot);
  own_keys.push_back({slot, secret, secret.public_key(), port});
  node.keys.push_back({slot, secret.public_key(), port});
}

void MeshPlace::drop_key(uint32_t slot) {
  std::erase_if(own_keys, [&](const OwnKey& key) { return key.slot == slot; });
  std::erase_if(node.keys, [&](const MeshKey& key) { return key.slot == slot; });
}

MeshNodes::MeshNodes(size_t count) : Nodes(count) {
  for (size_t i = 0; i < count; ++i) {
    MeshPlace place;
    place.node.id = NodeId::from_bytes(Bytes(32, static_cast<char>(i + 1))).value();
    place.node.number = static_cast<uint32_t>(i + 1);
    place.node.farm = "here";
    place.node.backplane = "172.16.0." + std::to_string(i + 1);
    place.node.mesh_secret_id = Hash::from_bytes(Bytes(32, 's')).value();
    place.add_key(0);
    meshes.push_back(std::move(place));
    NetnsScope scope = NetnsScope::enter(places[i].netns).value();
    WireGuard::Options options{.netns_folder = *folder / ("netns" + std::to_string(i + 1))};
    mesh_machines.push_back(MeshMachine::open(options).value());
  }
}

MeshNodes::~MeshNodes() {
  for (size_t i = 0; i < places.size(); ++i) {
    {
      NetnsScope scope = NetnsScope::enter(places[i].netns).value();
      static_cast<void>(machines[i]->apply({}));
    }
    leave_mesh(i);
  }
}

MeshWish MeshNodes::wish(size_t node) const {
  MeshWish out;
  out.self = meshes[node].node;
  out.own_keys = meshes[node].own_keys;
  out.mesh_secret = "the secret of this farm, 32 bytes";
  out.relays = relays;
  out.underlay_mtu = underlay_mtu;
  for (size_t i = 0; i < meshes.size(); ++i) {
    if (i != node) out.peers.push_back(meshes[i].node);
  }
  for (size_t user : hidden_users) out.relay_users.push_back(meshes[user].node);
  return out;
}

size_t MeshNodes::apply_mesh(size_t node) { return apply_mesh(node, wish(node)); }

size_t MeshNodes::apply_mesh(size_t node, const MeshWish& wish) {
  NetnsScope scope = NetnsScope::enter(places[node].netns).value();
  auto done = mesh_machines[node]->apply({wish});
  if (!done.has_value()) FAIL(done.error().message);
  return *done;
}

void MeshNodes::leave_mesh(size_t node) {
  NetnsScope scope = NetnsScope::enter(places[node].netns).value();
  auto done = mesh_machines[node]->apply({});
  if (!done.has_value()) FAIL(done.error().message);
}

void MeshNodes::use_userspace(size_t node) {
  NetnsScope scope = NetnsScope::enter(places[node].netns).value();
  WireGuard::Options options{.netns_folder = *folder / ("netns" + std::to_string(node + 1)), .force_userspace = true};
  mesh_machines[node] = MeshMachine::open(options).value();
}

std::vector<ActualDevice> MeshNodes::read_mesh(size_t node) {
  NetnsScope scope = NetnsScope::enter(places[node].netns).value();
  return mesh_machines[node]->read().value();
}

Place MeshNodes::mesh(size_t node) const {
  return {open_netns(*folder / ("netns" + std::to_string(node + 1)) + "/" + kMeshNetns).value()};
}

}  // namespace mcloud::network
