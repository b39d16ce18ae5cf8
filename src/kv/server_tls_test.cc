#include <algorithm>
#include <atomic>
#include <thread>

#include "io/test_certificates.h"
#include "io/tls_stream.h"
#include "kv/server.h"
#include "kv/test_client.h"
#include "kv/test_sessions.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr uint64_t kLongMs = 20'000;

struct Fixture {
  Fixture() {
    wanted.service.dialect = Dialect::Redis;
    wanted.tls = authority.issue("server");
  }
  ~Fixture() { server.reset(); }
  void start() {
    wanted.service.folder = store.folder.path();
    server = Server::start(*store.store, store.disk, store.clock, store.random, wanted).value();
  }
  Result<std::unique_ptr<io::TlsStream>> try_connect(const io::TlsFiles& files) {
    auto context = TRY(io::TlsContext::for_client(files));
    auto socket = TRY(io::connect_tcp("127.0.0.1", server->tls_port(), kLongMs));
    return io::TlsStream::connect(std::move(socket), "localhost", context, kLongMs);
  }
  std::unique_ptr<io::TlsStream> connect() { return try_connect({.authority = authority.path()}).value(); }
  bool pass_until(uint64_t step_ms, const std::function<bool()>& is_done) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      store.clock.advance(step_ms);
      poll(nullptr, 0, 10);
    }
    return true;
  }
  uint64_t connections() { return server->state().counters().connections; }

  testing::TemporaryFolder certificates;
  io::TestAuthority authority{certificates.path(), "authority"};
  SessionStore store;
  ServerOptions wanted;
  std::unique_ptr<Server> server;
};

Bytes receive(io::TlsStream& stream, size_t size) {
  Bytes got(size, '\0');
  size_t begin = 0;
  while (begin < size) {
    auto now = stream.read(got.data() + begin, size - begin, kLongMs);
    if (!now || *now == 0) break;
    begin += *now;
  }
  return got.substr(0, begin);
}

Bytes ask(io::TlsStream& stream, const std::vector<std::string_view>& words, size_t size) {
  REQUIRE(stream.write(wire::resp_request(words), kLongMs).has_value());
  return receive(stream, size);
}

}  // namespace

TEST_CASE("clients under TLS and plain ones see the same store; long pipelines and the largest values pass") {
  Fixture fixture;
  fixture.wanted.threads = 2;
  fixture.start();
  auto tls = fixture.connect();
  TestClient plain(fixture.server->port());
  CHECK_EQ(ask(*tls, {"SET", "k", "v"}, 5), "+OK\r\n");
  CHECK_EQ(plain.ask({"GET", "k"}, 7), "$1\r\nv\r\n");
  std::string value(kValueBytesMax, 'v');
  CHECK_EQ(ask(*tls, {"SET", "large", value}, 5), "+OK\r\n");
  Bytes wanted = "$8388608\r\n" + value + "\r\n";
  CHECK(ask(*tls, {"GET", "large"}, wanted.size()) == wanted);
  Bytes requests, replies;
  for (int i = 0; i < 10'000; i++) {
    requests += wire::resp_request({"SET", "n", std::to_string(i)}) + wire::resp_request({"GET", "n"});
    std::string text = std::to_string(i);
    replies += "+OK\r\n$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }
  REQUIRE(tls->write(requests, kLongMs).has_value());
  CHECK(receive(*tls, replies.size()) == replies);
}

TEST_CASE("many clients under TLS and without, in the same rounds, each get their own answers") {
  Fixture fixture;
  fixture.start();
  std::atomic<int> wrong = 0;
  auto talk = [&](int who, const std::function<Bytes(const Bytes&, size_t)>& exchange) {
    for (int round = 0; round < 150; round++) {
      Bytes requests, replies;
      for (int i = 0; i < 1 + round % 8; i++) {
        std::string key = "k" + std::to_string(who), value = key + std::string(static_cast<size_t>(round * 7 % 900), 'v');
        requests += wire::resp_request({"SET", key, value}) + wire::resp_request({"GET", key});
        replies += "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
      }
      wrong += exchange(requests, replies.size()) != replies;
    }
  };
  std::vector<std::jthread> clients;
  for (int who = 0; who < 12; who++) {
    clients.emplace_back([&, who] {
      if (who % 2 == 0) {
        auto tls = fixture.connect();
        talk(who, [&](const Bytes& out, size_t size) {
          return tls->write(out, kLongMs).has_value() ? receive(*tls, size) : Bytes();
        });
      } else {
        TestClient plain(fixture.server->port());
        talk(who, [&](const Bytes& out, size_t size) { return plain.send(out) ? plain.receive(size) : Bytes(); });
      }
    });
  }
  clients.clear();  // joins
  CHECK_EQ(wrong, 0);
}

TEST_CASE("a reply under TLS waits for the disk as any other") {
  Fixture fixture;
  fixture.start();
  auto tls = fixture.connect();
  CHECK_EQ(ask(*tls, {"CONFIG", "SET", "appendfsync", "always"}, 5), "+OK\r\n");
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(ask(*tls, {"SET", "k", std::to_string(i)}, 5), "+OK\r\n");
    Figures figures = fixture.store.store->find("default")->figures();
    CHECK_EQ(figures.durable, figures.end);
  }
  CHECK_GE(fixture.store.store->find("default")->figures().syncs.count(), 20);
  CHECK_GE(fixture.server->state().counters().updates.count(), 20);
}

TEST_CASE("who does not believe the server leaves, who is not believed is refused, and both are counted") {
  Fixture fixture;
  io::TestAuthority other(fixture.certificates.path(), "other");
  fixture.wanted.tls.authority = fixture.authority.path();
  fixture.start();
  io::TlsFiles good = fixture.authority.issue("ida"), bad = other.issue("eve");
  good.authority = bad.authority = fixture.authority.path();
  auto known = fixture.try_connect(good).value();
  CHECK_EQ(ask(*known, {"PING"}, 7), "+PONG\r\n");
  CHECK_EQ(fixture.try_connect({.authority = other.path()}).error().code, Code::Denied);
  // In TLS 1.3 a client is done before the server has looked at its certificate: the refusal comes with the first read.
  for (const io::TlsFiles& files : {bad, io::TlsFiles{.authority = fixture.authority.path()}}) {
    auto unknown = fixture.try_connect(files);
    if (!unknown) continue;
    static_cast<void>((*unknown)->write(wire::resp_request({"SET", "stolen", "1"}), kLongMs));
    char buffer[64];
    auto got = (*unknown)->read(buffer, sizeof buffer, kLongMs);
    CHECK_FALSE((got && *got > 0));
  }
  CHECK(fixture.pass_until(0, [&] { return fixture.server->state().counters().tls_failures == 3; }));
  CHECK(fixture.pass_until(0, [&] { return fixture.connections() == 1; }));
  CHECK_EQ(ask(*known, {"EXISTS", "stolen"}, 4), ":0\r\n");
}

TEST_CASE("bytes without TLS are refused on the port for TLS, and TLS on the port without") {
  Fixture fixture;
  fixture.start();
  TestClient plain(fixture.server->tls_port());
  plain.say({"SET", "k", "v"});
  CHECK(plain.is_closed());
  CHECK(fixture.pass_until(0, [&] { return fixture.connections() == 0; }));
  auto context = io::TlsContext::for_client({.authority = fixture.authority.path()}).value();
  auto socket = io::connect_tcp("127.0.0.1", fixture.server->port(), kLongMs).value();
  CHECK_FALSE(io::TlsStream::connect(std::move(socket), "localhost", context, kLongMs).has_value());
  CHECK_EQ(fixture.store.store->find("default")->figures().keys, 0);
}

TEST_CASE("a handshake that takes too long ends, dripping or silent, and a quiet client after it stays") {
  Fixture fixture;
  fixture.wanted.handshake_ms = 5'000;
  fixture.start();
  auto quiet = fixture.connect();
  TestClient silent(fixture.server->tls_port()), dripping(fixture.server->tls_port());
  REQUIRE(fixture.pass_until(0, [&] { return fixture.connections() == 3; }));
  auto session = io::TlsSession::connect(io::TlsContext::for_client({.authority = fixture.authority.path()}).value(),
                                         "localhost").value();
  size_t at = 0;
  bool is_cut = false;
  for (; at < session->outgoing().size() && !is_cut; at++) {
    is_cut = !dripping.send(session->outgoing().substr(at, 1));
    fixture.store.clock.advance(200);
    is_cut |= fixture.pass_until(0, [&] { return true; }) && fixture.connections() == 1;
  }
  CHECK(fixture.pass_until(100, [&] { return fixture.connections() == 1; }));
  CHECK(silent.is_closed());
  CHECK(dripping.is_closed());
  fixture.store.clock.advance(3'600'000);
  CHECK_EQ(ask(*quiet, {"PING"}, 7), "+PONG\r\n");
}

TEST_CASE("thousands of half handshakes are held down to few, and who means it gets in") {
  Fixture fixture;
  fixture.wanted.handshakes_max = 50;
  fixture.start();
  auto before = fixture.connect();
  int64_t memory = fixture.server->state().memory();
  std::vector<TestClient> half;
  for (int i = 0; i < 2000; i++) {
    half.emplace_back(fixture.server->tls_port());
    half.back().send("\x16\x03\x01\x02");  // the begin of a record
    if (half.size() > 400) half.erase(half.begin());
    if (i % 500 != 499) continue;
    auto good = fixture.connect();
    CHECK_EQ(ask(*good, {"PING"}, 7), "+PONG\r\n");
  }
  CHECK(fixture.pass_until(0, [&] { return fixture.connections() <= 52; }));
  CHECK_LT(fixture.server->state().memory() - memory, 55 * int64_t{io::TlsSession::kMemoryBytes});
  CHECK_EQ(ask(*before, {"PING"}, 7), "+PONG\r\n");
  half.clear();
  CHECK(fixture.pass_until(0, [&] { return fixture.connections() == 1; }));
}

TEST_CASE("certificates that are read again count for new connections; a wrong file leaves the old in use") {
  Fixture fixture;
  fixture.start();
  auto old = fixture.connect();
  io::TestAuthority other(fixture.certificates.path(), "other");
  io::TlsFiles fresh = other.issue("fresh");
  Bytes good = io::read_file(fixture.wanted.tls.certificate).value();
  REQUIRE(io::write_file(fixture.wanted.tls.certificate, "nothing", io::Durability::None).has_value());
  Status reloaded = fixture.server->reload_tls();
  REQUIRE_FALSE(reloaded.has_value());
  CHECK_NE(reloaded.error().message.find(fixture.wanted.tls.certificate), std::string::npos);
  CHECK_EQ(ask(*fixture.connect(), {"PING"}, 7), "+PONG\r\n");
  REQUIRE(io::write_file(fixture.wanted.tls.certificate, io::read_file(fresh.certificate).value(), io::Durability::None).has_value());
  REQUIRE(io::write_file(fixture.wanted.tls.key, io::read_file(fresh.key).value(), io::Durability::None).has_value());
  REQUIRE(fixture.server->reload_tls().has_value());
  CHECK_EQ(fixture.try_connect({.authority = fixture.authority.path()}).error().code, Code::Denied);
  auto stream = fixture.try_connect({.authority = other.path()}).value();
  CHECK_EQ(ask(*stream, {"PING"}, 7), "+PONG\r\n");
  CHECK_EQ(ask(*old, {"PING"}, 7), "+PONG\r\n");
}

TEST_CASE("peers that vanish in the middle of anything leave nothing behind") {
  Fixture fixture;
  fixture.start();
  auto good = fixture.connect();
  REQUIRE_EQ(ask(*good, {"SET", "k", std::string(1 << 20, 'v')}, 5), "+OK\r\n");
  int64_t memory = fixture.server->state().memory();
  Bytes requests;
  for (int i = 0; i < 200; i++) requests += wire::resp_request({"GET", "k"});
  for (int i = 0; i < 20; i++) {
    auto context = io::TlsContext::for_client({.authority = fixture.authority.path()}).value();
    auto socket = io::connect_tcp("127.0.0.1", fixture.server->tls_port(), kLongMs).value();
    linger now{1, 0};  // a reset instead of an end
    setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    auto bad = io::TlsStream::connect(std::move(socket), "localhost", context, kLongMs).value();
    REQUIRE(bad->write(requests, kLongMs).has_value());
    if (i % 2 == 0) receive(*bad, 1000);
  }
  CHECK(fixture.pass_until(100, [&] { return fixture.connections() == 1; }));
  CHECK_EQ(ask(*good, {"PING"}, 7), "+PONG\r\n");
  CHECK_LT(fixture.server->state().memory(), memory + (2 << 20));
}

TEST_CASE("a client under TLS that reads nothing holds little and is let go") {
  Fixture fixture;
  fixture.start();
  auto good = fixture.connect(), bad = fixture.connect();
  std::string value(1 << 20, 'v');
  REQUIRE_EQ(ask(*good, {"SET", "k", value}, 5), "+OK\r\n");
  Bytes requests;
  for (int i = 0; i < 1000; i++) requests += wire::resp_request({"GET", "k"});
  REQUIRE(bad->write(requests, kLongMs).has_value());
  for (int i = 0; i < 200; i++) REQUIRE_EQ(ask(*good, {"PING"}, 7), "+PONG\r\n");
  CHECK_LT(fixture.server->state().memory(), 8 << 20);
  CHECK(fixture.pass_until(100, [&] { return fixture.connections() == 1; }));
  CHECK_EQ(ask(*good, {"PING"}, 7), "+PONG\r\n");
}
