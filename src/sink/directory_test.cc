#include "sink/directory.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"

using namespace mcloud;
using namespace mcloud::sink;

namespace {

const NodeId kNode = *NodeId::from_bytes(crypto::blake2b("node").view());

ContractId contract(std::string_view name) { return *ContractId::from_bytes(crypto::blake2b(name).view()); }

class TestClock final : public Clock {
 public:
  uint64_t monotonic_ms() const override { return now_ms; }
  uint64_t wall_ms() const override { return now_ms; }
  uint64_t now_ms = 1'000'000;
};

struct Record {
  std::set<ContractId> assigned;
  bool is_silent = false;
  int asked = 0;
};

// Knows one node and what is assigned to it.
class OneNode final : public ledger::Client {
 public:
  explicit OneNode(Record& record) : record_(record) {}
  const ledger::Trust& trust() const override { return trust_; }
  ledger::Head head() const override { return {}; }
  uint64_t last_contact_ms() const override { return 0; }
  Result<ledger::Snapshot> get(const std::vector<Bytes>& keys) override {
    ++record_.asked;
    if (record_.is_silent) return make_error(Code::Unavailable, "no answer");
    pb::Node node;
    node.set_name("n1");
    pb::Assignment assignment;
    for (const ContractId& id : record_.assigned) assignment.add_contracts()->set_contract(id.bytes());
    ledger::Snapshot snapshot;
    for (const Bytes& key : keys) {
      ledger::Entry entry{.key = key, .value = std::nullopt};
      if (key == ledger::keys::node(kNode)) entry.value = wire::encode(node);
      if (key == ledger::keys::assignment(kNode)) entry.value = wire::encode(assignment);
      snapshot.entries.push_back(std::move(entry));
    }
    return snapshot;
  }
  Result<ledger::Snapshot> list(BytesView) override { return unused(); }
  Result<std::vector<ledger::SubmitOutcome>> submit(const std::vector<Bytes>&) override { return unused(); }
  Result<uint64_t> next_sequence(const PublicKey&) override { return unused(); }
  Status put_blob(BytesView) override { return unused(); }
  Result<Bytes> get_blob(const Hash&) override { return unused(); }
  Status send_heartbeat(const pb::SignedHeartbeat&) override { return unused(); }
  Result<std::optional<ledger::Head>> wait_for_head(uint64_t, uint64_t) override { return unused(); }

 private:
  static Error unused() { return make_error(Code::Unsupported, "not asked here"); }
  Record& record_;
  ledger::Trust trust_;
};

struct World {
  Record record;
  TestClock clock;
  LedgerDirectory directory{std::make_unique<OneNode>(record), clock};
  std::set<ContractId> contracts(bool is_newest = false) {
    auto entry = directory.node(kNode, is_newest);
    REQUIRE_MESSAGE(entry.has_value(), (entry.has_value() ? "" : entry.error().message));
    return entry->contracts;
  }
};

}  // namespace

TEST_CASE("a contract that moved away may be written for a minute longer, and then no more") {
  World world;
  world.record.assigned = {contract("a"), contract("b")};
  CHECK(world.contracts().size() == 2);
  world.record.assigned = {contract("b")};
  for (int i = 0; i < 5; ++i) {
    world.clock.now_ms += 11'000;
    CHECK(world.contracts() == std::set{contract("a"), contract("b")});
  }
  world.clock.now_ms += 30'000;
  CHECK(world.contracts() == std::set{contract("b")});
}

TEST_CASE("a question for the newest forgets nothing that has just moved away") {
  World world;
  world.record.assigned = {contract("a")};
  CHECK(world.contracts().size() == 1);
  world.record.assigned = {contract("b")};
  world.clock.now_ms += 1'000;
  CHECK(world.contracts(true) == std::set{contract("a"), contract("b")});
}

TEST_CASE("a ledger that is silent is asked seldom, and what was known goes on to hold") {
  World world;
  world.record.assigned = {contract("a")};
  CHECK(world.contracts().size() == 1);
  world.record.is_silent = true;
  world.clock.now_ms += 11'000;
  world.record.asked = 0;
  for (int i = 0; i < 100; ++i) CHECK(world.contracts().size() == 1);
  CHECK(world.record.asked == 1);
  world.clock.now_ms += 2'000;
  CHECK(world.contracts().size() == 1);
  CHECK(world.record.asked == 2);
  world.record.is_silent = false;
  world.record.assigned = {contract("a"), contract("b")};
  world.clock.now_ms += 2'000;
  CHECK(world.contracts().size() == 2);
}

TEST_CASE("what is remembered is not asked again for ten seconds, a stranger is not taken for known") {
  World world;
  CHECK(world.contracts().empty());
  CHECK(world.contracts().empty());
  CHECK(world.record.asked == 1);
  auto stranger = world.directory.node(*NodeId::from_bytes(crypto::blake2b("stranger").view()), false);
  REQUIRE(!stranger.has_value());
  CHECK(stranger.error().code == Code::NotFound);
}
