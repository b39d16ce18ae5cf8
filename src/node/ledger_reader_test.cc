#include "node/ledger_reader.h"

#include "io/file.h"
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

// Answers everything but questions about one key, and counts.
class ForgetfulClient final : public ledger::Client {
 public:
  explicit ForgetfulClient(std::unique_ptr<ledger::Client> inner) : inner_(std::move(inner)) {}
  const ledger::Trust& trust() const override { return inner_->trust(); }
  ledger::Head head() const override { return inner_->head(); }
  uint64_t last_contact_ms() const override { return inner_->last_contact_ms(); }
  Result<ledger::Snapshot> get(const std::vector<Bytes>& keys) override {
    keys_asked += keys.size();
    bool is_asked = std::find(keys.begin(), keys.end(), silent_about) != keys.end();
    return is_asked ? Result<ledger::Snapshot>(make_error(Code::TimedOut, "no answer")) : inner_->get(keys);
  }
  Result<ledger::Snapshot> list(BytesView prefix) override {
    ++lists;
    return inner_->list(prefix);
  }
  Result<std::vector<ledger::SubmitOutcome>> submit(const std::vector<Bytes>& signed_transactions) override {
    return inner_->submit(signed_transactions);
  }
  Result<uint64_t> next_sequence(const PublicKey& sender) override { return inner_->next_sequence(sender); }
  Status put_blob(BytesView bytes) override { return inner_->put_blob(bytes); }
  Result<Bytes> get_blob(const Hash& hash) override { return inner_->get_blob(hash); }
  Status send_heartbeat(const pb::SignedHeartbeat& heartbeat) override { return inner_->send_heartbeat(heartbeat); }
  Result<std::optional<ledger::Head>> wait_for_head(uint64_t above, uint64_t timeout_ms) override {
    return inner_->wait_for_head(above, timeout_ms);
  }
  Bytes silent_about;
  size_t keys_asked = 0;
  size_t lists = 0;

 private:
  std::unique_ptr<ledger::Client> inner_;
};

// A node of a kind, with keys of the mesh and for relays.
crypto::SigningKey join_mesh(World& world, const std::string& name, const std::function<void(pb::NodeAddresses&)>& be) {
  world.submit(world.server_.admit("ann", "home", name, [&](pb::AdmitNode& action) { be(*action.mutable_addresses()); }));
  return ledger::test_key(name);
}

void publish(World& world, const crypto::SigningKey& node, const std::string& generation,
             const std::vector<uint32_t>& slots = {0, 2}) {
  pb::Transaction transaction;
  for (uint32_t slot : slots) {
    pb::MeshKey& key = *transaction.mutable_publish_keys()->add_keys();
    key.set_slot(slot);
    key.set_port(51'820 + slot);
    key.set_key(crypto::blake2b(node.public_key().hex() + generation + std::to_string(slot)).bytes());
  }
  world.send(node, transaction);
}

}  // namespace

TEST_CASE("a relay knows hidden nodes and their new keys with the next block, and asks for nothing while nothing changes") {
  World world;
  auto hide = [](pb::NodeAddresses& addresses) { addresses.set_hidden(true); };
  publish(world, join_mesh(world, "node1", [](pb::NodeAddresses& addresses) { addresses.set_relay(true); }), "1");
  testing::TemporaryFolder folder;
  REQUIRE(io::make_folders(folder / "evidence").has_value());
  ForgetfulClient client(world.open_client());
  LedgerReader reader(client, kNode, {.memory_file = folder / "memory", .evidence_folder = folder / "evidence"});
  REQUIRE(must(reader.read()).view);
  auto guest_key = [](const LedgerView& view, const crypto::SigningKey& node) {
    auto known = view.nodes.find(node.public_key());
    return known == view.nodes.end() ? "" : known->second.mesh_keys(1).key();
  };
  std::vector<crypto::SigningKey> hidden;
  for (int i = 0; i < 5; ++i) {
    hidden.push_back(join_mesh(world, "hidden" + std::to_string(i), hide));
    publish(world, hidden.back(), "1");
    auto reading = must(reader.read());
    REQUIRE(reading.view);
    CHECK(reading.view->guests.size() == hidden.size());
    CHECK(build_orders(*reading.view).mesh.guests_size() == i + 1);
  }
  publish(world, hidden[2], "2");
  client.keys_asked = client.lists = 0;
  auto reading = must(reader.read());
  REQUIRE(reading.view);
  CHECK(guest_key(*reading.view, hidden[2]) == crypto::blake2b(hidden[2].public_key().hex() + "22").bytes());
  CHECK(client.lists == 1);
  CHECK(client.keys_asked == 5 + 1);  // what is always asked, and the one that has changed
  publish(world, join_mesh(world, "other", [](pb::NodeAddresses&) {}), "1", {0});
  client.keys_asked = client.lists = 0;
  CHECK(!must(reader.read()).view);
  CHECK(client.lists == 0);
  CHECK(client.keys_asked == 5);
}

TEST_CASE("a hidden node knows its relays' new keys with the next block; what could not be read is not taken for told") {
  World world;
  publish(world, join_mesh(world, "node1", [](pb::NodeAddresses& addresses) { addresses.set_hidden(true); }), "1");
  crypto::SigningKey relay = join_mesh(world, "relay", [](pb::NodeAddresses& addresses) { addresses.set_relay(true); });
  publish(world, relay, "1");
  testing::TemporaryFolder folder;
  REQUIRE(io::make_folders(folder / "evidence").has_value());
  ForgetfulClient client(world.open_client());
  LedgerReader reader(client, kNode, {.memory_file = folder / "memory", .evidence_folder = folder / "evidence"});
  auto key = [&](const LedgerReader::Reading& reading) { return reading.view->nodes.at(relay.public_key()).mesh_keys(1).key(); };
  auto first = must(reader.read());
  REQUIRE(first.view);
  CHECK(key(first) == crypto::blake2b(relay.public_key().hex() + "12").bytes());
  publish(world, relay, "2");
  client.silent_about = ledger::keys::node(relay.public_key());
  CHECK(!reader.read().has_value());
  client.silent_about.clear();
  auto second = must(reader.read());
  REQUIRE(second.view);
  CHECK(key(second) == crypto::blake2b(relay.public_key().hex() + "22").bytes());
}

TEST_CASE("what is known of a contract stays in force while its news cannot be read") {
  World world;
  world.submit(world.server_.admit("ann", "home", "node1"));
  Sample web = world.deploy(kWeb);
  testing::TemporaryFolder folder;
  REQUIRE(io::make_folders(folder / "evidence").has_value());
  ForgetfulClient client(world.open_client());
  LedgerReader reader(client, kNode, {.memory_file = folder / "memory", .evidence_folder = folder / "evidence"});
  auto first = reader.read();
  REQUIRE_MESSAGE(first.has_value(), (first.has_value() ? "" : first.error().message));
  REQUIRE(first->is_complete);
  REQUIRE(build_orders(*first->view).containers.size() == 2);

  // News: one replica is told of. The rest of the contract is as it was.
  pb::Transaction report;
  pb::Result& result = *report.mutable_report_results()->add_results();
  result.set_contract(web.id.bytes());
  result.set_workload("web");
  result.set_epoch(world.replica(web, "web", 0).epoch());
  result.set_version(1);
  result.set_state(pb::REPLICA_CANNOT_RUN);
  world.send(kNode, report);
  client.silent_about = ledger::keys::contract(web.id);
  auto second = reader.read();
  REQUIRE(second.has_value());
  CHECK(!second->is_complete);
  REQUIRE(second->view);
  CHECK(second->view->refused.empty());
  Orders orders = build_orders(*second->view);
  CHECK(orders.containers.contains({web.id, "web", 1}));
  CHECK(!orders.desired.unverified.contains({web.id, "web", 1}));

  client.silent_about.clear();
  auto third = reader.read();
  REQUIRE(third.has_value());
  CHECK(third->is_complete);
}
