#include "ledger/engine/server.h"

#include <nlohmann/json.hpp>

#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/engine/test_server.h"
#include "wire/http_client.h"
#include "wire/json.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

std::unique_ptr<wire::HttpClient> http(TestServer& ledger) {
  return wire::HttpClient::create(must(wire::Endpoint::parse(ledger.endpoint())), {});
}

wire::HttpResponse get(TestServer& ledger, const std::string& target) { return must(http(ledger)->get(target)); }

uint64_t submit_one(Client& client, const Bytes& transaction) {
  std::vector<SubmitOutcome> outcomes = must(client.submit({transaction}));
  REQUIRE_MESSAGE(outcomes[0].result.ok, outcomes[0].result.message);
  return outcomes[0].height;
}

}  // namespace

TEST_CASE("what is submitted is executed, proven, and there after a restart") {
  TestServer ledger;
  auto client = ledger.client();
  uint64_t height = submit_one(*client, ledger.create_farm("ann", "green"));
  CHECK(height == 1);
  CHECK(client->head().height == 1);

  Snapshot snapshot = must(client->get({keys::farm("green"), keys::farm("absent")}));
  CHECK(snapshot.head.height >= 1);
  REQUIRE(snapshot.entries.size() == 2);
  auto farm = must(wire::decode<pb::Farm>(snapshot.entries[0].value.value(), "farm"));
  CHECK(farm.owner() == test_key("ann").public_key().view());
  CHECK_FALSE(snapshot.entries[1].value.has_value());
  CHECK(must(client->next_sequence(test_key("ann").public_key())) == 2);

  ChainTip before = ledger.server().tip();
  ledger.restart();
  CHECK(ledger.server().tip().head.hash == before.head.hash);
  auto again = ledger.client();
  CHECK(must(again->get({keys::farm("green")})).entries[0].value.has_value());
  CHECK(submit_one(*again, ledger.create_farm("ann", "blue")) == 2);
}

TEST_CASE(
    "the height of a submission is remembered like that of a read, so nothing older is believed after a restart") {
  TestServer ledger;
  testing::TemporaryFolder folder;
  uint64_t height = must(ledger.client(folder / "head")->submit({ledger.create_farm("ann", "green")}))[0].height;
  CHECK(height == 1);
  CHECK(ledger.client(folder / "head")->head().height == height);
}

TEST_CASE("a refused transaction says why, in a block or before it") {
  TestServer ledger;
  auto client = ledger.client();
  submit_one(*client, ledger.create_farm("ann", "green"));
  std::vector<SubmitOutcome> taken = must(client->submit({ledger.create_farm("bob", "green")}));
  CHECK_FALSE(taken[0].result.ok);
  CHECK(taken[0].result.code == Code::AlreadyExists);
  CHECK(taken[0].height == 2);

  Bytes stranger = ledger.create_farm("eve", "black");
  Bytes broken = ledger.create_farm("cyd", "grey");
  broken.back() = static_cast<char>(broken.back() ^ 1);
  std::vector<SubmitOutcome> refused = must(client->submit({stranger, broken, "junk"}));
  CHECK(refused[0].result.code == Code::Denied);
  CHECK(refused[1].result.code == Code::Denied);
  CHECK(refused[2].result.code == Code::Invalid);
  for (const SubmitOutcome& outcome : refused) CHECK(outcome.height == 0);
}

TEST_CASE("a hundred transactions of one sender go in one request, in order") {
  TestServer ledger;
  auto client = ledger.client();
  std::vector<Bytes> transactions;
  for (int i = 0; i < 100; ++i) transactions.push_back(ledger.create_farm("ann", "farm-" + std::to_string(i)));
  for (const SubmitOutcome& outcome : must(client->submit(transactions))) CHECK(outcome.result.ok);
  std::vector<SubmitOutcome> repeated = must(client->submit(transactions));
  for (const SubmitOutcome& outcome : repeated) CHECK(outcome.result.code == Code::Conflict);
  transactions.push_back("one more");
  CHECK(client->submit(transactions).error().code == Code::Invalid);
}

TEST_CASE("a list longer than a page comes whole and of one height") {
  TestServer ledger;
  auto client = ledger.client();
  for (int batch = 0; batch < 6; ++batch) {
    std::vector<Bytes> transactions;
    for (int i = 0; i < 100; ++i) {
      transactions.push_back(ledger.create_farm("ann", "f" + std::to_string(1000 + batch * 100 + i)));
    }
    must(client->submit(transactions));
  }
  Snapshot all = must(client->list("farm/"));
  CHECK(all.entries.size() == 600);
  CHECK(must(client->list("farm/f10")).entries.size() == 100);
  CHECK(must(client->list("nothing/")).entries.empty());
}

TEST_CASE("waiting for a head ends with the head, or with none at the deadline") {
  TestServer ledger;
  auto client = ledger.client();
  CHECK_FALSE(must(client->wait_for_head(0, 50)).has_value());
  CHECK(client->last_contact_ms() > 0);
  auto other = ledger.client();
  submit_one(*other, ledger.create_farm("ann", "green"));
  std::optional<Head> head = must(client->wait_for_head(0, 5'000));
  REQUIRE(head.has_value());
  CHECK(head->height == 1);
}

TEST_CASE("followers get each head as a server-sent event") {
  TestServer ledger;
  auto client = ledger.client();
  auto events = must(wire::EventReader::open(must(wire::Endpoint::parse(ledger.endpoint())),
                                             {.method = "GET", .target = "/v1/follow"}, {}));
  for (uint64_t height = 0; height < 3; ++height) {
    std::optional<wire::ServerEvent> event = must(events->next(5'000));
    REQUIRE(event.has_value());
    CHECK(event->name == "head");
    CHECK(event->id == std::to_string(height));
    VerifiedHead head = must(verify_head(ledger.server().trust(), must(from_base64(event->data))));
    CHECK(head.head.height == height);
    submit_one(*client, ledger.create_farm("ann", "farm-" + std::to_string(height)));
  }
}

TEST_CASE("blobs come back as they went in, and only by their hash") {
  TestServer ledger;
  auto client = ledger.client();
  Bytes bytes("body\0with zero", 14);
  must(client->put_blob(bytes));
  CHECK(must(client->get_blob(crypto::blake2b(bytes))) == bytes);
  CHECK(client->get_blob(crypto::blake2b("other")).error().code == Code::NotFound);
  ledger.restart();
  CHECK(must(ledger.client()->get_blob(crypto::blake2b(bytes))) == bytes);
}

TEST_CASE("heartbeats of strangers and forgeries are refused") {
  TestServer ledger;
  auto client = ledger.client();
  crypto::SigningKey node = test_key("node");
  pb::Heartbeat beat;
  beat.set_chain_id("test");
  beat.set_node(node.public_key().bytes());
  beat.set_node_epoch(1);
  beat.set_counter(1);
  pb::SignedHeartbeat signed_beat;
  signed_beat.set_heartbeat(wire::encode(beat));
  signed_beat.set_signature(node.sign("mcloud/heartbeat", signed_beat.heartbeat()));
  CHECK(client->send_heartbeat(signed_beat).error().code == Code::NotFound);
  signed_beat.set_signature(node.sign("mcloud/transaction", signed_beat.heartbeat()));
  CHECK(client->send_heartbeat(signed_beat).error().code == Code::Denied);
}

TEST_CASE("the API refuses what it does not understand, each with its reason") {
  TestServer ledger;
  auto status = [&](const std::string& target) { return get(ledger, target).status; };
  CHECK(status("/") == 404);
  CHECK(status("/v1/transactions") == 501);
  CHECK(status("/v1/state") == 400);
  CHECK(status("/v1/state?keys=xyz") == 400);
  CHECK(status("/v1/list?prefix=6&limit=1") == 400);
  CHECK(status("/v1/list?prefix=66&limit=-1") == 400);
  CHECK(status("/v1/blocks/99") == 404);
  CHECK(status("/v1/blocks/x") == 400);
  CHECK(status("/v1/blobs/00") == 400);
  CHECK(status("/v1/sequence?key=00") == 400);
  auto post = [&](const std::string& target, const std::string& body) {
    return must(http(ledger)->post_json(target, body)).status;
  };
  CHECK(post("/v1/transactions", "") == 400);
  CHECK(post("/v1/transactions", "{\"transactions\":[]}") == 400);
  CHECK(post("/v1/transactions", "{\"transactions\":[1]}") == 400);
  CHECK(post("/v1/transactions", "{\"transactions\":[\"!\"]}") == 400);
  CHECK(post("/v1/state", "{\"keys\":[1]}") == 400);
  CHECK(post("/v1/heartbeats", "junk") == 400);
  CHECK(post("/v1/blobs", "") == 400);
}

TEST_CASE("status, metrics, blocks and a snapshot are served") {
  TestServer ledger;
  auto client = ledger.client();
  submit_one(*client, ledger.create_farm("ann", "green"));
  auto status = nlohmann::json::parse(get(ledger, "/v1/status").body);
  CHECK(status["height"] == 1);
  CHECK(status["healthy"] == true);
  CHECK(get(ledger, "/metrics").body.find("ledger_height 1\n") != std::string::npos);
  auto answer = nlohmann::json::parse(get(ledger, "/v1/blocks/1").body);
  auto block = must(wire::decode<pb::Block>(must(from_base64(answer["block"].get<std::string>())), "block"));
  CHECK(block.transactions_size() == 1);
  CHECK(must(from_base64(answer["results"].get<std::string>())) == Bytes(1, '\0'));
  CHECK(get(ledger, "/v1/snapshot").body.starts_with("MCSTATE1"));
  std::string key = test_key("ann").public_key().hex();
  CHECK(get(ledger, "/v1/sequence?key=" + key).body == "{\"next\":2}");
}

TEST_CASE("a block tells, provably, what became of each of its transactions, however many it refused") {
  TestServer ledger;
  auto client = ledger.client();
  std::vector<Bytes> transactions;
  for (uint64_t i = 0; i < 60; ++i) {
    std::string name = i % 3 == 0 ? "taken" : i % 3 == 1 ? "Bad Name" : "farm" + std::to_string(i);
    transactions.push_back(farm_transaction("ann", name, i + 1));
  }
  uint64_t height = must(client->submit(transactions)).back().height;
  size_t refused = 0;
  for (uint64_t at = 1; at <= height; ++at) {
    auto answer = nlohmann::json::parse(get(ledger, "/v1/blocks/" + std::to_string(at)).body);
    auto block = must(wire::decode<pb::Block>(must(from_base64(answer["block"].get<std::string>())), "block"));
    Bytes results = must(from_base64(answer["results"].get<std::string>()));
    VerifiedHead head = must(verify_head(client->trust(), wire::encode(block.head())));
    auto count = static_cast<size_t>(block.transactions_size());
    CHECK(verify_results(head.header, results, count).has_value());
    for (char result : results) refused += refusal_of(static_cast<uint8_t>(result)).has_value() ? 1 : 0;
    for (size_t i = 0; i < results.size(); ++i) {
      Bytes wrong = results;
      wrong[i] = static_cast<char>(wrong[i] ^ 1);
      CHECK(verify_results(head.header, wrong, count).error().code == Code::Denied);
    }
    CHECK(verify_results(head.header, results + '\0', count).error().code == Code::Denied);
  }
  CHECK(refused == 39);  // 19 times the name is taken, 20 times it is none
  CHECK(refusal_of(1 + static_cast<int>(Code::Denied)) == Code::Denied);
}

TEST_CASE("transactions that nobody waits for are executed all the same") {
  TestServer ledger;
  auto client = ledger.client();
  std::string body = "{\"transactions\":[\"" + to_base64(ledger.create_farm("ann", "green")) + "\"],\"wait\":false}";
  wire::HttpResponse response = must(http(ledger)->post_json("/v1/transactions", body));
  CHECK(response.body == "{\"results\":[{\"height\":0,\"ok\":true}]}");
  REQUIRE(must(client->wait_for_head(0, 5'000)).has_value());
  CHECK(must(client->get({keys::farm("green")})).entries[0].value.has_value());
}

TEST_CASE("two servers cannot run in one folder") {
  TestServer ledger;
  Server::Options options;
  options.data_folder = ledger.folder();
  Result<std::unique_ptr<Server>> second = Server::start(options);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == Code::Conflict);
}

TEST_CASE("an idle ledger makes no blocks") {
  TestServer ledger;
  auto client = ledger.client();
  CHECK_FALSE(must(client->wait_for_head(0, 1'200)).has_value());
}
