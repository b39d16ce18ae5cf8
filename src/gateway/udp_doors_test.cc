#include "gateway/udp_doors.h"

#include <doctest/doctest.h>

#include "gateway/tunnel/test_world.h"
#include "gateway/udp_sites.h"

namespace mcloud::gateway {
namespace {

io::Fd udp_at(const std::string& host, uint16_t port) {
  Address address = make_address(host, port).value();
  io::Fd fd(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  timeval limit{0, 200'000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

// Answers "NAME:" and what was asked, on a port of loopback.
class UdpEcho {
 public:
  explicit UdpEcho(std::string name) : name_(std::move(name)), fd_(udp_at("127.0.0.1", 0)) {
    Address address = make_address("127.0.0.1", 0).value();
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
    port_ = bound_port(fd_.get());
    thread_ = std::jthread([this](std::stop_token stop) {
      while (!stop.stop_requested()) answer();
    });
  }
  uint16_t port() const { return port_; }

 private:
  void answer() {
    std::vector<char> buffer(70'000);
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    ssize_t got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0) return;
    Bytes said = name_ + ":" + Bytes(buffer.data(), static_cast<size_t>(got));
    ::sendto(fd_.get(), said.data(), said.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
  std::string name_;
  io::Fd fd_;
  uint16_t port_ = 0;
  std::jthread thread_;
};

// A client with a port of its own.
class Client53 {
 public:
  explicit Client53(uint16_t port, const std::string& host = "127.0.0.1") : fd_(udp_at(host, port)) {
    Address address = make_address(host, port).value();
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
  }
  void send(BytesView bytes) { static_cast<void>(::send(fd_.get(), bytes.data(), bytes.size(), 0)); }
  Bytes receive() {  // "" = nothing came within 200 ms
    std::vector<char> buffer(70'000);
    ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    return got < 0 ? Bytes() : Bytes(buffer.data(), static_cast<size_t>(got));
  }
  // As a client of DNS: it asks again until it is answered.
  Bytes ask(BytesView bytes) {
    for (int tries = 0; tries < 50; ++tries) {
      send(bytes);
      if (Bytes got = receive(); !got.empty()) return got;
    }
    return "";
  }

 private:
  io::Fd fd_;
};

uint16_t free_udp_port() {
  io::Fd fd = udp_at("127.0.0.1", 0);
  Address address = make_address("127.0.0.1", 0).value();
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
  return bound_port(fd.get());
}

// Replicas "udp-a" and "udp-b" behind one node.
struct World {
  explicit World(const UdpDoors::Limits& limits = {}) : doors(UdpDoors::start("127.0.0.1", limits).value()) {
    gateway.expect(node.id(), {"udp-a", "udp-b"});
    wanted.add_gateways()->CopyFrom(gateway.as_wanted({{"udp-a", a.port()}, {"udp-b", b.port()}}));
    node.put(wanted);
    REQUIRE(eventually([&] { return gateway.is_reachable("udp-a") && gateway.is_reachable("udp-b"); }));
    door.port = free_udp_port();
  }
  std::string open(const std::vector<std::string>& names) {
    door.targets.clear();
    for (const std::string& name : names) door.targets.push_back({gateway.path(name), 1});
    return doors->put({door});
  }
  UdpEcho a{"a"}, b{"b"};
  TestGateway gateway;
  TestNode node;
  pb::LocalTunnel wanted;
  std::unique_ptr<UdpDoors> doors;
  UdpDoor door;
};

TEST_CASE("datagrams of each client go through the tunnel, and its answers come back to it") {
  World world;
  REQUIRE(world.open({"udp-a"}) == "");
  std::vector<std::unique_ptr<Client53>> clients;
  for (int number = 0; number < 20; ++number) clients.push_back(std::make_unique<Client53>(world.door.port));
  for (int round = 0; round < 3; ++round) {
    for (size_t number = 0; number < clients.size(); ++number) {
      Bytes question = "question " + std::to_string(number) + " " + std::to_string(round);
      CHECK(clients[number]->ask(question) == "a:" + question);
    }
  }
  CHECK(world.doors->flows() == 20);
  CHECK(clients[0]->ask("") == "a:");
  Bytes large(60'000, 'x');
  CHECK(clients[0]->ask(large) == "a:" + large);
}

TEST_CASE("new clients are led to the targets in turn, and one that cannot be reached is passed over") {
  World world;
  REQUIRE(world.open({"udp-a", "udp-b"}) == "");
  std::map<Bytes, int> counts;
  for (int number = 0; number < 10; ++number) {
    Client53 client(world.door.port);
    Bytes first = client.ask("x");
    ++counts[first];
    CHECK(client.ask("x") == first);  // it stays with its replica
  }
  CHECK(counts == std::map<Bytes, int>{{"a:x", 5}, {"b:x", 5}});
  world.gateway.expect(world.node.id(), {"udp-b"});
  for (int number = 0; number < 4; ++number) CHECK(Client53(world.door.port).ask("y") == "b:y");
}

TEST_CASE("a flow whose tunnel breaks begins anew with its client's next datagram") {
  World world;
  REQUIRE(world.open({"udp-a"}) == "");
  Client53 client(world.door.port);
  REQUIRE(client.ask("one") == "a:one");
  world.node.put({});
  REQUIRE(eventually([&] { return world.doors->flows() == 0; }));
  client.send("lost");
  world.node.put(world.wanted);
  REQUIRE(eventually([&] { return world.gateway.is_reachable("udp-a"); }));
  CHECK(client.ask("two") == "a:two");
}

TEST_CASE("who is not on the list is not heard") {
  World world;
  world.door.allow = {"10.0.0.0/8", "::1"};
  REQUIRE(world.open({"udp-a"}) == "");
  Client53 client(world.door.port);
  client.send("x");
  CHECK(client.receive() == "");
  CHECK(world.doors->flows() == 0);
  world.door.allow = {"127.0.0.0/8"};
  REQUIRE(world.open({"udp-a"}) == "");
  CHECK(client.ask("x") == "a:x");
}

TEST_CASE("flows are bounded: who was silent longest makes room, and silence ends one") {
  World world({.flows_max = 3, .unanswered_us = 30'000'000, .answered_us = 300'000});
  REQUIRE(world.open({"udp-a"}) == "");
  std::vector<std::unique_ptr<Client53>> clients;
  for (int number = 0; number < 8; ++number) {
    clients.push_back(std::make_unique<Client53>(world.door.port));
    CHECK(clients.back()->ask("x") == "a:x");
    CHECK(world.doors->flows() <= 3);
  }
  CHECK(eventually([&] { return world.doors->flows() == 0; }));
  CHECK(clients[0]->ask("again") == "a:again");
}

TEST_CASE("a port that is taken is said, and the others are there; a port that left is free") {
  World world;
  REQUIRE(world.open({"udp-a"}) == "");
  UdpDoor taken = world.door;
  io::Fd other = udp_at("127.0.0.1", 0);
  taken.port = free_udp_port();
  Address address = make_address("127.0.0.1", taken.port).value();
  REQUIRE(::bind(other.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
  CHECK(world.doors->put({world.door, taken}).starts_with("udp port " + std::to_string(taken.port) + ": bind"));
  CHECK(Client53(world.door.port).ask("x") == "a:x");
  other.reset();
  CHECK(world.doors->put({taken}) == "");
  CHECK(Client53(taken.port).ask("x") == "a:x");
  io::Fd free = udp_at("127.0.0.1", 0);
  address = make_address("127.0.0.1", world.door.port).value();
  CHECK(::bind(free.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
}

TEST_CASE("a UDP port by tunnel leads to replicas that serve, by the weights of their back ends") {
  pb::LocalSite site;
  site.set_contract(Bytes(32, 'c'));
  site.mutable_site()->set_mode(pb::SITE_UDP);
  site.mutable_site()->set_port(53);
  CHECK(!is_udp_by_tunnel(site));
  site.mutable_site()->set_exposure(pb::EXPOSURE_TUNNEL);
  CHECK(is_udp_by_tunnel(site));
  pb::Route& route = *site.mutable_site()->add_routes();
  for (uint32_t weight : {3u, 1u}) {
    pb::Backend& backend = *route.add_backends();
    backend.set_target(weight == 3 ? "web" : "canary");
    backend.set_port(53);
    backend.set_weight(weight);
    for (uint32_t index = 0; index < 3; ++index) {
      pb::LocalServer& server = *site.add_servers();
      server.set_target(backend.target());
      server.set_index(index);
      server.set_port(53);
      server.set_serves(index > 0);
    }
  }
  UdpDoor door = udp_door(site, {"/run/g", "", true, 100});
  REQUIRE(door.targets.size() == 4);
  CHECK(door.targets[0].socket == "/run/g/jail/targets/6363636363636363-web-1-53-udp");
  CHECK(door.targets[0].weight == 384);
  CHECK(door.targets[2].weight == 128);
}

}  // namespace
}  // namespace mcloud::gateway
