// Followers that speak TLS to their masters, between real servers.
#include <atomic>
#include <thread>

#include "io/test_certificates.h"
#include "kv/replication/test_servers.h"
#include "kv/server_socket.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

// Two authorities and what servers need of them.
struct Certificates {
  ServerOptions master(const std::string& names = "DNS:localhost,IP:127.0.0.1") {
    ServerOptions options;
    options.tls = authority.issue("master", names);
    return options;
  }
  static ServerOptions follower(const io::TestAuthority& believed, io::TlsFiles own = {}) {
    ServerOptions options;
    options.service.upstream_tls = std::move(own);
    options.service.upstream_tls.authority = believed.path();
    return options;
  }
  testing::TemporaryFolder folder;
  io::TestAuthority authority{folder.path(), "authority"}, other{folder.path(), "other"};
};

void follow(Node& follower, uint16_t port, const std::string& host = "localhost") {
  REQUIRE_EQ(follower.ask({"FOLLOW", host, std::to_string(port)}), "+OK\r\n");
}

// The follower is connected to nobody and says why in these words.
bool is_refused(Node& follower, const std::string& reason) {
  auto says = [&] {
    std::string info = follower.ask({"INFO", "replication"});
    size_t begin = info.find("master_link_problem:");
    if (begin == std::string::npos || info.find("master_link_status:down") == std::string::npos) return false;
    return info.substr(begin, info.find("\r\n", begin) - begin).find(reason) != std::string::npos;
  };
  bool is_said = eventually(says);
  if (!is_said) MESSAGE(follower.ask({"INFO", "replication"}));
  return is_said && follower.ask({"ROLE"}).find(bulk("connect")) != std::string::npos;
}

// A client that writes `count` values in one go; the number of them that were acknowledged.
int write_all(Node& node, const std::string& who, int count, size_t size) {
  Bytes requests;
  for (int i = 0; i < count; i++)
    requests += wire::resp_request({"SET", who + std::to_string(i), std::to_string(i) + std::string(size, 'v')});
  TestClient client = node.client();
  if (!client.send(requests)) return 0;
  Bytes answers = client.receive(5 * static_cast<size_t>(count));
  int good = 0;
  for (size_t at = answers.find("+OK\r\n"); at != Bytes::npos; at = answers.find("+OK\r\n", at + 5)) good++;
  return good;
}

}  // namespace

TEST_CASE("followers by TLS copy what is there, keep up under load, and their acknowledgements count") {
  Certificates certificates;
  ServerOptions between = Certificates::follower(certificates.authority);
  between.tls = certificates.authority.issue("between");
  ServerOptions threaded = certificates.master();
  threaded.threads = 2;
  Node master(threaded), one(between), chained(Certificates::follower(certificates.authority));
  std::string large(3 << 20, 'v');
  REQUIRE_EQ(master.ask({"SET", "large", large}), "+OK\r\n");
  follow(one, master.server->tls_port());
  follow(chained, one.server->tls_port(), "127.0.0.1");
  REQUIRE_EQ(master.ask({"MIN-REPLICAS", "1"}), "+OK\r\n");
  constexpr int kWriters = 4, kWrites = 150;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < kWriters; i++)
      writers.emplace_back([&, i] { good += write_all(master, std::to_string(i) + ".", kWrites, i == 0 ? 10 : 40'000); });
  }
  CHECK_EQ(good, kWriters * kWrites);
  // Whatever was acknowledged is on the follower's disk by then.
  CHECK_EQ(one.end(), master.end());
  CHECK_EQ(one.store->find("default")->durable_position(), one.end());
  CHECK(eventually([&] { return chained.end() == master.end(); }));
  for (Node* node : {&one, &chained}) {
    CHECK(eventually([&] { return node->get("0.149") == bulk("149vvvvvvvvvv"); }));
    for (std::string key : {"1.0", "2.75", "3.149"}) {
      bool is_same = node->get(key) == master.get(key) && node->get(key).size() > 40'000;
      CHECK(is_same);
    }
    bool is_whole = node->get("large") == bulk(large);
    CHECK(is_whole);
  }
}

TEST_CASE("a master of another authority, or with a certificate for another host, is not followed, and INFO says why") {
  Certificates certificates;
  Node master(certificates.master()), elsewhere(certificates.master("DNS:elsewhere"));
  REQUIRE_EQ(master.ask({"SET", "k", "v"}), "+OK\r\n");
  Node suspicious(Certificates::follower(certificates.other)), one(Certificates::follower(certificates.authority));
  follow(suspicious, master.server->tls_port());
  CHECK(is_refused(suspicious, "localhost port " + std::to_string(master.server->tls_port()) +
                                   ": TLS: the peer's certificate: unable to get local issuer certificate"));
  follow(one, elsewhere.server->tls_port());
  CHECK(is_refused(one, "TLS: the peer's certificate: hostname mismatch"));
  follow(one, elsewhere.server->tls_port(), "127.0.0.1");
  CHECK(is_refused(one, "TLS: the peer's certificate: IP address mismatch"));
  CHECK_FALSE(suspicious.store->find("default")->contains("k"));
  follow(one, master.server->tls_port());
  CHECK(eventually([&] { return one.get("k") == bulk("v"); }));
}

TEST_CASE("TLS to a port without it and bytes to a port with it end with the reason and leave nothing behind") {
  Certificates certificates;
  Node master(certificates.master()), plain, one(Certificates::follower(certificates.authority));
  follow(plain, master.server->tls_port());
  CHECK(is_refused(plain, "it ended without an answer: a port for TLS needs follow-tls-ca"));
  follow(one, master.server->port());
  CHECK(is_refused(one, "TLS: wrong version number"));
  for (Node* node : {&plain, &one}) CHECK_EQ(node->ask({"FOLLOW", "NO", "ONE"}), "+OK\r\n");
  CHECK_GT(master.server->state().counters().tls_failures, 0);
  CHECK(eventually([&] { return master.server->state().counters().connections == 0; }));
  CHECK_EQ(master.ask({"PING"}), "+PONG\r\n");
}

TEST_CASE("a master that asks for a certificate is followed by who has one, after a restart too") {
  Certificates certificates;
  ServerOptions strict = certificates.master();
  strict.tls.authority = certificates.authority.path();
  Node master(strict), nameless(Certificates::follower(certificates.authority));
  Node stranger(Certificates::follower(certificates.authority, certificates.other.issue("stranger")));
  Node one(Certificates::follower(certificates.authority, certificates.authority.issue("one")));
  REQUIRE_EQ(master.ask({"SET", "k", "v"}), "+OK\r\n");
  for (Node* node : {&nameless, &stranger, &one}) follow(*node, master.server->tls_port());
  CHECK(is_refused(nameless, "alert certificate required"));
  CHECK(is_refused(stranger, "alert unknown ca"));
  CHECK(eventually([&] { return one.get("k") == bulk("v"); }));
  one.stop();
  REQUIRE_EQ(master.ask({"SET", "k", "w"}), "+OK\r\n");
  one.start();
  CHECK(eventually([&] { return one.get("k") == bulk("w"); }));
}

TEST_CASE("certificates that a master reads again cut no stream; whoever comes later meets the new ones") {
  Certificates certificates;
  Node master(certificates.master()), one(Certificates::follower(certificates.authority));
  follow(one, master.server->tls_port());
  REQUIRE_EQ(master.ask({"MIN-REPLICAS", "1"}), "+OK\r\n");
  REQUIRE_EQ(master.ask({"SET", "k", "old"}), "+OK\r\n");
  Feed& feed = *master.server->state().find("default")->feed;
  std::string address = feed.followers().at(0).address;
  io::TlsFiles fresh = certificates.other.issue("fresh");
  for (auto [from, to] : {std::pair(fresh.certificate, master.options.tls.certificate),
                          std::pair(fresh.key, master.options.tls.key)})
    REQUIRE(io::write_file(to, io::read_file(from).value(), io::Durability::None).has_value());
  REQUIRE(master.server->reload_tls().has_value());
  for (int i = 0; i < 50; i++) REQUIRE_EQ(master.ask({"SET", "k", std::to_string(i)}), "+OK\r\n");
  CHECK_EQ(feed.followers().at(0).address, address);
  CHECK_EQ(one.get("k"), bulk("49"));
  Node late(Certificates::follower(certificates.authority)), right(Certificates::follower(certificates.other));
  follow(late, master.server->tls_port());
  CHECK(is_refused(late, "TLS: the peer's certificate"));
  follow(right, master.server->tls_port());
  CHECK(eventually([&] { return right.get("k") == bulk("49"); }));
}

TEST_CASE("files of a follower that cannot be used keep a server from starting, and their name is said") {
  Certificates certificates;
  Node node;
  node.stop();
  node.options.service.upstream_tls.authority = certificates.folder.path() + "/absent.pem";
  auto store = Store::open(node.disk, node.clock, {.folder = node.folder / "kv"}).value();
  auto server = Server::start(*store, node.disk, node.clock, node.random, node.options);
  REQUIRE_FALSE(server.has_value());
  CHECK_NE(server.error().message.find("absent.pem"), std::string::npos);
}

TEST_CASE("a follower that waits in a handshake with somebody who says nothing ends at once") {
  Certificates certificates;
  Node one(Certificates::follower(certificates.authority));
  Listening silent = listen_tcp("127.0.0.1", 0).value();
  follow(one, silent.port);
  io::Fd taken;
  REQUIRE(eventually([&] {
    taken = std::move(accept_one(silent).value().fd);
    return taken.is_open();
  }));
  auto begin = std::chrono::steady_clock::now();
  one.stop();
  CHECK_LT((std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(1), 3'000);
}
