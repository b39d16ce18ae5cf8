// The WireGuard keys of this node: made here, on its disk before anybody hears of them, never told to anybody.
//
//   DATA/network/keys   pb::LocalKeys, 0600
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "mcloud/ledger.pb.h"
#include "mcloud/node.pb.h"
#include "network/mesh.h"

namespace mcloud::node {

// One thread.
class MeshKeys {
 public:
  // Reads the file; without it there are no keys. Corrupt: it cannot be read; it is not replaced.
  static Result<MeshKeys> open(std::string file);

  const pb::LocalKeys& all() const { return keys_; }
  // Durable when OK; unchanged otherwise.
  Status replace(pb::LocalKeys keys);
  // Makes a key for this network (0 = the mesh) and slot, unless there is one.
  Status ensure(uint32_t vni, uint32_t slot, uint64_t now_ms);
  Status drop(uint32_t vni, uint32_t slot);
  // Drops the keys of networks that are not in `vnis`; those of the mesh stay.
  Status keep_only(const std::vector<uint32_t>& vnis);

  // Of one network, oldest first; with the key of slot 2 for the mesh.
  std::vector<network::OwnKey> of(uint32_t vni) const;
  // What the ledger is to know; keys sorted as it wants them. `withheld`: (network, slot) that it is not told of (any more).
  pb::PublishKeys published(const Bytes& mesh_secret, const std::set<std::pair<uint32_t, uint32_t>>& withheld = {}) const;

 private:
  explicit MeshKeys(std::string file) : file_(std::move(file)) {}
  uint32_t free_port(uint32_t vni, uint32_t slot) const;

  std::string file_;
  pb::LocalKeys keys_;
};

// Does a node with these addresses meet others at relays, or is it one?
bool needs_relay_key(const pb::NodeAddresses& addresses);

// What the ledger knows of a node's keys, as it would be published.
pb::PublishKeys recorded_keys(const pb::Node& record);

// The ledger has these already, and the addresses when they are said.
bool is_published(const pb::PublishKeys& keys, const pb::Node& record);

}  // namespace mcloud::node
