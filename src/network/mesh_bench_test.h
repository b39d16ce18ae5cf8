// Inside this room's tests only: nodes of a mesh as network namespaces.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network/machine_fixture.h"
#include "network/mesh_machine.h"

namespace mcloud::network {

// As can_make_networks(), and wireguard-go's sockets stand in a folder that goes with this process.
bool can_make_meshes();

// A node with keys, ready to be in a mesh. Slot 0, port 51820; slot 2, port 51822.
struct MeshPlace {
  MeshNode node;
  std::vector<OwnKey> own_keys;
  void add_key(uint32_t slot);
  void drop_key(uint32_t slot);
};

// `Nodes` with a mesh: node i has number i+1, farm "here", its backplane address; options may change that.
struct MeshNodes : Nodes {
  explicit MeshNodes(size_t count);
  ~MeshNodes();

  MeshWish wish(size_t node) const;  // all others are its peers
  size_t apply_mesh(size_t node);
  size_t apply_mesh(size_t node, const MeshWish& wish);
  void leave_mesh(size_t node);
  std::vector<ActualDevice> read_mesh(size_t node);
  Place mesh(size_t node) const;  // its namespace
  std::string address(size_t node, uint32_t slot = 0) const { return mesh_address(meshes[node].node.number, slot).text(); }

  std::vector<MeshPlace> meshes;
  std::vector<std::unique_ptr<MeshMachine>> mesh_machines;
  std::vector<MeshNode> relays;
  std::vector<size_t> hidden_users;  // of the relays
};

}  // namespace mcloud::network
