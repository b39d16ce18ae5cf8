// The client against servers that lie, lag or are away.
#include "ledger/client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/clock.h"
#include "io/file.h"
#include "ledger/client/test_heads.h"
#include "ledger/guarded.h"
#include "ledger/tree/proof.h"
#include "ledger/tree/tree.h"
#include "testing/temporary_folder.h"
#include "wire/http_server.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

template <typename T>
T must(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result.has_value() ? std::string() : result.error().message));
  return std::move(*result);
}

// Says of any one key that its value is `value`, with a right proof, at whatever height a test wants.
class FakeLedger {
 public:
  struct Says {
    uint64_t height = 1;
    Bytes value = "value";
    std::vector<int> signers = {0};
    int status = 200;
    std::string instead;  // a body in place of all this
  };

  FakeLedger() {
    server_ = must(wire::HttpServer::start({}, [this](const wire::HttpRequest& request) { return answer(request); }));
  }
  void say(const Says& says) { says_.set(says); }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

 private:
  wire::HttpAnswer answer(const wire::HttpRequest& request) {
    Says says = says_.copy();
    wire::HttpResponse response;
    response.status = says.status;
    response.body = says.instead.empty() ? body(request, says) : says.instead;
    return response;
  }
  static std::string body(const wire::HttpRequest& request, const Says& says) {
    std::string hex = request.parameter("keys").value_or("");
    Bytes key = from_hex(hex).value_or("");
    tree::MemoryNodes nodes;
    Hash state_hash = tree::update(nodes, {{key, says.value}}).value();
    std::string head = to_base64(signed_head(test_header(says.height, state_hash), says.signers));
    if (request.path() == "/v1/head") return "{\"head\":\"" + head + "\"}";
    return "{\"head\":\"" + head + "\",\"entries\":[{\"key\":\"" + hex + "\",\"value\":\"" + to_base64(says.value) +
           "\",\"proof\":\"" + to_base64(tree::prove(nodes, key)->encode()) + "\"}],\"more\":false}";
  }

  Guarded<Says> says_;
  std::unique_ptr<wire::HttpServer> server_;
};

struct Fixture {
  FakeLedger ledger;
  io::SystemClock clock;
  testing::TemporaryFolder folder;

  std::unique_ptr<Client> client(std::vector<std::string> endpoints = {}) {
    if (endpoints.empty()) endpoints = {ledger.endpoint()};
    return must(Client::open({endpoints, test_trust({1}), folder / "head", 2'000}, clock));
  }
};

}  // namespace

TEST_CASE("a server that falls back behind what was seen is not believed, not even after a restart") {
  Fixture fixture;
  fixture.ledger.say({.height = 10});
  auto client = fixture.client();
  CHECK(must(client->get({"k"})).entries[0].value == "value");
  fixture.ledger.say({.height = 9, .value = "old"});
  CHECK(client->get({"k"}).error().code == Code::Unavailable);
  client = fixture.client();
  CHECK(client->head().height == 10);
  CHECK(client->get({"k"}).error().code == Code::Unavailable);
  fixture.ledger.say({.height = 11, .value = "new"});
  CHECK(must(client->get({"k"})).entries[0].value == "new");
}

TEST_CASE("two blocks of one height are a lie, whoever signed them") {
  Fixture fixture;
  fixture.ledger.say({.height = 10, .value = "one"});
  auto client = fixture.client();
  must(client->get({"k"}));
  fixture.ledger.say({.height = 10, .value = "two"});
  CHECK(client->get({"k"}).error().code == Code::Denied);
}

TEST_CASE("heads that strangers signed are a lie") {
  Fixture fixture;
  fixture.ledger.say({.signers = {7}});
  CHECK(fixture.client()->get({"k"}).error().code == Code::Denied);
  fixture.ledger.say({.signers = {}});
  CHECK(fixture.client()->get({"k"}).error().code == Code::Denied);
}

TEST_CASE("an honest server is found behind one that lies, one that lags and one that is away") {
  Fixture fixture;
  FakeLedger liar;
  FakeLedger laggard;
  liar.say({.height = 50, .signers = {3}});
  laggard.say({.height = 2});
  fixture.ledger.say({.height = 10});
  auto client =
      fixture.client({"unix:/nowhere/socket", liar.endpoint(), fixture.ledger.endpoint(), laggard.endpoint()});
  CHECK(must(client->get({"k"})).head.height == 10);
  fixture.ledger.say({.status = 500, .instead = "{}"});
  Result<Snapshot> none = client->get({"k"});
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == Code::Denied);  // the worst that was met
}

TEST_CASE("an answer for another key, without its proof, or no JSON at all is refused") {
  Fixture fixture;
  auto client = fixture.client();
  fixture.ledger.say({.height = 3});
  Snapshot good = must(client->get({"k"}));
  for (const std::string& instead : {std::string("{}"), std::string("[]"), std::string("{\"head\":1}"),
                                     std::string("not json"), std::string("{\"head\":null,\"entries\":[]}")}) {
    fixture.ledger.say({.instead = instead});
    CHECK(client->get({"k"}).error().code == Code::Denied);
  }
  fixture.ledger.say({.height = 4});
  CHECK(client->get({"k", "l"}).error().code != Code::Internal);
  CHECK(client->get({}).error().code == Code::Invalid);
}

TEST_CASE("nobody to ask is Unavailable, at once, and a wait for a head ends at its deadline") {
  Fixture fixture;
  auto client = fixture.client({"unix:/nowhere/socket"});
  CHECK(client->get({"k"}).error().code == Code::Unavailable);
  uint64_t start_ms = fixture.clock.monotonic_ms();
  CHECK(client->wait_for_head(0, 300).error().code == Code::Unavailable);
  CHECK(fixture.clock.monotonic_ms() - start_ms < 5'000);
  CHECK(client->last_contact_ms() == 0);
}

TEST_CASE("a server that takes connections and never answers does not hold a wait much longer than asked") {
  Fixture fixture;
  io::Fd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(silent.get(), 8) == 0);
  REQUIRE(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  auto client = fixture.client({"http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))});
  uint64_t start_ms = fixture.clock.monotonic_ms();
  CHECK(client->wait_for_head(0, 200).error().code == Code::TimedOut);
  CHECK(client->get({"k"}).error().code == Code::TimedOut);
  CHECK(fixture.clock.monotonic_ms() - start_ms < 15'000);
}

TEST_CASE("the remembered head guards itself: another chain's, a damaged one or no head is refused") {
  Fixture fixture;
  fixture.ledger.say({.height = 10});
  must(fixture.client()->get({"k"}));
  std::string path = fixture.folder / "head";
  Bytes bytes = must(io::read_file(path));
  for (size_t at = 0; at < bytes.size(); at += 5) {
    Bytes damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    REQUIRE(io::write_file(path, damaged, io::Durability::None).has_value());
    Client::Options options{{fixture.ledger.endpoint()}, test_trust({1}), path, 1'000};
    CHECK(Client::open(options, fixture.clock).error().code == Code::Corrupt);
  }
}

TEST_CASE("a malformed endpoint or none is refused when the client is opened") {
  io::SystemClock clock;
  CHECK(Client::open({{}, test_trust({1}), "", 1'000}, clock).error().code == Code::Invalid);
  CHECK(Client::open({{"ftp://x"}, test_trust({1}), "", 1'000}, clock).error().code == Code::Invalid);
}
