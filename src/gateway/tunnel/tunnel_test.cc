#include <doctest/doctest.h>

#include "gateway/tunnel/tunnel_world.h"

using namespace mcloud;
using namespace mcloud::gateway;

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
}

TEST_CASE("megabytes go both ways at once, whole and in order") {
  TunnelWorld world;
  REQUIRE(world.is_up());
  Bytes sent;
  for (uint32_t i = 0; sent.size() < (24 << 20); ++i) append_u32_le(sent, i * 2654435761u);
  TestSocket client = world.gateway.connect("web");
  std::jthread writer([&] {
    client.send_all(sent);
    client.shut();
  });
  Bytes got = client.receive_all();
  CHECK(got.size() == sent.size());
  CHECK(got == sent);
}
