#include "node/ledger_reader.h"

#include "io/file.h"
#include "node/test_agent_world.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;

namespace {

// Answers everything but questions about one key.
class ForgetfulClient final : public ledger::Client {
 public:
  explicit ForgetfulClient(std::unique_ptr<ledger::Client> inner) : inner_(std::move(inner)) {}
  const ledger::Trust& trust() const override { return inner_->trust(); }
  ledger::Head head() const override { return inner_->head(); }
  uint64_t last_contact_ms() const override { return inner_->last_contact_ms(); }
  Result<ledger::Snapshot> get(const std::vector<Bytes>& keys) override {
    bool is_asked = std::find(keys.begin(), keys.end(), silent_about) != keys.end();
    return is_asked ? Result<ledger::Snapshot>(make_error(Code::TimedOut, "no answer")) : inner_->get(keys);
  }
  Result<ledger::Snapshot> list(BytesView prefix) override { return inner_->list(prefix); }
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

 private:
  std::unique_ptr<ledger::Client> inner_;
};

}  // namespace

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
