// MeshNeeds::of(), kept up with what changes: a contract that comes or goes costs its own peers. Pure.
#pragma once

#include <map>
#include <set>

#include "node/mesh_keeper.h"

namespace mcloud::node {

class MeshNeedsBook {
 public:
  // Borrows `networks` until they are removed: the same message, unchanged.
  void add(const ContractId& contract, const pb::LocalNetworks& networks);
  void remove(const ContractId& contract, const pb::LocalNetworks& networks);
  // As of all that was added.
  const MeshNeeds& needs(const pb::LocalMesh& mesh);

 private:
  // What a contract says of a node. Those that know more keys of it come first: contracts are read at different heights, and
  // the one with more is in a change.
  struct Saying {
    int keys = 0;
    ContractId contract;
    const pb::Node* node = nullptr;
    bool operator<(const Saying& other) const { return keys != other.keys ? keys > other.keys : contract < other.contract; }
  };
  struct Wanted {
    size_t contracts = 0;
    std::map<Bytes, std::set<Saying>> peers;
  };
  void settle(uint32_t vni, const Bytes& peer);

  std::map<uint32_t, Wanted> wanted_;  // by network, 0 = the mesh
  size_t meshed_ = 0;
  MeshNeeds needs_;
};

}  // namespace mcloud::node
