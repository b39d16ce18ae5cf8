// Two people's machines at two access points of one network: each other, and members on both nodes.
#include <doctest/doctest.h>

#include <algorithm>

#include "network/links.h"
#include "network/machine_fixture.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/plan.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

constexpr const char* kUla = "fd12:3456:789a::/64";
std::string six(Ipv4 address) { return address6_of(kUla, address); }

// Somebody of the network, and what it is called there.
struct End {
  Place place;
  Ipv4 address;
};

// Plain WireGuard in the outside world.
struct Laptop {
  Laptop(const Place& outside, const std::string& folder, size_t number)
      : end{make_place(), ip("10.42.0." + std::to_string(100 + number))} {
    std::string port = "laptop" + std::to_string(number);
    join(outside, port, end.place, "net0");
    {
      NetnsScope scope = NetnsScope::enter(outside.netns).value();
      Links links = Links::open().value();
      int index = links.get(port).value().index;
      REQUIRE(links.set_master(index, links.get("switch").value().index).has_value());
      REQUIRE(links.set_up(index).has_value());
    }
    give_address(end.place, "net0", "10.250.0." + std::to_string(100 + number), 24);
    NetnsScope scope = NetnsScope::enter(end.place.netns).value();
    WireGuard::Options options;
    options.netns_folder = folder + "/" + port;
    wireguard = WireGuard::open(options).value();
  }
  ~Laptop() {
    NetnsScope scope = NetnsScope::enter(end.place.netns).value();
    static_cast<void>(wireguard->apply({}));
  }
  // As `wg setconf` with the file for that access point: the device and its addresses stay, the session is a new one.
  void dial(const WireGuardKey& access_point, const std::string& endpoint) {
    WireGuardDevice device;
    device.name = "mwg0";
    device.secret = secret;
    device.port = 51999;
    device.addresses = {end.address.text() + "/32", six(end.address) + "/128"};
    NetnsScope scope = NetnsScope::enter(end.place.netns).value();
    REQUIRE(wireguard->apply({device}).has_value());
    WireGuardPeer& peer = device.peers.emplace_back();
    peer.key = access_point;
    peer.endpoint = endpoint;
    peer.allowed = {"10.42.0.0/16", kUla};
    peer.keepalive_s = 25;
    REQUIRE(wireguard->apply({device}).has_value());
  }

  End end;
  WireGuardKey secret = WireGuardKey::make_secret();
  std::unique_ptr<WireGuard> wireguard;
};

// Network 7 on the backplane: node i has the access portal gate-i (10.42.0.(10+i)) and web-i (10.42.0.(2+i)).
struct TwoAccessPoints : Nodes {
  TwoAccessPoints() : Nodes(2) {
    for (size_t i : {0U, 1U}) laptops[i] = std::make_unique<Laptop>(outside, folder->path(), i);
    for (size_t node : {0U, 1U}) {
      desired[node] = base(node);
      Network& network = desired[node].networks.emplace_back();
      network.name = "team";
      network.vni = 7;
      network.range = Range::parse("10.42.0.0/16").value();
      network.range6 = kUla;
      network.members = {{gate_name(node), "eth0", gate(node), true}, {web_name(node), "eth0", web_address(node)}};
      Ipv4 other = ip("172.16.0." + std::to_string(2 - node));
      network.remotes = {{gate(1 - node), other}, {web_address(1 - node), other}};
      network.access = Access{gate_name(node), 51900, secret, {}};
      for (const auto& laptop : laptops) network.access->devices.push_back({laptop->secret.public_key(), laptop->end.address, false});
      WireGuard::Options options;
      options.netns_folder = *folder / ("netns" + std::to_string(node + 1));
      NetnsScope scope = NetnsScope::enter(places[node].netns).value();
      wireguards[node] = WireGuard::open(options).value();
    }
    apply_all();  // before anybody dials: a call that nobody hears is repeated after 5 s only
    for (size_t i : {0U, 1U}) move(i, i);
  }
  ~TwoAccessPoints() {
    for (size_t node : {0U, 1U}) {
      NetnsScope scope = NetnsScope::enter(places[node].netns).value();
      static_cast<void>(wireguards[node]->apply({}));
    }
  }
  static std::string gate_name(size_t node) { return "gate-" + std::to_string(node); }
  static std::string web_name(size_t node) { return "web-" + std::to_string(node); }
  static Ipv4 gate(size_t node) { return ip("10.42.0." + std::to_string(10 + node)); }
  static Ipv4 web_address(size_t node) { return ip("10.42.0." + std::to_string(2 + node)); }
  End laptop(size_t i) const { return {{io::Fd(::dup(laptops[i]->end.place.netns.get()))}, laptops[i]->end.address}; }
  End web(size_t node) const { return {container(node, web_name(node)), web_address(node)}; }

  void apply_all() {
    for (size_t node : {0U, 1U}) {
      apply(node, desired[node]);
      NetnsScope scope = NetnsScope::enter(places[node].netns).value();
      auto done = wireguards[node]->apply(access_devices(desired[node]));
      if (!done.has_value()) FAIL(done.error().message);
    }
  }
  void allow(std::vector<AllowRule> rules) {
    for (DesiredNetworks& one : desired) {
      one.networks[0].restricted = true;
      one.networks[0].allow = rules;
    }
    apply_all();
  }
  // The laptop dials that node, which hears it, has it and says so.
  void move(size_t laptop, size_t to) {
    laptops[laptop]->dial(secret.public_key(), "10.250.0." + std::to_string(11 + to) + ":51900");
    for (size_t node : {0U, 1U}) desired[node].networks[0].access->devices[laptop].is_here = node == to;
    apply_all();
    Ipv4 device = laptops[laptop]->end.address;
    NetnsScope scope = NetnsScope::enter(places[to].netns).value();
    auto told = machines[to]->announce({gate_name(to), "eth0", gate(to), device, six(device)});
    if (!told.has_value()) FAIL(told.error().message);
  }

  // Whether the access point has an address to call that laptop at.
  bool knows_way(size_t node, size_t laptop) {
    NetnsScope scope = NetnsScope::enter(places[node].netns).value();
    std::vector<ActualDevice> devices = wireguards[node]->read().value();
    REQUIRE_EQ(devices.size(), 1);
    return !devices[0].figures.at(laptops[laptop]->secret.public_key()).endpoint.empty();
  }

  WireGuardKey secret = WireGuardKey::make_secret();
  std::unique_ptr<Laptop> laptops[2];
  std::unique_ptr<WireGuard> wireguards[2];
  DesiredNetworks desired[2];
};

// The families in which `from` reaches that port of `to`, which sees it by its own address: "46". A first packet may
// have to wait for a handshake; what is not allowed is tried once.
std::string reached(const End& from, const End& to, uint16_t port, int tries = 10) {
  std::string out;
  for (bool is_ipv4 : {true, false}) {
    TcpServer server(to.place, is_ipv4 ? "0.0.0.0" : "::", port);
    io::Fd connection;
    for (int i = 0; i < tries && !connection.is_open(); ++i) {
      connection = connect_tcp(from.place, is_ipv4 ? to.address.text() : six(to.address), port);
    }
    if (!connection.is_open()) continue;
    CHECK_EQ(server.serve("hello"), is_ipv4 ? from.address.text() : six(from.address));
    out += is_ipv4 ? '4' : '6';
  }
  return out;
}

// Where the laptops are: each at its own, both at the second, changed over.
constexpr std::pair<size_t, size_t> kPlaces[] = {{0, 1}, {1, 1}, {1, 0}};

}  // namespace

TEST_CASE("devices at two access points reach all members and each other both ways, wherever they roam") {
  if (!can_make_meshes()) return;
  TwoAccessPoints nodes;
  for (auto [first, second] : kPlaces) {
    CAPTURE(first);
    CAPTURE(second);
    nodes.move(0, first);
    nodes.move(1, second);
    for (size_t i : {0U, 1U}) {
      CAPTURE(i);
      End own = nodes.laptop(i);
      CHECK_EQ(reached(own, nodes.laptop(1 - i), 80), "46");
      for (size_t node : {0U, 1U}) {
        CAPTURE(node);
        CHECK_EQ(reached(own, nodes.web(node), 80), "46");
        CHECK_EQ(reached(nodes.web(node), own, 80), "46");
      }
    }
  }
}

TEST_CASE("devices at two access points reach what rules allow and nothing else, wherever they roam") {
  if (!can_make_meshes()) return;
  TwoAccessPoints nodes;
  End one = nodes.laptop(0), two = nodes.laptop(1);
  nodes.allow({{{one.address}, {two.address}, "tcp", 80, 80},
               {{one.address}, {nodes.web_address(1)}, "tcp", 80, 80},
               {{nodes.web_address(0)}, {two.address}, "tcp", 80, 80}});
  for (auto [first, second] : kPlaces) {
    CAPTURE(first);
    CAPTURE(second);
    nodes.move(0, first);
    nodes.move(1, second);
    CHECK_EQ(reached(one, two, 80), "46");
    CHECK_EQ(reached(one, nodes.web(1), 80), "46");
    CHECK_EQ(reached(nodes.web(0), two, 80), "46");
    CHECK_EQ(reached(one, two, 81, 1), "");
    CHECK_EQ(reached(two, one, 80, 1), "");
    CHECK_EQ(reached(one, nodes.web(0), 80, 1), "");
    CHECK_EQ(reached(nodes.web(1), two, 80, 1), "");
    CHECK_EQ(reached(nodes.web(1), one, 80, 1), "");
  }
}

namespace {

// A connection whose server alone speaks,.
struct Download {
  Download(const End& from, const End& to, bool is_ipv4) {
    TcpServer listener(to.place, is_ipv4 ? "0.0.0.0" : "::", 80);
    for (int i = 0; i < 10 && !client.is_open(); ++i) {
      client = connect_tcp(from.place, is_ipv4 ? to.address.text() : six(to.address), 80);
    }
    REQUIRE(client.is_open());
    server = listener.take();
    REQUIRE(server.is_open());
  }
  bool goes_on() const { return transfer(server, client, kBytes) == kBytes; }
  static constexpr size_t kBytes = 4 << 20;
  io::Fd client, server;
};

void roam_while_loading(TwoAccessPoints& nodes, const End& other) {
  End own = nodes.laptop(0);
  for (bool is_ipv4 : {true, false}) {
    CAPTURE(is_ipv4);
    Download download(own, other, is_ipv4), upload(other, own, is_ipv4);
    for (size_t place : {0U, 1U, 0U, 1U, 0U}) {
      CAPTURE(place);
      nodes.move(0, place);
      CHECK(download.goes_on());
      CHECK(upload.goes_on());
    }
  }
}

}  // namespace

TEST_CASE("connections of a device go on while it roams there and back, whoever speaks and whatever is allowed") {
  if (!can_make_meshes()) return;
  TwoAccessPoints nodes;
  Ipv4 own = nodes.laptop(0).address;
  std::vector<End> others;
  others.push_back(nodes.laptop(1));
  for (size_t node : {0U, 1U}) others.push_back(nodes.web(node));
  for (bool is_restricted : {false, true}) {
    CAPTURE(is_restricted);
    for (const End& other : others) {
      CAPTURE(other.address.text());
      if (is_restricted) nodes.allow({{{own}, {other.address}, "tcp", 80, 80}, {{other.address}, {own}, "tcp", 80, 80}});
      roam_while_loading(nodes, other);
    }
  }
}

TEST_CASE("an access point that a device left knows no way to it, so it cannot call it back") {
  if (!can_make_meshes()) return;
  TwoAccessPoints nodes;
  for (size_t place : {0U, 1U, 0U}) {
    CAPTURE(place);
    nodes.move(0, place);
    CHECK_EQ(reached(nodes.web(place), nodes.laptop(0), 80), "46");
    CHECK(nodes.knows_way(place, 0));
    CHECK_FALSE(nodes.knows_way(1 - place, 0));
    CHECK(nodes.knows_way(1, 1));  // the other device's session stays
  }
  // It calls from elsewhere, and has not been taken in yet: nothing forgets its new session.
  nodes.laptops[0]->dial(nodes.secret.public_key(), "10.250.0.12:51900");
  for (int i = 0; i < 10 && !nodes.knows_way(1, 0); ++i) ping(nodes.laptop(0).place, "10.42.0.3");
  nodes.apply_all();
  CHECK(nodes.knows_way(1, 0));
}
