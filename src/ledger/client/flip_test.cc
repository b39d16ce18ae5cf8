// One flipped bit in any reply must never become wrong data.
#include "crypto/hash.h"
#include "ledger/client/flip_proxy.h"
#include "ledger/engine/test_server.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr size_t kSmallReply = 700;  // every byte of those
constexpr size_t kSamples = 350;     // of larger ones

struct Fixture {
  TestServer ledger;
  FlipProxy proxy{ledger.server().port()};
  testing::SimulatedRandom random{21};
  size_t refused = 0;
  size_t correct = 0;

  Fixture() {
    auto client = ledger.client();
    for (const char* name : {"green", "blue", "red"}) must(client->submit({ledger.create_farm("ann", name)}));
    must(client->put_blob("the body of a contract"));
  }

  std::unique_ptr<Client> client() {
    std::string endpoint = "http://127.0.0.1:" + std::to_string(proxy.port());
    return must(Client::open({{endpoint}, ledger.server().trust(), "", 2'000}, ledger.clock()));
  }

  // `call` says whether it got an answer; it checks itself that an answer is right.
  template <typename Call>
  void flip_each_byte(Call call) {
    proxy.flip(SIZE_MAX);
    REQUIRE(call(*client()));
    size_t bytes = proxy.last_reply_bytes();
    REQUIRE(bytes > 50);
    bool is_small = bytes <= kSmallReply;
    for (size_t i = 0; i < (is_small ? bytes : kSamples); ++i) {
      size_t at = is_small ? i : random.below(bytes);
      proxy.flip(at * 8 + random.below(8));
      ++(call(*client()) ? correct : refused);
    }
    CHECK(refused > 0);
  }
};

}  // namespace

TEST_CASE("flipped bits: values and proofs") {
  Fixture fixture;
  Snapshot truth = must(fixture.ledger.client()->get({keys::farm("green"), keys::farm("absent")}));
  fixture.flip_each_byte([&](Client& client) {
    Result<Snapshot> snapshot = client.get({keys::farm("green"), keys::farm("absent")});
    if (!snapshot.has_value()) return false;
    CHECK(snapshot->head.hash == truth.head.hash);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(snapshot->entries[i].key == truth.entries[i].key);
      CHECK(snapshot->entries[i].value == truth.entries[i].value);
    }
    return true;
  });
  // Most of a reply is signed or proven; what is not (blanks of HTTP, header values) does not matter.
  CHECK(fixture.refused > fixture.correct * 3);
}

TEST_CASE("flipped bits: lists") {
  Fixture fixture;
  Snapshot truth = must(fixture.ledger.client()->list("farm/"));
  fixture.flip_each_byte([&](Client& client) {
    Result<Snapshot> snapshot = client.list("farm/");
    if (!snapshot.has_value()) return false;
    CHECK(snapshot->entries.size() == truth.entries.size());
    for (size_t i = 0; i < std::min(snapshot->entries.size(), truth.entries.size()); ++i) {
      CHECK(snapshot->entries[i].value == truth.entries[i].value);
    }
    return true;
  });
}

TEST_CASE("flipped bits: heads, sequence numbers and blobs") {
  Fixture fixture;
  ChainTip tip = fixture.ledger.server().tip();
  fixture.flip_each_byte([&](Client& client) {
    Result<std::optional<Head>> head = client.wait_for_head(0, 5);
    if (!head.has_value() || !head->has_value()) return false;
    CHECK((*head)->hash == tip.head.hash);
    return true;
  });
  fixture.flip_each_byte([&](Client& client) {
    Result<uint64_t> next = client.next_sequence(test_key("ann").public_key());
    if (next.has_value()) CHECK(*next == 4);
    return next.has_value();
  });
  Hash hash = crypto::blake2b("the body of a contract");
  fixture.flip_each_byte([&](Client& client) {
    Result<Bytes> blob = client.get_blob(hash);
    if (blob.has_value()) CHECK(*blob == "the body of a contract");
    return blob.has_value();
  });
  fixture.flip_each_byte([&](Client& client) { return client.put_blob("another body").has_value(); });
}

TEST_CASE("flipped bits: outcomes of submissions, executed and refused") {
  Fixture fixture;
  int made = 0;
  fixture.proxy.only("POST /v1/transactions");
  fixture.flip_each_byte([&](Client& client) {
    std::vector<Bytes> transactions = {fixture.ledger.create_farm("bob", "farm-" + std::to_string(++made)),
                                       fixture.ledger.create_farm("bob", "green")};
    Result<std::vector<SubmitOutcome>> outcomes = client.submit(transactions);
    if (!outcomes.has_value()) {
      // Whether it was executed is not known; the next one needs the right sequence number.
      fixture.ledger.set_sequence("bob",
                                  must(fixture.ledger.client()->next_sequence(test_key("bob").public_key())) - 1);
      return false;
    }
    CHECK((*outcomes)[0].result.ok);
    CHECK((*outcomes)[0].height == fixture.ledger.server().tip().head.height);
    CHECK_FALSE((*outcomes)[1].result.ok);
    CHECK((*outcomes)[1].result.code == Code::AlreadyExists);
    return true;
  });
}
