// Replication between real servers on real sockets.
#include <doctest/doctest.h>

#include "kv/replication/test_servers.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

void follow(Node& follower, Node& master) {
  REQUIRE_EQ(follower.ask({"FOLLOW", "127.0.0.1", master.port()}), "+OK\r\n");
}

}  // namespace

TEST_CASE("followers and a follower of a follower show what the master has, old and new, and refuse writes") {
  Node master, one, two, chained;
  std::string large(3 << 20, 'v');
  REQUIRE_EQ(master.ask({"SET", "large", large}), "+OK\r\n");
  REQUIRE_EQ(one.ask({"SET", "own", "old"}), "+OK\r\n");
  follow(one, master);
  follow(two, master);
  follow(chained, one);
  for (int i = 0; i < 200; i++) REQUIRE_EQ(master.ask({"SET", "k" + std::to_string(i), std::to_string(i)}), "+OK\r\n");
  for (Node* node : {&one, &two, &chained}) {
    CHECK(eventually([&] { return node->get("k199") == bulk("199"); }));
    bool is_whole = node->get("large") == bulk(large);
    CHECK(is_whole);
    CHECK_EQ(node->get("k7"), bulk("7"));
    CHECK_EQ(node->get("own"), "$-1\r\n");
  }
  CHECK_EQ(one.ask({"SET", "k", "v"}),
           "-READONLY You can't write against a read only replica. The master is 127.0.0.1:" + master.port() + "\r\n");
  CHECK_EQ(one.store->replica().aside().files, 1);
  CHECK(eventually([&] { return chained.end() == master.end(); }));
}

TEST_CASE("namespaces that are made and removed at the master are followed by name") {
  Node master, one;
  follow(one, master);
  TestClient client = master.client();
  REQUIRE_EQ(client.ask({"SELECT", "3"}, 5), "+OK\r\n");
  REQUIRE_EQ(client.ask({"SET", "k", "v"}, 5), "+OK\r\n");
  auto is_there = [&] {
    NamespacePtr space = one.store->find("3");
    return space && space->contains("k");
  };
  CHECK(eventually(is_there));
}

TEST_CASE("a write that must be at one follower waits for it, and goes on when there is one") {
  Node master, one;
  REQUIRE_EQ(master.ask({"MIN-REPLICAS", "1"}), "+OK\r\n");
  TestClient client = master.client();
  REQUIRE(client.say({"SET", "k", "v"}));
  Feed& feed = *master.server->state().find("default")->feed;
  REQUIRE(eventually([&] { return feed.waiting() == 1; }));
  follow(one, master);
  CHECK_EQ(client.receive(5), "+OK\r\n");
  CHECK_EQ(one.store->find("default")->durable_position(), one.end());
  CHECK_EQ(one.get("k"), bulk("v"));
}

TEST_CASE("a follower that was promoted keeps what it had; the old master follows it and its own end is kept aside") {
  Node master, one;
  follow(one, master);
  REQUIRE_EQ(master.ask({"SET", "k", "v"}), "+OK\r\n");
  REQUIRE(eventually([&] { return one.get("k") == bulk("v"); }));  // and so its copy is complete
  REQUIRE_EQ(one.ask({"PROMOTE"}), "+OK\r\n");
  REQUIRE_EQ(master.ask({"SET", "lonely", "v"}), "+OK\r\n");
  REQUIRE_EQ(one.ask({"SET", "k", "new"}), "+OK\r\n");
  follow(master, one);
  CHECK(eventually([&] { return master.get("k") == bulk("new"); }));
  CHECK_EQ(master.get("lonely"), "$-1\r\n");
  CHECK_EQ(master.store->replica().aside().files, 1);
}

TEST_CASE("a follower that was away goes on where it was, and one that was started again follows the same master") {
  Node master, one;
  follow(one, master);
  REQUIRE_EQ(master.ask({"SET", "k", "1"}), "+OK\r\n");
  REQUIRE(eventually([&] { return one.get("k") == bulk("1"); }));
  one.stop();
  REQUIRE_EQ(master.ask({"SET", "k", "2"}), "+OK\r\n");
  one.start();
  CHECK(eventually([&] { return one.get("k") == bulk("2"); }));
  CHECK_EQ(one.store->replica().aside().files, 0);
}

TEST_CASE("managed servers do what the agent says: lead, follow, promise, and no write of a term that is over") {
  Node a(true), b(true), c(true);
  CHECK_EQ(a.ask({"SET", "k", "v"}), "-READONLY You can't write against a read only replica.\r\n");
  auto has = [](const std::string& status, const std::string& name, const std::string& value) {
    return status.find(bulk(name) + bulk(value)) != std::string::npos;
  };
  CHECK(has(a.ask({"GROUP", "STATUS"}), "role", "nobody"));
  std::string led = a.ask({"GROUP", "LEAD", "5", "0.1", "2", "1", "0.1,1.1,2.1", "0.1,1.1,2.1"});
  CHECK(has(led, "role", "master"));
  CHECK(has(led, "term", "5"));
  CHECK(has(b.ask({"GROUP", "FOLLOW", "5", "1.1", "127.0.0.1", a.port()}), "role", "follower"));
  CHECK(has(c.ask({"GROUP", "FOLLOW", "5", "2.1", "127.0.0.1", a.port()}), "master", "127.0.0.1:" + a.port()));
  CHECK_EQ(a.ask({"SET", "k", "v"}), "+OK\r\n");
  // A new placement is proposed once it holds everything.
  std::string changed = a.ask({"GROUP", "LEAD", "5", "0.1", "2", "1", "0.1,1.1,2.1", "0.1,1.1"});
  CHECK(has(changed, "voters_revision", "1"));
  CHECK(eventually([&] { return has(a.ask({"GROUP", "STATUS"}), "proposal", "0.1,1.1"); }));
  std::string promised = b.ask({"GROUP", "PROMISE", "6"});
  CHECK(has(promised, "role", "nobody"));
  CHECK(has(promised, "term", "6"));
  CHECK(has(promised, "rank_term", "5"));
  CHECK_EQ(b.ask({"GROUP", "LEAD", "5", "1.1", "1", "1", "1.1", "1.1"}),
           "-FENCED term 5 is over: 6 has been promised\r\n");
  CHECK(has(a.ask({"GROUP", "PROMISE", "6"}), "role", "deposed"));
  CHECK_EQ(a.ask({"SET", "k", "w"}), "-FENCED term 5 is over: 6 has been promised\r\n");
  CHECK(has(b.ask({"GROUP", "LEAD", "6", "1.1", "2", "2", "1.1,0.1", "1.1,0.1"}), "role", "master"));
  CHECK(has(a.ask({"GROUP", "FOLLOW", "6", "0.1", "127.0.0.1", b.port()}), "role", "follower"));
  CHECK_EQ(b.ask({"SET", "k", "new"}), "+OK\r\n");
  CHECK(eventually([&] { return a.get("k") == bulk("new"); }));
}

TEST_CASE("a stream of a copy that is made anew ends at once: its follower looks again") {
  Node master, one;
  follow(one, master);
  REQUIRE_EQ(master.ask({"SET", "k", "v"}), "+OK\r\n");
  REQUIRE(eventually([&] { return one.get("k") == bulk("v"); }));
  TestClient silent = one.client();
  REQUIRE_EQ(silent.ask({"REPLICATE", "1", "default", "-", "0", "-", "0", ""}, 5), "+OK\r\n");
  REQUIRE_EQ(one.ask({"SNAPSHOT"}), "+OK\r\n");
  CHECK(silent.is_closed());
}

TEST_CASE("a snapshot keeps aside what is there and copies anew") {
  Node master, one;
  follow(one, master);
  REQUIRE_EQ(master.ask({"SET", "k", "v"}), "+OK\r\n");
  REQUIRE(eventually([&] { return one.get("k") == bulk("v"); }));
  REQUIRE_EQ(one.ask({"SNAPSHOT"}), "+OK\r\n");
  CHECK(eventually([&] { return one.store->replica().aside().files == 1 && one.get("k") == bulk("v"); }));
}
