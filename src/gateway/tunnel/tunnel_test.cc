#include <doctest/doctest.h>

#include "gateway/tunnel/test_world.h"

using namespace mcloud;
using namespace mcloud::gateway;

namespace {

Bytes numbered(size_t size) {
  Bytes bytes;
  for (uint32_t i = 0; bytes.size() < size; ++i) append_u32_le(bytes, i * 2654435761u);
  return bytes;
}

bool echoes(TestGateway& gateway, const std::string& workload = "web") {
  TestSocket client = gateway.connect(workload);
  return client.is_open() && client.send_all("ping") && client.receive(4) == "ping";
}

std::string message_of(TestNode& node) {
  pb::TunnelState state = node.state();
  return state.links_size() == 0 ? "" : state.links(0).message();
}

}  // namespace

TEST_CASE("what is said to a target's socket reaches the address behind the node, and the answer comes back") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  TestSocket client = world.gateway.connect("web");
  REQUIRE(client.is_open());
  REQUIRE(client.send_all("hello"));
  CHECK(client.receive(5) == "hello");
  client.shut();
  CHECK(client.receive_all() == "");
  CHECK(client.error() == 0);
  CHECK(world.gateway.server().links()[0].streams() == 1);
}

TEST_CASE("megabytes go both ways at once, whole and in order") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  Bytes sent = numbered(24 << 20);
  TestSocket client = world.gateway.connect("web");
  std::jthread writer([&] {
    client.send_all(sent);
    client.shut();
  });
  Bytes got = client.receive_all();
  CHECK(got.size() == sent.size());
  CHECK(got == sent);
}

TEST_CASE("an answer goes on after the question has ended, and the other way round") {
  TunnelWorld world([](TestSocket& socket) {
    Bytes question = socket.receive_all();
    socket.send_all("heard " + std::to_string(question.size()));
  });
  REQUIRE(world.is_up());
  TestSocket client = world.gateway.connect("web");
  REQUIRE(client.send_all(Bytes(300'000, 'q')));
  client.shut();
  CHECK(client.receive_all() == "heard 300000");
  CHECK(eventually([&] { return world.gateway.server().links()[0].streams() == 1; }));
}

TEST_CASE("a node that is not expected is refused and told so; it is let in when it is expected") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  TestNode stranger;
  stranger.put(world.wanted);
  REQUIRE(eventually([&] { return message_of(stranger).find("TLS") != std::string::npos; }));
  CHECK(!stranger.is_up());
  CHECK(echoes(world.gateway));
  world.gateway.expect(stranger.id(), {"web"});
  CHECK(eventually([&] { return stranger.is_up(); }));
  CHECK(eventually([&] { return message_of(world.node).find("TLS") != std::string::npos || !world.node.is_up(); }));
}

TEST_CASE("a gateway with another key is not believed") {
  TestGateway real, other;
  TestNode node;
  TestBackEnd back_end(echo);
  other.expect(node.id(), {"web"});
  pb::LocalTunnel wanted;
  wanted.add_gateways()->CopyFrom(real.as_wanted({{"web", back_end.port()}}));
  wanted.mutable_gateways(0)->set_endpoints(0, "127.0.0.1:" + std::to_string(other.server().port()));
  node.put(wanted);
  CHECK(eventually([&] { return message_of(node).find("certificate") != std::string::npos; }));
  wanted.mutable_gateways(0)->add_endpoints("127.0.0.1:" + std::to_string(real.server().port()));
  real.expect(node.id(), {"web"});
  node.put(wanted);
  CHECK(eventually([&] { return node.is_up(); }));  // the next endpoint is the right one
}

TEST_CASE("a target has a socket only while it is both announced and expected") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  world.wanted.mutable_gateways(0)->CopyFrom(
      world.gateway.as_wanted({{"web", world.back_end.port()}, {"other", world.back_end.port()}}));
  world.node.put(world.wanted);
  world.gateway.expect(world.node.id(), {"web", "never"});
  CHECK(echoes(world.gateway));
  CHECK(world.gateway.server().reachable().size() == 1);
  CHECK(!world.gateway.connect("other").is_open());
  CHECK(!world.gateway.connect("never").is_open());
  world.gateway.expect(world.node.id(), {"web", "other"});
  REQUIRE(eventually([&] { return world.gateway.server().reachable().size() == 2; }));
  CHECK(echoes(world.gateway, "other"));
  world.gateway.expect(world.node.id(), {"other"});
  CHECK(!io::exists(world.gateway.path("web")));
  CHECK(!world.gateway.connect("web").is_open());
  CHECK(echoes(world.gateway, "other"));
}

TEST_CASE("what is wanted anew touches neither links nor streams that stay, and ends those that left") {
  TunnelWorld world;
  world.gateway.expect(world.node.id(), {"web", "two"});
  REQUIRE(world.is_up());
  TestSocket stays = world.gateway.connect("web");
  REQUIRE(stays.send_all("1"));
  REQUIRE(stays.receive(1) == "1");
  uint64_t since_ms = world.gateway.server().links()[0].since_ms();
  auto put = [&](const std::vector<std::pair<std::string, uint16_t>>& ways) {
    world.wanted.mutable_gateways(0)->CopyFrom(world.gateway.as_wanted(ways));
    world.node.put(world.wanted);
  };
  put({{"web", world.back_end.port()}, {"two", world.back_end.port()}});
  REQUIRE(eventually([&] { return world.gateway.server().reachable().size() == 2; }));
  TestSocket leaves = world.gateway.connect("two");
  REQUIRE(leaves.send_all("2"));
  REQUIRE(leaves.receive(1) == "2");
  put({{"web", world.back_end.port()}});
  CHECK(leaves.receive_all() == "");
  CHECK(eventually([&] { return world.gateway.server().reachable().size() == 1; }));
  REQUIRE(stays.send_all("3"));
  CHECK(stays.receive(1) == "3");
  CHECK(world.gateway.server().links()[0].since_ms() == since_ms);
}

TEST_CASE("a gateway that is wanted no more is left, and one that restarts is found again") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  uint16_t port = world.gateway.server().port();
  world.gateway.stop();
  REQUIRE(eventually([&] { return !world.node.is_up(); }));
  CHECK(!io::exists(world.gateway.path("web")));
  world.gateway.start(port);
  world.gateway.expect(world.node.id(), {"web"});
  REQUIRE(world.is_up());
  CHECK(echoes(world.gateway));
  world.node.put({});
  CHECK(eventually([&] { return !world.gateway.server().links()[0].is_up(); }));
  CHECK(world.node.state().links_size() == 0);
  CHECK(world.gateway.server().links()[0].message() ==
        "the peer ended it: the node does not need this gateway any more");
}

TEST_CASE("where nothing listens behind the node the connection ends at once, and the tunnel lives on") {
  TunnelWorld world;
  world.gateway.expect(world.node.id(), {"web", "dead"});
  uint16_t dead_port = bound_port(listen_on(make_address("127.0.0.1", 0).value()).value().get());  // closed again
  world.wanted.mutable_gateways(0)->CopyFrom(
      world.gateway.as_wanted({{"web", world.back_end.port()}, {"dead", dead_port}}));
  world.node.put(world.wanted);
  REQUIRE(eventually([&] { return world.gateway.server().reachable().size() == 2; }));
  TestSocket client = world.gateway.connect("dead");
  auto begin = std::chrono::steady_clock::now();
  CHECK(client.receive_all() == "");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
  CHECK(echoes(world.gateway));
}

TEST_CASE("a client that goes away is noticed by the back end, and a back end that goes away by the client") {
  std::atomic<bool> is_gone = false;
  TunnelWorld world([&](TestSocket& socket) {
    if (socket.receive(1) == "d") return;
    CHECK(socket.receive_all() == "");
    is_gone = true;
  });
  REQUIRE(world.is_up());
  TestSocket leaves = world.gateway.connect("web");
  REQUIRE(leaves.send_all("x"));
  leaves.close();
  CHECK(eventually([&] { return is_gone.load(); }));
  TestSocket left = world.gateway.connect("web");
  REQUIRE(left.send_all("d"));
  CHECK(left.receive_all() == "");
}

TEST_CASE("an early answer arrives although the question is not read to its end") {
  TunnelWorld world([](TestSocket& socket) {
    socket.receive(1000);
    socket.send_all("too large");
    socket.shut();
    socket.receive_all();
  });
  REQUIRE(world.is_up());
  TestSocket client = world.gateway.connect("web");
  REQUIRE(client.send_all(Bytes(100'000, 'x')));
  CHECK(client.receive(9) == "too large");
}

TEST_CASE("streams are spread over a node's connections") {
  TunnelWorld world(echo, 3);
  REQUIRE(world.is_up());
  REQUIRE(eventually([&] { return world.gateway.server().links().size() == 3; }));
  std::vector<TestSocket> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(world.gateway.connect("web"));
    REQUIRE(clients.back().send_all("x"));
    REQUIRE(clients.back().receive(1) == "x");
  }
  for (const pb::TunnelLink& link : world.gateway.server().links()) CHECK(link.streams() == 10);
}

TEST_CASE("a drain lets a stream end, and sends new connections elsewhere at once") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  TestSocket client = world.gateway.connect("web");
  REQUIRE(client.send_all("a"));
  REQUIRE(client.receive(1) == "a");
  world.node.drain();
  CHECK(eventually([&] { return !io::exists(world.gateway.path("web")); }));
  CHECK(!world.node.is_idle());
  REQUIRE(client.send_all("b"));
  CHECK(client.receive(1) == "b");
  client.shut();
  CHECK(client.receive_all() == "");
  CHECK(eventually([&] { return world.node.is_idle(); }));
}

TEST_CASE("names of sockets fit into a path, and long ones stay apart") {
  CHECK(target_socket_name(test_target("web")) == "5a5a5a5a5a5a5a5a-web-0-8080");
  std::string a(63, 'a'), b = a;
  b.back() = 'b';
  CHECK(target_socket_name(test_target(a)).size() <= 60);
  CHECK(target_socket_name(test_target(a)) != target_socket_name(test_target(b)));
}
