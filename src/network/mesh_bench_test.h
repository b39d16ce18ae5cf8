// Inside this room's tests only: nodes of a mesh as network namespaces.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/process.h"
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
  void use_userspace(size_t node);  // from here on, also where the kernel has WireGuard
  std::vector<ActualDevice> read_mesh(size_t node);
  Place mesh(size_t node) const;  // its namespace
  std::string address(size_t node, uint32_t slot = 0) const { return mesh_address(meshes[node].node.number, slot).text(); }

  std::vector<MeshPlace> meshes;
  std::vector<std::unique_ptr<MeshMachine>> mesh_machines;
  std::vector<MeshNode> relays;
  std::vector<size_t> hidden_users;  // of the relays
  int underlay_mtu = 1500;
};

// A network inside the mesh, as network/spaces.h makes them but of one member a node: 10.9.0.(node+1).
struct Overlay {
  explicit Overlay(MeshNodes& nodes);
  // Packets of a node for another one go to that address in the mesh from now on.
  void lead(size_t from, size_t to, const std::string& mesh_address);
  static std::string address(size_t node) { return "10.9.0." + std::to_string(node + 1); }
  std::vector<Place> places;

 private:
  std::vector<std::string> macs_;
  std::map<std::pair<size_t, size_t>, std::string> targets_;
};

// A router that translates addresses and lets nothing in that was not asked for: the node loses its own links and is
// behind it. Its ports begin at `first_port`. When it goes it forgets all.
class Nat {
 public:
  Nat(MeshNodes& nodes, size_t node, uint16_t first_port);
  ~Nat();

 private:
  MeshNodes& nodes_;
  Place place_;
  std::string port_;
};

// Every packet that passes a link, as IP packets (or what else it is).
class Sniffer {
 public:
  Sniffer(const Place& place, const std::string& link);
  std::vector<std::string> packets();  // since the last call

 private:
  io::Fd fd_;
};
// One of WireGuard's four messages in UDP to or from a port of the mesh.
bool is_wireguard(const std::string& packet);
bool is_neighbour_talk(const std::string& packet);  // ARP is not IP; IPv6's own

// `ping` of iputils at a steady rate until told to end.
class PingFlood {
 public:
  PingFlood(const Place& from, const std::string& to, const std::string& interval_s);
  ~PingFlood();
  // Up to the last that was answered: what follows may still be on its way. What is missing before it is lost.
  struct Count {
    uint64_t sent = 0, received = 0;
  };
  Count stop();

 private:
  std::string file_;
  std::unique_ptr<io::Child> child_;
};

// Tries for up to 30 s; a handshake may have to be repeated.
bool ping_at_last(const Place& from, const std::string& to);
// Sends that many bytes over TCP; false when it takes longer than 60 s.
bool transfer(const Place& from, const Place& to, const std::string& address, size_t bytes);
void set_mtu(const Place& place, const std::string& link, int mtu);
// wireguard-go processes that this test process has started and that still run.
size_t count_wireguard_go();

}  // namespace mcloud::network
