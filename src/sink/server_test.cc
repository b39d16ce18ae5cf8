#include "sink/server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "crypto/hash.h"
#include "io/clock.h"
#include "io/file.h"
#include "sink/client.h"
#include "testing/temporary_folder.h"
#include "wire/canonical.h"
#include "wire/http_client.h"

using namespace mcloud;
using namespace mcloud::sink;

namespace {

crypto::SigningKey key(std::string_view name) { return *crypto::SigningKey::from_seed(crypto::blake2b(name).view()); }
ContractId contract(std::string_view name) { return *ContractId::from_bytes(crypto::blake2b(name).view()); }

const crypto::SigningKey kNode = key("node");
const crypto::SigningKey kOther = key("other node");
const crypto::SigningKey kOwner = key("owner");
const crypto::SigningKey kStranger = key("stranger");
const ContractId kHello = contract("hello");
const ContractId kForeign = contract("foreign");

class FixedDirectory final : public Directory {
 public:
  Result<NodeEntry> node(const NodeId& id, bool) override {
    if (id == kNode.public_key()) return NodeEntry{.name = "n1", .contracts = {kHello}};
    if (id == kOther.public_key()) return NodeEntry{.name = "n2", .contracts = {kForeign}};
    return make_error(Code::NotFound, "no such node");
  }
  Result<PublicKey> owner(const ContractId& id) override {
    if (id == kHello) return kOwner.public_key();
    if (id == kForeign) return kStranger.public_key();
    return make_error(Code::NotFound, "no such contract");
  }
};

pb::LogBatch lines(std::initializer_list<const char*> texts, const ContractId& id = kHello,
                   const std::string& workload = "web") {
  pb::LogLines plain;
  uint64_t time = 1'700'000'000'000'000'000;
  for (const char* text : texts) {
    pb::LogLine& line = *plain.add_lines();
    line.set_time_ns(++time);
    line.set_text(text);
  }
  auto batch = seal_lines(id == kHello ? kOwner.public_key() : kStranger.public_key(), id, plain);
  REQUIRE(batch.has_value());
  batch->set_workload(workload);
  return *batch;
}

class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(int64_t shift_ms) : shift_ms_(shift_ms) {}
  uint64_t monotonic_ms() const override { return clock_.monotonic_ms(); }
  uint64_t wall_ms() const override { return clock_.wall_ms() + static_cast<uint64_t>(shift_ms_); }

 private:
  io::SystemClock clock_;
  int64_t shift_ms_;
};

class World {
 public:
  explicit World(uint64_t quota = 4 << 20) : quota_(quota) {
    log::set_level(log::Level::Error);
    start();
  }
  void start() {
    Server::Options options{
        .folder = folder_ / "sink", .chain_id = "test", .limits = {.quota_bytes = quota_}, .keep_alive_ms = 100};
    auto server = Server::start(options, std::make_unique<FixedDirectory>(), clock_);
    REQUIRE_MESSAGE(server.has_value(), (server.has_value() ? "" : server.error().message));
    server_ = std::move(*server);
  }
  void restart() {
    server_.reset();
    start();
  }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  std::unique_ptr<Pusher> pusher(const crypto::SigningKey& node, const std::string& chain = "test") {
    return std::move(*Pusher::open({.endpoint = endpoint(), .chain_id = chain}, node, clock_));
  }
  std::unique_ptr<Reader> reader(const crypto::SigningKey& owner, const Clock* clock = nullptr) {
    return std::move(
        *Reader::open({.endpoint = endpoint(), .chain_id = "test"}, owner, clock == nullptr ? clock_ : *clock));
  }
  wire::HttpResponse get(const std::string& target, std::map<std::string, std::string> headers = {}) {
    auto http = wire::HttpClient::create(*wire::Endpoint::parse(endpoint()), {});
    wire::HttpRequest request{.target = target, .headers = std::move(headers)};
    return *http->send(request);
  }
  const std::string& folder() const { return folder_.path(); }
  io::SystemClock clock_;

 private:
  uint64_t quota_;
  testing::TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
};

std::vector<std::string> texts(const crypto::SigningKey& owner, const std::vector<pb::StoredBatch>& batches) {
  std::vector<std::string> all;
  for (const pb::StoredBatch& batch : batches) {
    auto opened = open_lines(owner, batch.batch());
    REQUIRE(opened.has_value());
    for (const pb::LogLine& line : opened->lines()) all.push_back(line.text());
  }
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("what a node pushes its contract's owner reads, and only the owner's key opens it") {
  World world;
  CHECK(*world.pusher(kNode)->push({lines({"one", "two"}), lines({"three"})}, "") == 0);
  auto page = world.reader(kOwner)->read({.contract = kHello});
  REQUIRE(page.has_value());
  CHECK(texts(kOwner, page->batches) == Texts{"one", "two", "three"});
  CHECK(!page->has_more);
  CHECK(open_lines(kStranger, page->batches[0].batch()).error().code == Code::Denied);
  // A box moved under another contract's name opens for nobody.
  pb::LogBatch moved = page->batches[0].batch();
  moved.set_contract(kForeign.bytes());
  CHECK(open_lines(kOwner, moved).error().code == Code::Denied);
}

TEST_CASE("no line stands in clear on the sink's disk") {
  World world;
  CHECK(*world.pusher(kNode)->push({lines({"a very secret line"})}, "") == 0);
  auto names = io::list_folder(world.folder() + "/sink/logs/" + kHello.hex());
  REQUIRE(names->size() == 1);
  Bytes stored = *io::read_file(world.folder() + "/sink/logs/" + kHello.hex() + "/" + names->front());
  CHECK(stored.size() > 50);
  CHECK(stored.find("secret") == Bytes::npos);
}

TEST_CASE("a reader asks for one workload, from a number on, or for the newest") {
  World world;
  auto pusher = world.pusher(kNode);
  CHECK(*pusher->push({lines({"1"}), lines({"2"}, kHello, "db"), lines({"3"}), lines({"4"})}, "") == 0);
  auto reader = world.reader(kOwner);
  CHECK(texts(kOwner, reader->read({.contract = kHello, .workload = "web"})->batches) == Texts{"1", "3", "4"});
  CHECK(texts(kOwner, reader->read({.contract = kHello, .after = 2})->batches) == Texts{"3", "4"});
  CHECK(texts(kOwner, reader->read({.contract = kHello, .workload = "web", .newest = 2})->batches) == Texts{"3", "4"});
  CHECK(texts(kOwner, reader->read({.contract = kHello, .index = 7})->batches).empty());
}

TEST_CASE("nobody but the owner reads, and a stranger cannot tell what is there") {
  World world;
  CHECK(*world.pusher(kNode)->push({lines({"one"})}, "") == 0);
  auto foreign = world.reader(kStranger)->read({.contract = kHello});
  auto absent = world.reader(kStranger)->read({.contract = contract("none")});
  REQUIRE(!foreign.has_value());
  REQUIRE(!absent.has_value());
  CHECK(foreign.error().code == Code::Denied);
  CHECK(foreign.error().message == absent.error().message);
  CHECK(world.get("/v1/logs?contract=" + kHello.hex()).status == wire::http_status(Code::Invalid));
}

TEST_CASE("a signature is good for one request, one chain and a minute") {
  World world;
  std::string target = "/v1/logs?contract=" + kHello.hex() + "&after=0";
  std::string now = std::to_string(world.clock_.wall_ms());
  auto headers = [&](const std::string& chain, const std::string& signed_target) {
    return std::map<std::string, std::string>{
        {"x-mcloud-key", kOwner.public_key().hex()},
        {"x-mcloud-time", now},
        {"x-mcloud-signature", to_base64(kOwner.sign(kDomain, read_statement({chain, signed_target, now})))}};
  };
  CHECK(world.get(target, headers("test", target)).status == 200);
  CHECK(world.get(target + "&workload=db", headers("test", target)).status == wire::http_status(Code::Denied));
  CHECK(world.get(target, headers("other", target)).status == wire::http_status(Code::Denied));
  ShiftedClock late(-61'000), early(61'000), near(-50'000);
  CHECK(world.reader(kOwner, &late)->read({.contract = kHello}).error().code == Code::Denied);
  CHECK(world.reader(kOwner, &early)->read({.contract = kHello}).error().code == Code::Denied);
  CHECK(world.reader(kOwner, &near)->read({.contract = kHello}).has_value());
}

TEST_CASE("only admitted nodes push, in their own name, for contracts they run, each push once") {
  World world;
  CHECK(world.pusher(kStranger)->push({lines({"x"})}, "").error().code == Code::NotFound);
  CHECK(world.pusher(kNode, "other")->push({lines({"x"})}, "").error().code == Code::Denied);
  CHECK(*world.pusher(kOther)->push({lines({"x"})}, "") == 1);  // not its contract
  CHECK(*world.pusher(kNode)->push({lines({"mine"}), lines({"x"}, kForeign)}, "") == 1);

  pb::Push push;
  push.set_chain_id("test");
  push.set_node(kNode.public_key().bytes());
  push.set_counter(UINT64_MAX);
  *push.add_logs() = lines({"again"});
  pb::SignedPush signed_push;
  signed_push.set_push(wire::encode(push));
  signed_push.set_signature(kOther.sign(kDomain, signed_push.push()));
  auto http = wire::HttpClient::create(*wire::Endpoint::parse(world.endpoint()), {});
  wire::HttpRequest request{.method = "POST", .target = "/v1/push"};
  request.body = wire::encode(signed_push);
  CHECK(http->send(request)->status == wire::http_status(Code::Denied));
  signed_push.set_signature(kNode.sign(kDomain, signed_push.push()));
  request.body = wire::encode(signed_push);
  CHECK(http->send(request)->status == 200);
  CHECK(http->send(request)->status == wire::http_status(Code::Conflict));
  CHECK(texts(kOwner, world.reader(kOwner)->read({.contract = kHello})->batches) == Texts{"mine", "again"});
}

TEST_CASE("one contract's flood drops its own oldest lines and the reader is told") {
  World world(64 << 10);
  auto pusher = world.pusher(kNode);
  std::string filler(2'000, 'x');
  for (int i = 0; i < 100; ++i) CHECK(*pusher->push({lines({filler.c_str()})}, "") == 0);
  auto page = world.reader(kOwner)->read({.contract = kHello});
  REQUIRE(page.has_value());
  CHECK(page->first_number > 50);
  CHECK(page->batches.front().number() == page->first_number);
  CHECK(page->batches.back().number() == 100);
}

TEST_CASE("lines survive a restart of the sink") {
  World world;
  CHECK(*world.pusher(kNode)->push({lines({"one"})}, "") == 0);
  world.restart();
  CHECK(*world.pusher(kNode)->push({lines({"two"})}, "") == 0);
  CHECK(texts(kOwner, world.reader(kOwner)->read({.contract = kHello})->batches) == Texts{"one", "two"});
}

TEST_CASE("a follower gets what was there and then what comes, in order and without a gap") {
  World world;
  auto pusher = world.pusher(kNode);
  CHECK(*pusher->push({lines({"0"})}, "") == 0);
  std::atomic<int> seen = 0;
  Texts got;
  std::thread follower([&] {
    auto reader = world.reader(kOwner);
    Status ended = reader->follow(
        {.contract = kHello},
        [&](const pb::StoredBatch& batch) {
          for (const std::string& text : texts(kOwner, {batch})) got.push_back(text);
          return ++seen < 50;
        },
        [] { return true; });
    CHECK(ended.has_value());
  });
  for (int i = 1; i < 50; ++i) CHECK(*pusher->push({lines({std::to_string(i).c_str()})}, "") == 0);
  follower.join();
  Texts wanted;
  for (int i = 0; i < 50; ++i) wanted.push_back(std::to_string(i));
  CHECK(got == wanted);
}

TEST_CASE("a follower that has enough goes, and one whose sink ends is told") {
  World world;
  CHECK(*world.pusher(kNode)->push({lines({"one"})}, "") == 0);
  std::atomic<bool> is_wanted = true;
  CHECK(world.reader(kOwner)
            ->follow(
                {.contract = kHello},
                [&](const pb::StoredBatch&) {
                  is_wanted = false;
                  return true;
                },
                [&] { return is_wanted.load(); })
            .has_value());
  CHECK(world.reader(kOwner)
            ->follow(
                {.contract = kHello}, [](const pb::StoredBatch&) { return false; }, [] { return true; })
            .has_value());
}

TEST_CASE("metrics of all nodes are one page, each with its node's name") {
  World world;
  CHECK(*world.pusher(kNode)->push({}, "# TYPE node_load1 gauge\nnode_load1 0.5\n") == 0);
  CHECK(*world.pusher(kOther)->push({}, "# TYPE node_load1 gauge\nnode_load1 1.5\n") == 0);
  CHECK(world.pusher(kNode)->push({}, "not metrics").error().code == Code::Invalid);
  std::string page = world.get("/metrics").body;
  CHECK(page.find("node_load1{node=\"n1\"} 0.5\n") != std::string::npos);
  CHECK(page.find("node_load1{node=\"n2\"} 1.5\n") != std::string::npos);
  CHECK(page.find("sink_nodes 2\n") != std::string::npos);
}

TEST_CASE("bytes that are no push are refused and harm nothing") {
  World world;
  auto http = wire::HttpClient::create(*wire::Endpoint::parse(world.endpoint()), {});
  wire::HttpRequest request{.method = "POST", .target = "/v1/push"};
  for (const Bytes& body : {Bytes(), Bytes("garbage"), Bytes(1'000, '\xff')}) {
    request.body = body;
    CHECK(http->send(request)->status / 100 == 4);
  }
  CHECK(world.get("/nothing").status == 404);
  CHECK(world.get("/health").status == 200);
}

TEST_CASE("a node whose clock went back is heard again within a few tries") {
  World world;
  ShiftedClock ahead(30ll * 86'400'000);
  auto before = std::move(*Pusher::open({.endpoint = world.endpoint(), .chain_id = "test"}, kNode, ahead));
  REQUIRE(before->push({lines({"one"})}, "").has_value());
  auto after = world.pusher(kNode);
  int tries = 0;
  Result<uint32_t> pushed = after->push({lines({"two"})}, "");
  for (; !pushed.has_value() && tries < 30; ++tries) {
    CHECK(pushed.error().code == Code::Conflict);
    pushed = after->push({lines({"two"})}, "");
  }
  CHECK(pushed.has_value());
  CHECK(tries <= 17);
  CHECK(world.reader(kOwner)->read({.contract = kHello})->batches.size() == 2);
}
