#include "ledger/engine/watch.h"

#include "ledger/engine/test_server.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

pb::SignedHeartbeat heartbeat(std::string_view node, uint64_t counter, uint64_t epoch = 1) {
  crypto::SigningKey key = test_key(node);
  pb::Heartbeat beat;
  beat.set_chain_id("test");
  beat.set_node(key.public_key().bytes());
  beat.set_node_epoch(epoch);
  beat.set_counter(counter);
  pb::SignedHeartbeat signed_beat;
  signed_beat.set_heartbeat(wire::encode(beat));
  signed_beat.set_signature(key.sign("mcloud/heartbeat", signed_beat.heartbeat()));
  return signed_beat;
}

pb::Node node_record(Client& client, std::string_view name) {
  Snapshot snapshot = must(client.get({keys::node(test_key(name).public_key())}));
  return must(wire::decode<pb::Node>(snapshot.entries[0].value.value(), "node"));
}

}  // namespace

TEST_CASE("a node that falls silent is fenced by the ledger, one that beats is not") {
  TestServer ledger(1'000);
  auto client = ledger.client();
  for (const Bytes& transaction : {ledger.create_farm("ann", "farm"), ledger.admit("ann", "farm", "silent"),
                                   ledger.admit("ann", "farm", "alive")}) {
    std::vector<SubmitOutcome> outcomes = must(client->submit({transaction}));
    REQUIRE_MESSAGE(outcomes[0].result.ok, outcomes[0].result.message);
  }
  uint64_t deadline_ms = ledger.clock().monotonic_ms() + 30'000;
  uint64_t counter = 0;
  while (node_record(*client, "silent").state() != pb::NODE_FENCED) {
    REQUIRE(ledger.clock().monotonic_ms() < deadline_ms);
    must(client->send_heartbeat(heartbeat("alive", ++counter)));
    must(client->wait_for_head(client->head().height, 100));
  }
  CHECK(node_record(*client, "alive").state() == pb::NODE_ONLINE);
  // It is told so.
  Status beat = client->send_heartbeat(heartbeat("silent", 1));
  CHECK(beat.error().code == Code::Conflict);
}

TEST_CASE("a heartbeat of an epoch that is not yet is refused, an older one counts") {
  TestServer ledger;
  auto client = ledger.client();
  must(client->submit({ledger.create_farm("ann", "farm")}));
  must(client->submit({ledger.admit("ann", "farm", "node")}));
  CHECK(client->send_heartbeat(heartbeat("node", 1, 2)).error().code == Code::Conflict);
  CHECK(client->send_heartbeat(heartbeat("node", 2, 1)).has_value());
  CHECK(client->send_heartbeat(heartbeat("node", 3, 0)).has_value());
}

TEST_CASE("a heartbeat for another chain, unsigned or not canonical does not verify") {
  pb::SignedHeartbeat good = heartbeat("node", 5);
  CHECK(must(verify_heartbeat(wire::encode(good), "test")).counter() == 5);
  CHECK(verify_heartbeat(wire::encode(good), "other").error().code == Code::Denied);
  CHECK(verify_heartbeat(wire::encode(good) + "x", "test").error().code == Code::Invalid);
  Bytes bytes = wire::encode(good);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    REQUIRE_FALSE(verify_heartbeat(flipped, "test").has_value());
  }
}
