// A managed server and who may do what: the node's agent at the unix socket, administrators, strangers.
#include <doctest/doctest.h>

#include "io/clock.h"
#include "io/disk.h"
#include "kv/replication/replication.h"
#include "kv/server.h"
#include "kv/test_client.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

struct Managed {
  explicit Managed(Dialect dialect = Dialect::Redis, uint64_t bytes_max = 0) {
    ServiceOptions& service = options.service;
    options.socket_path = folder / "socket";
    service.dialect = dialect;
    service.is_managed = service.has_agent_socket = service.is_private = true;
    service.admin_password = "secret";
    service.folder = folder / "kv";
    service.defaults.durability = Durability::Always;
    service.defaults.bytes_max = bytes_max;
    start();
  }
  void start() {
    store = Store::open(disk, clock, {.folder = folder / "kv", .segment_bytes = 1 << 20,
                                      .defaults = options.service.defaults})
                .value();
    server = Server::start(*store, disk, clock, random, options).value();
  }
  void stop() {
    server.reset();
    store.reset();
  }
  std::string ask(TestClient client, const std::vector<std::vector<std::string_view>>& requests) {
    for (const auto& words : requests) REQUIRE(client.say(words));
    client.end_sending();
    return client.receive(1 << 20);
  }
  std::string stranger(const std::vector<std::string_view>& words) { return ask(TestClient(server->port()), {words}); }
  std::string administrator(const std::vector<std::string_view>& words) {
    return ask(TestClient(server->port()), {{"AUTH", "secret"}, words});
  }
  std::string agent(const std::vector<std::string_view>& words) {
    return ask(TestClient(options.socket_path), {words});
  }
  std::string lead() { return agent({"GROUP", "LEAD", "1", "0.1", "1", "1", "0.1", "0.1"}); }

  testing::TemporaryFolder folder;
  io::SystemDisk disk;
  io::SystemClock clock;
  io::SystemRandom random;
  ServerOptions options;
  std::unique_ptr<Store> store;
  std::unique_ptr<Server> server;
};

}  // namespace

TEST_CASE("the agent's orders come by the unix socket, without a password, and by no other way") {
  Managed kv;
  CHECK_EQ(kv.stranger({"GROUP", "PROMISE", "9"}), "-NOAUTH Authentication required.\r\n");
  CHECK_EQ(kv.administrator({"GROUP", "PROMISE", "9"}),
           "+OK\r\n-NOPERM the orders of the node's agent come by the unix socket\r\n");
  CHECK(kv.lead().find("master") != std::string::npos);
  CHECK_EQ(kv.administrator({"SET", "k", "v"}), "+OK\r\n+OK\r\n");
}

TEST_CASE("in a private server a stranger does nothing but give the password") {
  Managed kv;
  kv.lead();
  CHECK_EQ(kv.stranger({"PING"}), "+PONG\r\n");
  for (std::vector<std::string_view> words : {std::vector<std::string_view>{"GET", "k"}, {"SET", "k", "v"}, {"DBSIZE"},
                                              {"MULTI"}, {"INFO"}, {"ROLE"}, {"SELECT", "0"}, {"FLUSHDB"}})
    CHECK_EQ(kv.stranger(words), "-NOAUTH Authentication required.\r\n");
  Managed old(Dialect::Zdb);
  CHECK_EQ(old.stranger({"GET", "k"}), "-Permission denied\r\n");
  CHECK_EQ(old.stranger({"SELECT", "default"}), "-Permission denied\r\n");
}

TEST_CASE("the password that a managed server tells its master is not kept beside the data") {
  Managed kv;
  kv.stop();
  kv.options.service.upstream_password = "secret";
  kv.start();
  CHECK(kv.agent({"GROUP", "FOLLOW", "1", "0.1", "127.0.0.1", "1"}).find("follower") != std::string::npos);
  kv.stop();
  Bytes role = io::read_file(kv.folder / "kv/role").value();
  CHECK(role.find("follower") != std::string::npos);
  CHECK(role.find(to_hex("secret")) == std::string::npos);
}

TEST_CASE("what a managed server is started with goes for the data that is there, once it leads") {
  Managed kv;
  kv.lead();
  REQUIRE_EQ(kv.administrator({"SET", "k", "v"}), "+OK\r\n+OK\r\n");
  kv.stop();
  kv.options.service.defaults.bytes_max = 1 << 20;
  kv.options.service.defaults.history = {History::Keep::LastVersions, 2};
  kv.start();
  CHECK_EQ(kv.store->find("default")->settings().bytes_max, 0);
  kv.lead();
  Settings settings = kv.store->find("default")->settings();
  CHECK_EQ(settings.bytes_max, 1 << 20);
  CHECK_EQ(settings.history.amount, 2);
  CHECK(kv.administrator({"SET", "big", std::string(2 << 20, 'x')}).find("OOM") != std::string::npos);
}
