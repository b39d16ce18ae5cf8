// For tests: nodes of a mesh that follow a real state machine's ledger, each at a height of its own, with everything real
// between the ledger and the WireGuard devices (reader, orders, keeper, plans), and devices that only pretend.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/client/client.h"
#include "node/ledger_reader.h"
#include "node/mesh_facts.h"
#include "node/mesh_keeper.h"
#include "node/own_addresses.h"
#include "node/sample_test.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

namespace mcloud::node::sample {

// The ledger's states by height, as a server at that height would answer.
struct History {
  std::vector<std::shared_ptr<const ledger::MemoryState>> states;
  std::map<Hash, Bytes> blobs;
};

class HistoryClient final : public ledger::Client {
 public:
  explicit HistoryClient(const History& history) : history_(history) { trust_.chain_id = kChain; }
  const ledger::Trust& trust() const override { return trust_; }
  ledger::Head head() const override { return {.height = height}; }
  uint64_t last_contact_ms() const override { return 0; }
  Result<ledger::Snapshot> get(const std::vector<Bytes>& keys) override {
    ledger::Snapshot snapshot{.head = head()};
    for (const Bytes& key : keys) snapshot.entries.push_back({key, state().get(key)});
    return snapshot;
  }
  Result<ledger::Snapshot> list(BytesView prefix) override {
    ledger::Snapshot snapshot{.head = head()};
    state().each(prefix, [&](BytesView key, BytesView value) {
      snapshot.entries.push_back({Bytes(key), Bytes(value)});
      return true;
    });
    return snapshot;
  }
  Result<std::vector<ledger::SubmitOutcome>> submit(const std::vector<Bytes>&) override { return no(); }
  Result<uint64_t> next_sequence(const PublicKey&) override { return no(); }
  Status put_blob(BytesView) override { return no(); }
  Result<Bytes> get_blob(const Hash& hash) override { return history_.blobs.at(hash); }
  Status send_heartbeat(const pb::SignedHeartbeat&) override { return no(); }
  Result<std::optional<ledger::Head>> wait_for_head(uint64_t, uint64_t) override { return no(); }

  uint64_t height = 0;

 private:
  static Error no() { return make_error(Code::Unsupported, "this client only reads"); }
  const ledger::MemoryState& state() const { return *history_.states.at(height); }
  const History& history_;
  ledger::Trust trust_;
};

// Devices as the kernel would have them after the steps, each in one go.
class PretendMesh final : public network::MeshMachine {
 public:
  Status prepare() override { return {}; }
  Result<size_t> apply(const std::vector<network::MeshWish>& wishes, const std::vector<network::WireGuardDevice>&) override {
    std::vector<network::WireGuardDevice> wished;
    for (const network::MeshWish& wish : wishes) {
      for (network::WireGuardDevice& device : network::plan_mesh(wish)) wished.push_back(std::move(device));
    }
    std::vector<network::ActualDevice> now;
    for (const network::WireGuardDevice& device : wished) now.push_back(made(device));
    devices = std::move(now);
    before_ = std::move(wished);
    return size_t{1};
  }
  Result<std::vector<network::ActualDevice>> read() override { return devices; }
  bool is_alive() override { return true; }
  bool is_kernel() const override { return true; }

  std::vector<network::ActualDevice> devices;

 private:
  // Sessions last while the device's key and the peer's do; an endpoint is set when another is wished than before.
  network::ActualDevice made(const network::WireGuardDevice& wished) const {
    network::ActualDevice made{wished, network::routes_of(wished), {}, false};
    for (const network::ActualDevice& old : devices) {
      if (old.device.secret != wished.secret || old.device.name != wished.name || old.device.netns != wished.netns) continue;
      for (network::WireGuardPeer& peer : made.device.peers) {
        if (const auto* had = peer_of(old.device, peer.key); had != nullptr && is_wished(wished, peer)) peer.endpoint = had->endpoint;
        if (auto figures = old.figures.find(peer.key); figures != old.figures.end() && peer_of(old.device, peer.key) != nullptr)
          made.figures[peer.key] = figures->second;
      }
    }
    return made;
  }
  static const network::WireGuardPeer* peer_of(const network::WireGuardDevice& device, const network::WireGuardKey& key) {
    auto found = std::find_if(device.peers.begin(), device.peers.end(), [&](const auto& peer) { return peer.key == key; });
    return found == device.peers.end() ? nullptr : &*found;
  }
  bool is_wished(const network::WireGuardDevice& device, const network::WireGuardPeer& peer) const {
    for (const network::WireGuardDevice& last : before_) {
      if (last.name != device.name || last.netns != device.netns) continue;
      const network::WireGuardPeer* was = peer_of(last, peer.key);
      return was != nullptr && was->endpoint == peer.endpoint;
    }
    return false;
  }
  std::vector<network::WireGuardDevice> before_;
};

struct MeshClock final : Clock {
  uint64_t wall_ms() const override { return ledger::kTestStartMs + now_ms; }
  uint64_t monotonic_ms() const override { return now_ms; }
  uint64_t now_ms = 1'000;
};

// One node's agent, as far as the mesh goes.
class MeshNodeSim {
 public:
  MeshNodeSim(std::string name, const pb::NodeAddresses& addresses, const History& history, const MeshClock& clock,
              const std::string& folder)
      : name(std::move(name)), key(ledger::test_key(this->name)), addresses(addresses), clock_(clock), folder_(folder),
        client_(history), options_{.key_file = folder + "/keys/keys", .mesh_secret = Bytes(32, 's'),
                 .needs_relay_key = needs_relay_key(addresses), .ask_file = folder + "/rotate"} {
    REQUIRE(io::make_folders(folder + "/evidence").has_value());
    start();
  }

  // The agent, again: what it knew is gone; keys, devices and the networks that are set are as they were.
  void start() {
    reader_ = std::make_unique<LedgerReader>(client_, key, LedgerReader::Options{.memory_file = folder_ + "/memory",
                                                                                .evidence_folder = folder_ + "/evidence"});
    keeper_ = std::move(*MeshKeeper::open(mesh, clock_, options_));
    mesh_orders_.Clear();
    orders_ = {};
  }
  void ask_for_keys() { REQUIRE(io::write_file(options_.ask_file, "", io::Durability::None).has_value()); }

  // Reads the ledger as it is at that height and does what follows, as the agent and its lane of networks do.
  void read(uint64_t height) {
    client_.height = std::max(client_.height, height);
    auto reading = reader_->read();
    REQUIRE_MESSAGE(reading.has_value(), (reading.has_value() ? "" : reading.error().message));
    REQUIRE(reading->is_complete);
    if (!reading->view) return;
    record = reading->view->node;
    orders_ = build_orders(*reading->view);
    if (orders_.mesh.has_self()) mesh_orders_ = orders_.mesh;
    std::erase_if(set_, [&](const auto& entry) { return !orders_.networks.contains(entry.first); });
    for (const auto& [contract, networks] : orders_.networks) set_[contract] = networks;
    prepare();
    lead();
    encrypt();
  }
  void tend() {
    if (orders_.networks.empty() && !orders_.mesh.has_self()) return;
    auto tended = keeper_->tend();
    REQUIRE(tended.has_value());
    if (!*tended) return;
    prepare();
    lead();
    encrypt();
  }
  // What it would tell the ledger; nullopt: nothing.
  std::optional<pb::PublishKeys> wants_to_publish() const {
    pb::PublishKeys keys = keeper_->published();
    if (keys.keys().empty()) return std::nullopt;
    *keys.mutable_addresses() = moved_addresses(record.addresses(), addresses);
    if (is_published(keys, record)) return std::nullopt;
    return keys;
  }

  uint64_t height() const { return client_.height; }
  // By network (0 = the mesh).
  std::set<NodeId> peers(uint32_t vni) const {
    std::set<NodeId> peers;
    MeshNeeds needs = MeshNeeds::of(set_, mesh_orders_);
    if (auto found = needs.peers.find(vni); found != needs.peers.end()) {
      for (const auto& [id, node] : found->second) peers.insert(NodeId::from_bytes(id).value());
    }
    return peers;
  }
  std::set<uint32_t> networks() const {
    std::set<uint32_t> vnis;
    for (const auto& [vni, peers] : MeshNeeds::of(set_, mesh_orders_).peers) vnis.insert(vni);
    return vnis;
  }
  NodeId id() const { return key.public_key(); }

  const std::string name;
  const crypto::SigningKey key;
  pb::NodeAddresses addresses;  // where it is
  pb::Node record;              // of itself, as it read last
  PretendMesh mesh;
  // Where frames for members on a node go: by network, by the node's number.
  std::map<std::pair<uint32_t, uint32_t>, network::Ipv4> targets;
  bool is_away = false;
  uint64_t next_ms = 0;
  uint64_t next_publish_ms = 0;

 private:
  void prepare() { REQUIRE(keeper_->prepare(MeshNeeds::of(set_, mesh_orders_), mesh_orders_).has_value()); }
  void encrypt() { REQUIRE(keeper_->apply(MeshNeeds::of(set_, mesh_orders_), mesh_orders_, {}).has_value()); }
  // As NetworkAdapter::lead_to_slots().
  void lead() {
    targets.clear();
    for (const auto& [contract, local] : set_) {
      for (const pb::LocalNetwork& network : local.networks()) {
        uint32_t vni = network.encryption() == pb::ENCRYPTION_DEDICATED ? network.vni() : 0;
        auto slots = keeper_->peer_slots(vni);
        for (const pb::LocalRemote& remote : network.remotes()) {
          network::Ipv4 node = network::Ipv4::parse(remote.node()).value();
          uint32_t number = (node.value - network::mesh_address(0, 0).value) / 4;
          auto slot = slots.find(number);
          targets[{vni, number}] = slot == slots.end() ? node : network::mesh_address(number, slot->second);
        }
      }
    }
  }

  const MeshClock& clock_;
  const std::string folder_;
  HistoryClient client_;
  MeshKeeper::Options options_;
  std::unique_ptr<LedgerReader> reader_;
  std::unique_ptr<MeshKeeper> keeper_;
  std::map<ContractId, pb::LocalNetworks> set_;
  pb::LocalMesh mesh_orders_;
  Orders orders_;
};

}  // namespace mcloud::node::sample
