// The tunnel when something goes wrong: silence, hostile peers, slow readers, crowds.
#include <doctest/doctest.h>

#include <set>

#include "gateway/tunnel/test_strangers.h"

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

using Moment = std::chrono::steady_clock::time_point;
Moment now() { return std::chrono::steady_clock::now(); }
double seconds_since(Moment begin) { return std::chrono::duration<double>(now() - begin).count(); }

bool echoes_through(TestGateway& gateway) {
  TestSocket client = gateway.connect("web");
  return client.is_open() && client.send_all("ping") && client.receive(4) == "ping";
}

// A gateway, and a node behind a wire that can be cut.
struct Cuttable {
  Cuttable() : back_end(echo), wire(gateway.server().port()) {
    gateway.expect(node.id(), {"web"});
    wanted.add_gateways()->CopyFrom(gateway.as_wanted({{"web", back_end.port()}}));
    wanted.mutable_gateways(0)->set_endpoints(0, "127.0.0.1:" + std::to_string(wire.port()));
    node.put(wanted);
  }
  TestBackEnd back_end;
  TestGateway gateway;
  TestWire wire;
  TestNode node;
  pb::LocalTunnel wanted;
};

struct Door {
  Door() : key(crypto::SigningKey::generate()) { gateway.expect(key.public_key(), {"web"}); }
  TestStranger stranger() { return TestStranger(gateway.server().port(), gateway.id(), key); }
  crypto::SigningKey key;
  TestGateway gateway;
};

}  // namespace

TEST_CASE("a silent cut under load is noticed within 3 s at both ends, and its streams end") {
  Cuttable world;
  REQUIRE(eventually([&] { return world.gateway.is_reachable("web"); }));
  TestSocket client = world.gateway.connect("web");
  std::atomic<bool> is_over = false;
  std::jthread load([&] {
    while (!is_over && client.send_all(Bytes(10'000, 'x')) && client.receive(10'000).size() == 10'000) {
    }
  });
  CHECK(eventually([&] { return world.gateway.server().links()[0].bytes_in() > 1'000'000; }));
  world.wire.cut();
  Moment begin = now();
  CHECK(eventually([&] { return !io::exists(world.gateway.path("web")); }));
  CHECK(seconds_since(begin) < 2.0);  // new connections are refused, HAProxy goes elsewhere
  load.join();                        // the stream has ended
  CHECK(seconds_since(begin) < 3.2);
  CHECK(eventually([&] { return !world.node.is_up(); }));
  CHECK(seconds_since(begin) < 3.4);
  is_over = true;
}

TEST_CASE("a connection that the node has not heard of goes through another tunnel when its own breaks") {
  TunnelWorld world;  // the good way; the other one leads over a wire
  TestWire wire(world.gateway.server().port());
  TestNode& node = world.node;
  REQUIRE(world.is_up());
  world.wanted.mutable_gateways(0)->set_endpoints(0, "127.0.0.1:" + std::to_string(wire.port()));
  TestNode second(2);
  pb::LocalTunnelPeer peers[2];
  pb::LocalTunnel two = world.wanted;
  for (int i = 0; i < 2; ++i) {
    peers[i].set_node((i == 0 ? node.id() : second.id()).bytes());
    *peers[i].add_targets() = test_target("web");
  }
  world.gateway.server().set_peers({peers[0], peers[1]});
  second.put(two);
  REQUIRE(eventually([&] { return second.is_up() && world.gateway.server().links().size() == 3; }));
  wire.cut();
  // In these moments some are led into the cut wires; none is lost.
  std::vector<TestSocket> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(world.gateway.connect("web"));
    REQUIRE(clients.back().send_all("x"));
  }
  int answered = 0;
  for (TestSocket& client : clients) answered += client.receive(1) == "x" ? 1 : 0;
  CHECK(answered == 12);
}

TEST_CASE("a reader that does not read stalls nobody else") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  TestSocket lazy = world.gateway.connect("web");
  std::jthread writer([&] { lazy.send_all(Bytes(64 << 20, 'x')); });  // the echo comes back, and nobody takes it
  CHECK(eventually([&] { return world.gateway.server().links()[0].bytes_in() > 100'000; }));
  Moment begin = now();
  for (int i = 0; i < 100; ++i) REQUIRE(echoes_through(world.gateway));
  CHECK(seconds_since(begin) < 5);
  shutdown(lazy.fd(), SHUT_RDWR);
}

TEST_CASE("a thousand streams live at once, and each gets its own bytes") {
  std::atomic<int> open = 0;
  std::atomic<bool> may_answer = false;
  TestGateway gateway;
  TestNode node;
  // One thread for all: it answers when all have asked.
  io::Fd listener = listen_on(make_address("127.0.0.1", 0).value()).value();
  std::jthread back_end([&](std::stop_token stop) {
    std::vector<TestSocket> sockets;
    while (!stop.stop_requested() && !may_answer) {
      io::Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.is_open()) {
        poll(nullptr, 0, 1);
        continue;
      }
      sockets.emplace_back(std::move(fd));
      ++open;
    }
    for (TestSocket& socket : sockets) socket.send_all("answer to " + socket.receive(4));
    while (!stop.stop_requested()) poll(nullptr, 0, 5);
  });
  gateway.expect(node.id(), {"web"});
  pb::LocalTunnel wanted;
  wanted.add_gateways()->CopyFrom(gateway.as_wanted({{"web", bound_port(listener.get())}}));
  node.put(wanted);
  REQUIRE(eventually([&] { return gateway.is_reachable("web"); }));
  std::vector<TestSocket> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(gateway.connect("web"));
    REQUIRE(clients.back().send_all(std::to_string(1000 + i)));
  }
  REQUIRE(eventually([&] { return open == 1000; }));
  may_answer = true;
  int right = 0;
  for (int i = 0; i < 1000; ++i)
    right += clients[static_cast<size_t>(i)].receive(14) == "answer to " + std::to_string(1000 + i);
  CHECK(right == 1000);
}

TEST_CASE("garbage after the handshake ends the connection with a reason, and harms nobody") {
  Door door;
  TestStranger stranger = door.stranger();
  REQUIRE(stranger.is_ready());
  REQUIRE(stranger.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n"));
  CHECK(stranger.hear_until("the peer breaks the protocol"));
  while (stranger.hear()) {
  }
  CHECK(eventually(
      [&] { return door.gateway.server().links()[0].message().find("breaks the protocol") != std::string::npos; }));
  TestStranger polite = door.stranger();
  REQUIRE(polite.say_hello());
  CHECK(eventually([&] { return door.gateway.server().links()[0].is_up(); }));
}

TEST_CASE("what is announced must be a target; another's target is not served") {
  Door door;
  TestStranger stranger = door.stranger();
  REQUIRE(stranger.say_hello());
  REQUIRE(stranger.say_frame(FrameType::Announce, 1, test_target("others").SerializeAsString()));
  REQUIRE(stranger.say_frame(FrameType::Announce, 2, test_target("web").SerializeAsString()));
  REQUIRE(eventually([&] { return door.gateway.is_reachable("web"); }));
  CHECK(door.gateway.server().reachable().size() == 1);
  REQUIRE(stranger.say_frame(FrameType::Announce, 3, "no target"));
  CHECK(stranger.hear_until("is no target"));
  CHECK(eventually([&] { return !io::exists(door.gateway.path("web")); }));
}

TEST_CASE("strangers that say nothing do not keep a node out") {
  TunnelWorld world;
  std::vector<io::Fd> silent;
  for (int i = 0; i < 300; ++i)
    silent.push_back(start_connect(make_address("127.0.0.1", world.gateway.server().port()).value()).value());
  REQUIRE(world.is_up());
  TestNode late;
  world.gateway.expect(late.id(), {"web"});
  late.put(world.wanted);
  CHECK(eventually([&] { return late.is_up(); }));
}

TEST_CASE("a peer that never reads holds a bounded amount of memory, and is given up") {
  Door door;
  TestStranger stranger = door.stranger();
  REQUIRE(stranger.say_hello());
  REQUIRE(stranger.say_frame(FrameType::Announce, 1, test_target("web").SerializeAsString()));
  REQUIRE(eventually([&] { return door.gateway.is_reachable("web"); }));
  std::vector<TestSocket> clients;
  for (uint32_t i = 1; i <= 20; ++i) {
    clients.push_back(door.gateway.connect("web"));
    Bytes window;
    append_u32_le(window, INT32_MAX);
    REQUIRE(stranger.hear_frame(FrameType::Open, i));
    REQUIRE(stranger.say_frame(FrameType::Opened, i, window));
  }
  // From here on it reads nothing, and pings to seem alive. The clients write as much as they can.
  Bytes ping(8, '\1'), piece(64 << 10, 'x');
  size_t written = 0;
  bool is_given_up = eventually(
      [&] {
        static_cast<void>(stranger.say_frame(FrameType::Ping, 0, ping));
        for (TestSocket& client : clients) {
          ssize_t sent = ::send(client.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
          if (sent > 0) written += static_cast<size_t>(sent);
        }
        poll(nullptr, 0, 20);
        return !door.gateway.server().links()[0].is_up();
      },
      20'000);
  CHECK(is_given_up);
  CHECK(written > (1 << 20));
  CHECK(written < (40u << 20));  // kernel's buffers of 20 sockets and of the wire, and 512 KiB of ours
  CHECK(door.gateway.server().links()[0].message() == "the peer takes nothing");
}
