#include "network/mesh_machine.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "network/links.h"
#include "network/mesh_bench_test.h"
#include "network/netns.h"
#include "network/nft.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

std::vector<std::string> names_of_links(const Place& place) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  std::vector<std::string> out;
  for (const Link& link : Links::open().value().list().value()) out.push_back(link.name);
  return out;
}

// Of our wireguard-go processes, the one whose UDP socket is in this place.
int wireguard_go_in(const Place& place) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  char own[64] = {}, text[64] = {};
  REQUIRE_GT(::readlink("/proc/thread-self/ns/net", own, sizeof own - 1), 0);
  for (const std::string& name : io::list_folder("/proc").value()) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    auto comm = io::read_file("/proc/" + name + "/comm");
    std::memset(text, 0, sizeof text);
    bool is_here = ::readlink(("/proc/" + name + "/ns/net").c_str(), text, sizeof text - 1) > 0 && std::string(text) == own;
    if (is_here && comm.has_value() && *comm == "wireguard-go\n") return std::stoi(name);
  }
  return 0;
}

}  // namespace

TEST_CASE("two nodes reach each other through the mesh, applying again changes nothing, and nothing is left") {
  if (!can_make_meshes()) return;
  size_t processes = count_wireguard_go();
  MeshNodes nodes(2);
  auto links = names_of_links(nodes.places[0]);
  CHECK_GT(nodes.apply_mesh(0), 0);
  CHECK_GT(nodes.apply_mesh(1), 0);
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
  CHECK(ping(nodes.mesh(1), nodes.address(0), 1420 - 28));
  CHECK_EQ(nodes.apply_mesh(0), 0);
  CHECK_EQ(nodes.apply_mesh(1), 0);
  CHECK_FALSE(ping(nodes.places[0], nodes.address(1)));
  {
    // An agent that starts again finds its devices as they should be.
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    auto again = MeshMachine::open({.netns_folder = *nodes.folder / "netns1"}).value();
    CHECK_EQ(again->apply({nodes.wish(0)}).value(), 0);
  }
  nodes.leave_mesh(0);
  nodes.leave_mesh(1);
  CHECK_EQ(names_of_links(nodes.places[0]), links);
  CHECK_EQ(count_wireguard_go(), processes);
  CHECK(io::list_folder(*nodes.folder / "netns1").value().empty());
  CHECK(io::list_folder("/run/wireguard").value().empty());
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  CHECK_FALSE(run_nft("list table inet mcloud_relay").has_value());
}

TEST_CASE("three nodes are a mesh; one that leaves is gone for the others at once") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(3);
  for (size_t i = 0; i < 3; ++i) nodes.apply_mesh(i);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i != j) CHECK(ping(nodes.mesh(i), nodes.address(j)));
    }
  }
  MeshWish without = nodes.wish(0);
  without.peers.pop_back();
  CHECK_LE(nodes.apply_mesh(0, without), 2);
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
  CHECK_FALSE(ping(nodes.mesh(0), nodes.address(2)));
  CHECK_FALSE(ping(nodes.mesh(2), nodes.address(0)));
}

TEST_CASE("the mesh takes pings and VXLAN in and nothing else, and forwards nothing") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(3);
  for (size_t i = 0; i < 3; ++i) nodes.apply_mesh(i);
  TcpServer server(nodes.mesh(1), "0.0.0.0", 4789);
  CHECK_FALSE(connect_tcp(nodes.mesh(0), nodes.address(1), 4789).is_open());
  {
    NetnsScope scope = NetnsScope::enter(nodes.mesh(1).netns).value();
    CHECK_EQ(net_sysctl("ipv4/ip_forward").value(), "0");
  }
  // By way of another: the sender's own table is bent, the way back is not needed to see that nothing arrives.
  Sniffer sniffer(nodes.mesh(2), "mwg0");
  {
    NetnsScope scope = NetnsScope::enter(nodes.mesh(1).netns).value();
    REQUIRE(set_net_sysctl("ipv4/ip_forward", "1").has_value());
  }
  MeshWish bent = nodes.wish(0);
  for (MeshNode& peer : bent.peers) {
    if (peer.number == 2) peer.number = 3; else peer.number = 2;
  }
  nodes.apply_mesh(0, bent);
  CHECK_FALSE(ping(nodes.mesh(0), nodes.address(2)));
  CHECK(sniffer.packets().empty());
  // The next apply puts right what somebody has bent in the namespace.
  nodes.apply_mesh(1);
  NetnsScope scope = NetnsScope::enter(nodes.mesh(1).netns).value();
  CHECK_EQ(net_sysctl("ipv4/ip_forward").value(), "0");
}

TEST_CASE("between nodes there is WireGuard and nothing of what members say") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  Sniffer sniffer(nodes.backplane, "port1");
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  Overlay overlay(nodes);
  CHECK(ping_at_last(overlay.places[0], Overlay::address(1)));
  CHECK(transfer(overlay.places[0], overlay.places[1], Overlay::address(1), 1 << 20));
  size_t wireguard = 0;
  for (const std::string& packet : sniffer.packets()) {
    if (is_neighbour_talk(packet)) continue;
    ++wireguard;
    CHECK_MESSAGE(is_wireguard(packet), to_hex(packet.substr(0, 48)));
    CHECK_EQ(packet.find("xxxxxxxxxxxxxxxx"), std::string::npos);
  }
  CHECK_GT(wireguard, 500);
}

TEST_CASE("a wireguard-go that has died or hangs is noticed and made anew, and what roamed is found again") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  nodes.apply_mesh(0);
  nodes.apply_mesh(1);
  if (nodes.mesh_machines[0]->is_kernel()) return;
  CHECK(ping(nodes.mesh(0), nodes.address(1)));
  for (int signal : {SIGKILL, SIGSTOP}) {
    CHECK(nodes.mesh_machines[0]->is_alive());
    int pid = wireguard_go_in(nodes.places[0]);
    REQUIRE_GT(pid, 0);
    io::Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    ::kill(pid, signal);
    if (signal == SIGKILL) {
      // Its end is there once its pidfd says so.
      while (nodes.mesh_machines[0]->is_alive()) {
      }
    } else {
      // A thread that runs stops a moment later, and may answer until then.
      while (shell(nodes.places[0], "grep -h ^State /proc/" + std::to_string(pid) + "/task/*/status | grep -vc 'T (stopped)' || true") != "0\n") {
      }
    }
    CHECK_GT(nodes.apply_mesh(0), 0);
    CHECK_NE(wireguard_go_in(nodes.places[0]), pid);
    CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
    CHECK_EQ(nodes.apply_mesh(0), 0);
  }
  CHECK_EQ(count_wireguard_go(), 2);
}

TEST_CASE("killed at any moment, the next apply ends with the mesh that is wanted and no second process") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  nodes.meshes[0].add_key(1);
  nodes.apply_mesh(1);
  testing::SimulatedRandom random(7);
  size_t others = count_wireguard_go();
  for (int round = 0; round < 6; ++round) {
    CAPTURE(round);
    pid_t child = ::fork();
    if (child == 0) {
      NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
      static_cast<void>(nodes.mesh_machines[0]->apply({nodes.wish(0)}));
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(round % 2 == 0 ? random.below(60'000) : random.below(2'000'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    // As after a restart: another object, that remembers nothing.
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    WireGuard::Options options{.netns_folder = *nodes.folder / "netns1"};
    auto machine = MeshMachine::open(options).value();
    auto done = machine->apply({nodes.wish(0)});
    if (!done.has_value()) FAIL(done.error().message);
    CHECK_EQ(machine->apply({nodes.wish(0)}).value(), 0);
    CHECK_EQ(count_wireguard_go(), others + 2);
    CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
    if (round % 2 == 1) continue;
    REQUIRE(machine->apply({}).has_value());
    CHECK_EQ(count_wireguard_go(), others);
  }
  MeshMachine* last = nodes.mesh_machines[0].get();
  NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
  CHECK(last->apply({}).has_value());
  CHECK_EQ(count_wireguard_go(), others);
}

TEST_CASE("a dedicated network has a device in its own namespace, which goes with the namespace") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  std::vector<io::Fd> spaces;
  for (size_t i = 0; i < 2; ++i) {
    spaces.push_back(create_netns().value());
    {
      NetnsScope scope = NetnsScope::enter(spaces[i]).value();
      REQUIRE(set_net_sysctl("ipv4/ping_group_range", "0 2147483647").has_value());
    }
    REQUIRE(pin_netns(spaces[i], *nodes.folder / ("netns" + std::to_string(i + 1)) + "/mcloud_net_7").has_value());
    MeshWish wish = nodes.wish(i);
    wish.netns = "mcloud_net_7";
    wish.device_prefix = "mwgd";
    nodes.apply_mesh(i, wish);
  }
  CHECK(ping(Place{open_netns(*nodes.folder / "netns1/mcloud_net_7").value()}, nodes.address(1)));
  CHECK_EQ(io::list_folder(*nodes.folder / "netns1").value().size(), 1);
  // The namespace goes first, as it does when a network is removed.
  size_t before = count_wireguard_go();
  REQUIRE(unpin_netns(*nodes.folder / "netns1/mcloud_net_7").has_value());
  spaces[0].reset();
  nodes.leave_mesh(0);
  CHECK_EQ(count_wireguard_go() + 1, before);
  nodes.leave_mesh(1);
  REQUIRE(unpin_netns(*nodes.folder / "netns2/mcloud_net_7").has_value());
}

TEST_CASE("a port that another program has is said, and had once it is free") {
  if (!can_make_meshes()) return;
  MeshNodes nodes(2);
  nodes.apply_mesh(1);
  {
    UdpServer taken(nodes.places[0], "0.0.0.0", kMeshPort);
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    auto refused = nodes.mesh_machines[0]->apply({nodes.wish(0)});
    REQUIRE_FALSE(refused.has_value());
    CHECK_NE(refused.error().message.find("create WireGuard device mwg0 in mcloud_mesh"), std::string::npos);
  }
  nodes.apply_mesh(0);
  CHECK(ping_at_last(nodes.mesh(0), nodes.address(1)));
}

TEST_CASE("without WireGuard of either kind it is said what to install") {
  if (!can_make_meshes()) return;
  const char* path = ::getenv("PATH");
  std::string before = path == nullptr ? "" : path;
  ::setenv("PATH", "/nowhere", 1);
  auto opened = WireGuard::open({.force_userspace = true});
  ::setenv("PATH", before.c_str(), 1);
  REQUIRE_FALSE(opened.has_value());
  CHECK_EQ(opened.error().code, Code::Unsupported);
  CHECK_NE(opened.error().message.find("install Debian's wireguard-go"), std::string::npos);
}
