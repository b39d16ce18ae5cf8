#include "gateway/udp_doors.h"

#include <doctest/doctest.h>

#include <sstream>

#include "gateway/access_log.h"
#include "gateway/tunnel/test_world.h"
#include "gateway/udp_sites.h"
#include "gateway/words.h"

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

// Remembers what it is asked, and answers all of it when it is told to, the first one first.
class LateEcho {
 public:
  LateEcho() : fd_(udp_at("127.0.0.1", 0)) {
    Address address = make_address("127.0.0.1", 0).value();
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
  }
  uint16_t port() const { return bound_port(fd_.get()); }
  size_t heard() {
    for (;;) {
      char buffer[100];
      Address from;
      from.size = sizeof from.storage;
      ssize_t got = ::recvfrom(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from.storage), &from.size);
      if (got < 0) return asked_.size();
      asked_.push_back({from, Bytes(buffer, static_cast<size_t>(got))});
    }
  }
  void answer() {
    for (auto& [from, said] : asked_) ::sendto(fd_.get(), said.data(), said.size(), 0, reinterpret_cast<sockaddr*>(&from.storage), from.size);
  }

 private:
  io::Fd fd_;
  std::vector<std::pair<Address, Bytes>> asked_;
};

// A client with a port of its own.
class Client53 {
 public:
  explicit Client53(uint16_t port, const std::string& host = "127.0.0.1") : fd_(udp_at(host, port)) {
    Address address = make_address(host, port).value();
    REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
  }
  uint16_t port() const { return bound_port(fd_.get()); }
  void send(BytesView bytes) { static_cast<void>(::send(fd_.get(), bytes.data(), bytes.size(), 0)); }
  Bytes receive(int most_ms = 200) {  // "" = nothing came within that
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, most_ms) <= 0) return "";
    std::vector<char> buffer(70'000);
    ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    return got < 0 ? Bytes() : Bytes(buffer.data(), static_cast<size_t>(got));
  }
  // As a client of DNS: it asks again until it is answered, and knows answers to what it asked before.
  Bytes ask(BytesView bytes) {
    for (int tries = 0; tries < 50; ++tries) {
      send(bytes);
      for (Bytes got = receive(); !got.empty(); got = receive()) {
        if (got.substr(got.find(':') + 1) == bytes) return got;
      }
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
  explicit World(const UdpDoors::Limits& limits = {})
      : log(AccessLog::start({folder.path() + "/pipe", folder.path() + "/logs"}, {{"udp_0", "udp"}, {"other_0", "other"}}).value()),
        doors(UdpDoors::start({"127.0.0.1", folder.path() + "/pipe", limits}).value()) {
    door.name = "udp_0";
    gateway.expect(node.id(), {"udp-a", "udp-b"});
    wanted.add_gateways()->CopyFrom(gateway.as_wanted({{"udp-a", a.port()}, {"udp-b", b.port()}}));
    node.put(wanted);
    REQUIRE(eventually([&] { return gateway.is_reachable("udp-a") && gateway.is_reachable("udp-b"); }));
    door.port = free_udp_port();
  }
  std::string open(const std::vector<std::string>& names) {
    door.targets.clear();
    for (const std::string& name : names) door.targets.push_back({name, gateway.path(name), 1});
    return doors->put({door})[door.name];
  }
  // Those of the access log, when it has `count` of them.
  std::vector<std::string> lines(size_t count, const std::string& site = "udp") const {
    std::vector<std::string> found;
    eventually([&] {
      found.clear();
      std::istringstream text(io::read_file(folder.path() + "/logs/" + site + "/log").value_or(""));
      for (std::string line; std::getline(text, line);) found.push_back(line.substr(line.find('{')));
      return found.size() >= count;
    });
    return found;
  }
  testing::TemporaryFolder folder;
  std::unique_ptr<AccessLog> log;
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

TEST_CASE("turns are mixed: the heavier target gets its share of the first few clients too") {
  World world;
  REQUIRE(world.open({"udp-a", "udp-b"}) == "");
  world.door.targets[0].weight = 384;
  world.door.targets[1].weight = 128;
  REQUIRE(world.doors->put({world.door}).empty());
  std::map<Bytes, int> counts;
  for (int number = 0; number < 8; ++number) ++counts[Client53(world.door.port).ask("x")];
  CHECK(counts == std::map<Bytes, int>{{"a:x", 6}, {"b:x", 2}});
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

TEST_CASE("an answer that comes when its flow has ended reaches nobody, not even one whose flow begins then") {
  World world;
  LateEcho late;
  world.wanted.clear_gateways();
  world.wanted.add_gateways()->CopyFrom(world.gateway.as_wanted({{"udp-a", late.port()}}));
  world.node.put(world.wanted);
  REQUIRE(world.open({"udp-a"}) == "");
  // So many that some of their ports at the node would be taken again, were they free at once.
  std::vector<std::unique_ptr<Client53>> clients;
  for (int number = 0; number < 400; ++number) clients.push_back(std::make_unique<Client53>(world.door.port));
  auto ask_all = [&](const std::string& round, size_t heard) {
    for (size_t number = 0; number < clients.size(); ++number) {
      clients[number]->send(round + std::to_string(number));
      // Not more than the kernel keeps for a socket.
      if (number % 50 == 49 && !eventually([&] { return late.heard() == heard + number + 1; })) return false;
    }
    return true;
  };
  REQUIRE(eventually([&] { return world.gateway.is_reachable("udp-a"); }));
  REQUIRE(ask_all("first ", 0));
  world.node.put({});
  REQUIRE(eventually([&] { return world.doors->flows() == 0; }));
  world.node.put(world.wanted);
  REQUIRE(eventually([&] { return world.gateway.is_reachable("udp-a"); }));
  REQUIRE(ask_all("second ", clients.size()));
  late.answer();
  for (size_t number = 0; number < clients.size(); ++number) CHECK(clients[number]->receive(10'000) == "second " + std::to_string(number));
}

TEST_CASE("who is not on the list is not heard") {
  World world;
  world.door.allow = {parse_cidr("10.0.0.0/8").value(), parse_cidr("::1").value()};
  REQUIRE(world.open({"udp-a"}) == "");
  Client53 client(world.door.port);
  client.send("x");
  CHECK(client.receive() == "");
  CHECK(world.doors->flows() == 0);
  world.door.allow = {parse_cidr("127.0.0.0/8").value()};
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
  taken.name = "other_0";
  auto problems = world.doors->put({world.door, taken});
  REQUIRE(problems.size() == 1);
  CHECK(problems["other_0"].starts_with("udp port " + std::to_string(taken.port) + ": bind"));
  CHECK(world.doors->figures().contains("udp_0"));
  CHECK(!world.doors->figures().contains("other_0"));
  CHECK(Client53(world.door.port).ask("x") == "a:x");
  other.reset();
  CHECK(world.doors->put({taken}).empty());
  CHECK(Client53(taken.port).ask("x") == "a:x");
  io::Fd free = udp_at("127.0.0.1", 0);
  address = make_address("127.0.0.1", world.door.port).value();
  CHECK(::bind(free.get(), reinterpret_cast<sockaddr*>(&address.storage), address.size) == 0);
}

TEST_CASE("each flow is a line of the access log at its end, and its site's figures have counted it") {
  World world({.flows_max = 2, .unanswered_us = 30'000'000, .answered_us = 30'000'000});
  REQUIRE(world.open({"udp-a"}) == "");
  std::vector<std::unique_ptr<Client53>> clients;
  for (int number = 0; number < 3; ++number) {
    clients.push_back(std::make_unique<Client53>(world.door.port));
    clients.back()->send("four");
    REQUIRE(clients.back()->receive(10'000) == "a:four");
  }
  clients[2]->send("");
  REQUIRE(clients[2]->receive(10'000) == "a:");
  auto figures = world.doors->figures()["udp_0"];
  CHECK(figures.flows == 3);
  CHECK(figures.bytes_in == 12);
  CHECK(figures.bytes_out == 20);
  std::vector<std::string> lines = world.lines(1);
  REQUIRE(lines.size() == 1);
  std::string who = "{\"client\":\"127.0.0.1\",\"client_port\":" + std::to_string(clients[0]->port()) + ",\"port\":" + std::to_string(world.door.port);
  CHECK(lines[0].starts_with(who + ",\"bytes_in\":4,\"bytes_out\":6,\"datagrams_in\":1,\"datagrams_out\":1,\"dropped\":0,\"ms\":"));
  CHECK(lines[0].ends_with(",\"server\":\"udp-a\",\"end\":\"room\"}"));
  world.node.put({});
  lines = world.lines(3);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].ends_with("\"end\":\"replica\"}"));
  CHECK(world.doors->figures()["udp_0"].flows == 3);
}

TEST_CASE("a port that another site has now keeps nothing of the one before") {
  World world;
  REQUIRE(world.open({"udp-a"}) == "");
  Client53 client(world.door.port);
  REQUIRE(client.ask("x") == "a:x");
  world.door.name = "other_0";
  REQUIRE(world.open({"udp-b"}) == "");
  CHECK(world.doors->flows() == 0);
  CHECK(!world.doors->figures().contains("udp_0"));
  CHECK(world.doors->figures()["other_0"].flows == 0);
  CHECK(client.ask("x") == "b:x");
  REQUIRE(world.lines(1).size() == 1);
  CHECK(world.lines(1)[0].ends_with("\"end\":\"closed\"}"));
  world.doors.reset();
  REQUIRE(world.lines(1, "other").size() == 1);
  CHECK(world.lines(1, "other")[0].ends_with(",\"server\":\"udp-b\",\"end\":\"closed\"}"));
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
  CHECK(door.name == "6363636363636363--0_0");
  REQUIRE(door.targets.size() == 4);
  CHECK(door.targets[0].name == "web-1-53");
  CHECK(door.targets[0].socket == "/run/g/jail/targets/6363636363636363-web-1-53-udp");
  CHECK(door.targets[0].weight == 384);
  CHECK(door.targets[2].weight == 128);
}

}  // namespace
}  // namespace mcloud::gateway
