#include "node/mesh_keys.h"

#include <algorithm>
#include <set>

#include "crypto/hash.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr size_t kFileBytesMax = 64 << 10;
constexpr uint32_t kDedicatedPortFirst = 51'830;

void sort_keys(pb::PublishKeys& keys) {
  std::sort(keys.mutable_keys()->begin(), keys.mutable_keys()->end(), [](const auto& a, const auto& b) {
    return std::pair(a.vni(), a.slot()) < std::pair(b.vni(), b.slot());
  });
}

}  // namespace

Result<MeshKeys> MeshKeys::open(std::string file) {
  MeshKeys keys(std::move(file));
  if (!io::exists(keys.file_)) return keys;
  Bytes bytes = TRY(io::read_file(keys.file_, kFileBytesMax));
  keys.keys_ = TRY(wire::decode<pb::LocalKeys>(bytes, keys.file_, kFileBytesMax));
  for (const pb::LocalKey& key : keys.keys_.keys()) TRY(network::WireGuardKey::from_bytes(key.secret()).with_context(keys.file_));
  return keys;
}

Status MeshKeys::replace(pb::LocalKeys keys) {
  TRY(io::write_file(file_, wire::encode(keys), io::Durability::Fsync, 0600));
  keys_ = std::move(keys);
  return {};
}

// The mesh has its own; networks with devices of their own take the lowest that is free.
uint32_t MeshKeys::free_port(uint32_t vni, uint32_t slot) const {
  if (vni == 0) return network::kMeshPort + slot;
  std::set<uint32_t> taken;
  for (const pb::LocalKey& key : keys_.keys()) taken.insert(key.port());
  uint32_t port = kDedicatedPortFirst;
  while (taken.contains(port)) ++port;
  return port;
}

Status MeshKeys::ensure(uint32_t vni, uint32_t slot, uint64_t now_ms) {
  for (const pb::LocalKey& key : keys_.keys()) {
    if (key.vni() == vni && key.slot() == slot) return {};
  }
  pb::LocalKeys more = keys_;
  pb::LocalKey& key = *more.add_keys();
  key.set_vni(vni);
  key.set_slot(slot);
  key.set_secret(Bytes(network::WireGuardKey::make_secret().view()));
  key.set_port(free_port(vni, slot));
  key.set_since_ms(now_ms);
  return replace(std::move(more));
}

Status MeshKeys::drop(uint32_t vni, uint32_t slot) {
  pb::LocalKeys kept;
  for (const pb::LocalKey& key : keys_.keys()) {
    if (key.vni() != vni || key.slot() != slot) *kept.add_keys() = key;
  }
  return replace(std::move(kept));
}

Status MeshKeys::keep_only(const std::vector<uint32_t>& vnis) {
  pb::LocalKeys kept;
  for (const pb::LocalKey& key : keys_.keys()) {
    bool is_wanted = key.vni() == 0 || std::find(vnis.begin(), vnis.end(), key.vni()) != vnis.end();
    if (is_wanted) *kept.add_keys() = key;
  }
  return kept.keys_size() == keys_.keys_size() ? Status() : replace(std::move(kept));
}

std::vector<network::OwnKey> MeshKeys::of(uint32_t vni) const {
  std::vector<network::OwnKey> own;
  for (const pb::LocalKey& key : keys_.keys()) {
    if (key.vni() != vni) continue;
    auto secret = network::WireGuardKey::from_bytes(key.secret());
    if (!secret.has_value()) continue;  // open() has seen that they are
    own.push_back({.slot = key.slot(), .secret = *secret, .key = secret->public_key(), .port = static_cast<uint16_t>(key.port())});
  }
  return own;
}

pb::PublishKeys MeshKeys::published(const Bytes& mesh_secret,
                                    const std::set<std::pair<uint32_t, uint32_t>>& withheld) const {
  pb::PublishKeys published;
  for (const pb::LocalKey& key : keys_.keys()) {
    auto secret = network::WireGuardKey::from_bytes(key.secret());
    if (!secret.has_value() || withheld.contains({key.vni(), key.slot()})) continue;
    pb::MeshKey& added = *published.add_keys();
    added.set_vni(key.vni());
    added.set_slot(key.slot());
    added.set_key(Bytes(secret->public_key().view()));
    added.set_port(key.port());
  }
  sort_keys(published);
  if (!mesh_secret.empty()) published.set_mesh_secret_id(crypto::blake2b(mesh_secret).bytes());
  return published;
}

// Also who is on a backplane alone: nobody but its farm can call it.
bool needs_relay_key(const pb::NodeAddresses& addresses) {
  bool has_public = !addresses.uplink().empty() || !addresses.endpoints().empty();
  return addresses.hidden() || addresses.relay() || !has_public;
}

pb::PublishKeys recorded_keys(const pb::Node& record) {
  pb::PublishKeys keys;
  *keys.mutable_keys() = record.mesh_keys();
  keys.set_mesh_secret_id(record.mesh_secret_id());
  sort_keys(keys);
  return keys;
}

bool is_published(const pb::PublishKeys& keys, const pb::Node& record) {
  if (keys.mesh_secret_id() != record.mesh_secret_id() || keys.keys_size() != record.mesh_keys_size()) return false;
  if (keys.has_addresses() && wire::encode(keys.addresses()) != wire::encode(record.addresses())) return false;
  return std::all_of(keys.keys().begin(), keys.keys().end(), [&](const pb::MeshKey& key) {
    return std::any_of(record.mesh_keys().begin(), record.mesh_keys().end(),
                       [&](const pb::MeshKey& known) { return wire::encode(known) == wire::encode(key); });
  });
}

}  // namespace mcloud::node
