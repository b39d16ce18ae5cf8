#include "kv/session.h"

#include <doctest/doctest.h>

#include "crypto/sha1.h"
#include "kv/redis_commands.h"
#include "kv/test_sessions.h"
#include "testing/simulated_disk.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

Bytes words(const std::vector<std::string_view>& arguments) { return wire::resp_request(arguments); }

ServiceOptions redis_always() {
  ServiceOptions options;
  options.dialect = Dialect::Redis;
  options.defaults.durability = Durability::Always;
  return options;
}

// Sessions on a disk that can be told to fail.
struct FailingDisk {
  testing::SimulatedDisk disk{7};
  SessionClock clock;
  io::SystemRandom random;
  std::unique_ptr<Store> store;
  explicit FailingDisk(const Settings& defaults)
      : store(Store::open(disk, clock, {.folder = "/kv", .segment_bytes = 1 << 20, .defaults = defaults}).value()) {}
};

}  // namespace

TEST_CASE("replies wait for the disk with durability always, and those before them do not") {
  TestSessions sessions(redis_always());
  Session& writer = sessions.open();
  Session& reader = sessions.open();
  {
    Round round(sessions);
    writer.feed(words({"PING"}) + words({"SET", "k", "v"}) + words({"PING"}), round);
    reader.feed(words({"PING"}), round);
  }
  CHECK_EQ(writer.sendable(), "+PONG\r\n");
  CHECK(writer.has_barriers());
  CHECK_EQ(sessions.take(reader), "+PONG\r\n");
  REQUIRE(sessions.pump());
  CHECK_EQ(sessions.take(writer), "+PONG\r\n+OK\r\n+PONG\r\n");
  CHECK_EQ(sessions.state().find("default")->store->durable_position(),
           sessions.state().find("default")->store->figures().end);
}

TEST_CASE("an unchanged value is confirmed only when it is on the disk") {
  ServiceOptions options;
  options.defaults.durability = Durability::Always;
  TestSessions sessions(options);
  Session& first = sessions.open();
  Session& second = sessions.open();
  {
    Round round(sessions);
    first.feed(words({"SET", "k", "v"}), round);
  }
  {
    Round round(sessions);
    second.feed(words({"SET", "k", "v"}), round);
  }
  // Either it was durable by then, or the answer waits.
  if (second.sendable().empty()) REQUIRE(sessions.pump());
  Position end = sessions.state().find("default")->store->figures().end;
  for (int i = 0; i < 3 && second.sendable().empty(); i++) REQUIRE(sessions.pump());
  CHECK_EQ(second.sendable(), "$-1\r\n");
  CHECK_EQ(sessions.state().find("default")->store->durable_position(), end);
}

TEST_CASE("when a sync fails, every reply that needed it becomes the error and the others stay") {
  FailingDisk machine(redis_always().defaults);
  ServerState state(*machine.store, machine.disk, machine.clock, machine.random, redis_always());
  struct Port final : SessionPort, Round::Waiter {
    void post(uint64_t, uint64_t, Bytes) override {}
    void run_elsewhere(uint64_t, uint64_t, std::function<Bytes()>) override {}
    void when_durable(const SpacePtr& space, Position at) override { waited.emplace_back(space, at); }
    Tallies& tallies() override { return counts; }
    Tallies counts;
    std::vector<std::pair<SpacePtr, Position>> waited;
  } port;
  Session session(state, port, {.id = 1, .client = 1, .address = "test", .dialect = Dialect::Redis});
  {
    Round round(port);
    session.feed(words({"PING"}) + words({"SET", "a", "1"}) + words({"PING"}) + words({"INCR", "a"}), round);
  }
  {
    Round round(port);
    session.feed(words({"PING"}) + words({"SET", "b", "1"}), round);
  }
  REQUIRE_EQ(port.waited.size(), 2u);
  session.durable(*port.waited[0].first, port.waited[0].second, make_error(Code::Unavailable, "no"));
  CHECK_EQ(session.sendable(), "+PONG\r\n-MISCONF no\r\n+PONG\r\n-MISCONF no\r\n+PONG\r\n");
  session.sent(session.sendable().size());
  session.durable(*port.waited[1].first, port.waited[1].second, {});
  CHECK_EQ(session.sendable(), "+OK\r\n");
  CHECK_EQ(port.counts.late_errors.get(), 2);
}

TEST_CASE(
    "when the disk is full, writes get the error, also those answered already in the same round, and reads go on") {
  for (Dialect dialect : {Dialect::Zdb, Dialect::Redis}) {
    ServiceOptions options;
    options.dialect = dialect;
    options.defaults.durability = Durability::None;
    FailingDisk machine(options.defaults);
    ServerState state(*machine.store, machine.disk, machine.clock, machine.random, options);
    struct Port final : SessionPort, Round::Waiter {
      void post(uint64_t, uint64_t, Bytes) override {}
      void run_elsewhere(uint64_t, uint64_t, std::function<Bytes()>) override {}
      void when_durable(const SpacePtr&, Position) override {}
      Tallies& tallies() override { return counts; }
      Tallies counts;
    } port;
    Session session(state, port, {.id = 1, .client = 1, .address = "test", .dialect = dialect});
    auto ask = [&](BytesView bytes) {
      {
        Round round(port);
        session.feed(bytes, round);
      }
      Bytes reply(session.sendable());
      session.sent(reply.size());
      return reply;
    };
    Bytes ok = dialect == Dialect::Zdb ? "$1\r\na\r\n" : "+OK\r\n";
    Bytes full = dialect == Dialect::Zdb ? "-Cannot write data right now\r\n" : "-OOM ";
    REQUIRE_EQ(ask(words({"SET", "a", "old"})), ok);
    machine.disk.set_plan([](testing::SimulatedDisk::Operation operation, const std::string&) -> std::optional<Error> {
      if (operation != testing::SimulatedDisk::Operation::Write) return {};
      return make_error(Code::Exhausted, "No space left on device");
    });
    Bytes reply = ask(words({"PING"}) + words({"SET", "a", "new"}) + words({"GET", "a"}) + words({"PING"}));
    CHECK(reply.starts_with("+PONG\r\n" + full));
    CHECK(reply.ends_with("\r\n+PONG\r\n"));
    CHECK(reply.find("new") == Bytes::npos);
    CHECK_EQ(ask(words({"GET", "a"})), "$3\r\nold\r\n");
    machine.disk.set_plan({});
    CHECK_EQ(ask(words({"SET", "a", "new"})), ok);
    CHECK_EQ(ask(words({"GET", "a"})), "$3\r\nnew\r\n");
  }
}

TEST_CASE("a session stops running requests when its replies are not read, and goes on in order") {
  ServiceOptions options;
  options.dialect = Dialect::Redis;
  options.output_bytes_max = 1000;
  TestSessions sessions(options);
  Session& session = sessions.open();
  CHECK_EQ(sessions.feed(session, words({"SET", "k", std::string(400, 'v')})), "+OK\r\n");
  Bytes requests;
  for (int i = 0; i < 100; i++) requests += words({"GET", "k"}) + words({"INCR", "n"});
  {
    Round round(sessions);
    session.feed(requests, round);
  }
  CHECK_LT(session.unsent(), 1500u);
  CHECK_FALSE(session.wants_input());
  CHECK(session.has_requests_left());
  Bytes wanted;
  for (int i = 1; i <= 100; i++) wanted += "$400\r\n" + std::string(400, 'v') + "\r\n:" + std::to_string(i) + "\r\n";
  CHECK(sessions.take(session) == wanted);
  CHECK(session.wants_input());
}

TEST_CASE("a read of a large value waits while the server has no memory, and small ones do not") {
  ServiceOptions options;
  options.dialect = Dialect::Redis;
  TestSessions sessions(options);
  Session& session = sessions.open();
  sessions.feed(session, words({"SET", "k", std::string(1 << 20, 'v')}));
  sessions.state().add_memory(1 << 30);
  CHECK_EQ(sessions.feed(session, words({"PING"}) + words({"GET", "k"}) + words({"PING"})), "+PONG\r\n");
  CHECK(session.is_starved());
  CHECK_EQ(sessions.feed(sessions.open(), words({"STRLEN", "k"})), ":1048576\r\n");
  sessions.state().add_memory(-(1 << 30));
  session.feed_again();
  CHECK_EQ(sessions.take(session), "$1048576\r\n" + std::string(1 << 20, 'v') + "\r\n+PONG\r\n");
}

TEST_CASE("replies of many large values are bounded") {
  ServiceOptions options;
  options.reply_bytes_max = 3000;
  TestSessions sessions(options);
  Session& session = sessions.open();
  sessions.feed(session, words({"SET", "k", std::string(2000, 'v')}));
  Bytes value = "$2000\r\n" + std::string(2000, 'v') + "\r\n";
  CHECK_EQ(sessions.feed(session, words({"MGET", "k", "k", "k"})),
           "*3\r\n" + value + value + "-Internal Memory Error\r\n");
}

TEST_CASE("a connection that begins with HELLO speaks Redis, one that does not speaks 0-db") {
  TestSessions sessions;
  Session& redis = sessions.open();
  CHECK(sessions.feed(redis, words({"hello", "3"})).starts_with("%7\r\n"));
  CHECK_EQ(sessions.feed(redis, words({"SET", "k", "v"})), "+OK\r\n");
  CHECK_EQ(sessions.feed(redis, "PING\r\n"), "+PONG\r\n");
  Session& zdb = sessions.open();
  CHECK_EQ(sessions.feed(zdb, words({"PING"})), "+PONG\r\n");
  CHECK_EQ(sessions.feed(zdb, words({"HELLO", "3"})), "-Command not supported\r\n");
  CHECK_EQ(sessions.feed(zdb, words({"SET", "k", "w"})), "$1\r\nk\r\n");
}

TEST_CASE(
    "the proof of AUTH SECURE and SELECT SECURE is accepted once for the server and as often as asked for a "
    "namespace") {
  ServiceOptions options;
  options.admin_password = "secret";
  TestSessions sessions(options);
  Session& admin = sessions.open();
  sessions.feed(admin, words({"AUTH", "secret"}));
  sessions.feed(admin, words({"NSNEW", "one"}));
  sessions.feed(admin, words({"NSSET", "one", "password", "pass"}));
  sessions.feed(admin, words({"NSSET", "one", "public", "0"}));
  Session& guest = sessions.open();
  std::string nonce = sessions.feed(guest, words({"AUTH", "SECURE", "CHALLENGE"})).substr(1, 16);
  auto proof = [&](const std::string& password) { return to_hex(crypto::sha1(nonce + ":" + password)); };
  CHECK_EQ(sessions.feed(guest, words({"SELECT", "one", "SECURE", proof("wrong")})), "-Access denied\r\n");
  CHECK_EQ(sessions.feed(guest, words({"SELECT", "one", "SECURE", proof("pass")})), "+OK\r\n");
  CHECK_EQ(sessions.feed(guest, words({"SELECT", "one", "SECURE", proof("pass")})), "+OK\r\n");
  CHECK_EQ(sessions.feed(guest, words({"SET", "k", "v"})), "$1\r\nk\r\n");
  CHECK_EQ(sessions.feed(guest, words({"AUTH", "SECURE", proof("secret")})), "+OK\r\n");
  CHECK(guest.is_admin());
  CHECK_EQ(sessions.feed(guest, words({"AUTH", "SECURE", proof("secret")})),
           "-No CHALLENGE requested, secure authentication not available\r\n");
}

TEST_CASE("the names of 0-db commands may be shortened to any prefix, and the first in its order is meant") {
  for (const Command& command : zdb_commands()) CHECK_EQ(find_zdb_command(command.name), &command);
  CHECK_EQ(find_zdb_command("s")->name, "SET");
  CHECK_EQ(find_zdb_command("NS")->name, "NSNEW");
  CHECK_EQ(find_zdb_command("m")->name, "MIRROR");
  CHECK_EQ(find_zdb_command("h")->name, "HOOKS");
  CHECK_EQ(find_zdb_command("K")->name, "KSCAN");
  CHECK_EQ(find_zdb_command("E")->name, "EXISTS");
  CHECK_EQ(find_zdb_command("")->name, "*");
  CHECK_EQ(find_zdb_command("VERIF"), nullptr);
  CHECK_EQ(find_zdb_command("GETX"), nullptr);
}

TEST_CASE("patterns match as Redis's do, in bounded time") {
  using redis::matches;
  CHECK(matches("*", ""));
  CHECK(matches("a*c*e", "abcde"));
  CHECK_FALSE(matches("a*c*e", "abcdf"));
  CHECK(matches("h?llo", "hello"));
  CHECK(matches("h[ae]llo", "hallo"));
  CHECK_FALSE(matches("h[^e]llo", "hello"));
  CHECK(matches("h[a-c]llo", "hbllo"));
  CHECK(matches("h[c-a]llo", "hbllo"));
  CHECK(matches("\\*a", "*a"));
  CHECK_FALSE(matches("\\*a", "ba"));
  CHECK(matches("[\\]]", "]"));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("[a", "a"));
  CHECK_FALSE(matches("a[", "a"));
  std::string stars;
  for (int i = 0; i < 200; i++) stars += "a*";
  CHECK_FALSE(matches(stars + "b", std::string(5000, 'a')));
}

TEST_CASE("mirrors that cannot follow are ended, not told half of it") {
  ServiceOptions options;
  options.output_bytes_max = 1000;
  TestSessions sessions(options);
  Session& mirror = sessions.open();
  Session& writer = sessions.open();
  CHECK_EQ(sessions.feed(mirror, words({"MIRROR"})), "+Starting mirroring\r\n");
  for (int i = 0; i < 5; i++) {
    sessions.feed(writer, words({"SET", "k", std::string(600, static_cast<char>('a' + i))}));
    REQUIRE(sessions.pump());
  }
  Bytes got(mirror.sendable());
  CHECK_LT(got.size(), 2000u);
  CHECK(got.ends_with(std::string(600, 'b') + "\r\n"));
  mirror.sent(got.size());
  CHECK(mirror.is_over());
}
