// Steps cut short anywhere, and what is left in the end.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "network/machine_fixture.h"
#include "network/netns.h"
#include "network/plan.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

Network make_network(uint32_t vni, Underlay underlay) {
  Network network;
  network.contract = ContractId::from_bytes(Bytes(32, static_cast<char>(vni))).value();
  network.name = "default";
  network.vni = vni;
  network.range = Range::parse("10.42.0.0/16").value();
  network.range6 = ula_range("test", vni);
  network.underlay = underlay;
  return network;
}

// One of everything: an encrypted, restricted network with a gateway's and a people's portal, a plain one with a
// publication and a way, a dedicated one, a container in two of them.
DesiredNetworks everything(const Nodes& nodes) {
  DesiredNetworks out = nodes.base(0);
  Network mesh = make_network(7, Underlay::Mesh), plain = make_network(8, Underlay::Plain);
  Network dedicated = make_network(9, Underlay::Dedicated);
  mesh.restricted = true;
  mesh.allow = {{{ip("10.42.0.2")}, {ip("10.42.0.3")}, "tcp", 80, 80}};
  mesh.members = {{"web-0", "eth0", ip("10.42.0.2")}, {"gate-0", "eth0", ip("10.42.0.8"), true},
                  {"team-0", "eth0", ip("10.42.0.9"), true}};
  mesh.remotes = {{ip("10.42.0.3"), ip("198.18.0.8")}, {ip("10.42.0.4"), ip("198.18.0.8")}};
  mesh.ways = {{"tcp", 4001, ip("10.42.0.2"), 80, "gate-0"}};
  WireGuardKey secret, key;
  secret.bytes[0] = 1;
  key.bytes[0] = 2;
  mesh.access = Access{"team-0", 51900, secret, {{key, ip("10.42.0.100")}}};
  plain.members = {{"web-0", "eth1", ip("10.42.0.2")}, {"db-0", "eth0", ip("10.42.0.5")}};
  plain.remotes = {{ip("10.42.0.3"), ip("172.16.0.2")}};
  plain.ways = {{"tcp", 4001, ip("10.42.0.5"), 80, ""}};
  dedicated.members = {{"own-0", "eth0", ip("10.42.0.2")}};
  dedicated.remotes = {{ip("10.42.0.3"), ip("198.18.0.8")}};
  out.networks = {mesh, plain, dedicated};
  out.publications = {{Publication::Protocol::Tcp, 8080, 8, {{ip("10.42.0.5"), 80}}}};
  return out;
}

// The same with other members, remotes, rules and shapes.
DesiredNetworks everything_else(const Nodes& nodes) {
  DesiredNetworks out = everything(nodes);
  Network& mesh = out.networks[0];
  mesh.members[0].netns = "web-1";
  mesh.remotes = {{ip("10.42.0.3"), ip("198.18.0.12")}};
  mesh.ways[0].port = 4002;
  mesh.access->devices[0].address = ip("10.42.0.101");
  mesh.restricted = false;
  out.networks[1].underlay = Underlay::Mesh;
  out.networks[2].vni = 10;
  out.publications[0].port = 8081;
  return out;
}

constexpr const char* kPicture = R"(
  printf 'link show\naddr show\nroute show table all\nneigh show proxy\n' | ip -batch -
  bridge fdb
  nft -s list ruleset
  cat /proc/net/udp /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
  for one in /proc/sys/net/ipv4/conf/eth*/arp_accept; do test ! -e $one || sed s,^,$one=, $one; done)";

// Numbers of interfaces and namespaces, MACs of the kernel's choice and what follows from them are nobody's wish.
std::string tidy(const std::string& line) {
  for (const char* noise : {"fe80", "link/", "_lft", "permanent"}) {
    if (line.find(noise) != std::string::npos) return "";
  }
  std::string out = line;
  size_t colon = out.find(": ");
  if (colon != std::string::npos && colon < 12) out = out.substr(colon + 2);  // "12: br0", or a line of sockets
  size_t other_end = out.find('@');
  if (other_end != std::string::npos) out.erase(other_end, out.find_first_of(": ", other_end) - other_end);
  size_t alias = out.find("alias mcloud:");
  if (alias != std::string::npos && out.size() > alias + 78 && out.find_first_not_of("0123456789", alias + 78) == std::string::npos) {
    out.resize(alias + 78);  // of vx0: the namespace's number follows the contract
  }
  if (out.find("0100007F:") != std::string::npos || out.find("00000000:") != std::string::npos) out.resize(13);
  return out;
}

// What is in all namespaces of the first node.
std::string picture(const Nodes& nodes) {
  std::vector<std::pair<std::string, Place>> places;
  for (const std::string& name : io::list_folder(nodes.path(0, "")).value()) places.emplace_back(name, nodes.space(0, name));
  std::vector<std::string> lines;
  auto add = [&](const std::string& name, const Place& place) {
    std::istringstream text(shell(place, kPicture));
    for (std::string line; std::getline(text, line);) {
      if (std::string kept = tidy(line); !kept.empty()) lines.push_back(name + ": " + kept);
    }
  };
  add("node", nodes.places[0]);
  for (const auto& [name, place] : places) add(name, place);
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

void check_every_cut(Nodes& nodes, const DesiredNetworks& before, const DesiredNetworks& after) {
  nodes.apply(0, before);
  nodes.apply(0, after);
  std::string wanted = picture(nodes);
  for (size_t cut = 0;; ++cut) {
    CAPTURE(cut);
    nodes.apply(0, before);
    {
      NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
      auto steps = plan(after, nodes.machines[0]->read().value());
      if (cut >= steps.size()) break;
      CAPTURE(describe(steps[cut]));
      for (size_t i = 0; i <= cut; ++i) {
        Status done = nodes.machines[0]->execute(steps[i]);
        REQUIRE_MESSAGE(done.has_value(), done.error().message);
      }
      // The process is another one afterwards.
      nodes.machines[0] = Machine::open({nodes.path(0, "")}).value();
    }
    nodes.apply(0, after);
    CHECK_EQ(nodes.apply(0, after), 0);
    CHECK_EQ(picture(nodes), wanted);
  }
}

}  // namespace

TEST_CASE("after any step of making everything the rest is made and nothing twice") {
  if (!can_make_networks()) return;
  Nodes nodes(1, true);
  check_every_cut(nodes, nodes.base(0), everything(nodes));
}

TEST_CASE("after any step of a change the rest of it is made") {
  if (!can_make_networks()) return;
  Nodes nodes(1, true);
  check_every_cut(nodes, everything(nodes), everything_else(nodes));
}

TEST_CASE("after any step of removing everything the rest is removed, and nothing is left") {
  if (!can_make_networks()) return;
  Nodes nodes(1, true);
  std::string untouched = picture(nodes);
  {
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    // Forwarding, once on, stays.
    REQUIRE(set_net_sysctl("ipv4/ip_forward", "1").has_value());
    REQUIRE(set_net_sysctl("ipv6/conf/all/forwarding", "1").has_value());
  }
  std::string empty = picture(nodes);
  CHECK_NE(empty, untouched);
  check_every_cut(nodes, everything(nodes), nodes.base(0));
  nodes.apply(0, nodes.base(0));
  CHECK_EQ(picture(nodes), empty);
}

namespace {

bool is_call_that_changes(uint64_t number) {
  return number == SYS_sendto || number == SYS_sendmsg || number == SYS_mount || number == SYS_umount2 ||
         number == SYS_unlink || number == SYS_write;
}

// Applies in another process and kills it before its call number `count` to the kernel that may change something. False
// when it came to its end before.
bool apply_until(Nodes& nodes, const DesiredNetworks& wanted, size_t count) {
  pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    ::_exit(nodes.machines[0]->apply(wanted).has_value() ? 0 : 1);
  }
  int status = 0;
  REQUIRE_EQ(::waitpid(child, &status, 0), child);
  REQUIRE_EQ(::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
  bool is_entry = true;
  for (size_t calls = 0;; is_entry = !is_entry) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) return false;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    bool counts = is_entry && info.op == PTRACE_SYSCALL_INFO_ENTRY && is_call_that_changes(info.entry.nr);
    if (!counts || calls++ < count) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return true;
  }
}

}  // namespace

TEST_CASE("killed before any call to the kernel, the next apply ends with exactly what is wanted") {
  if (!can_make_networks()) return;
  Nodes nodes(1, true);
  DesiredNetworks wishes[] = {everything(nodes), everything_else(nodes), nodes.base(0)};
  std::string pictures[3];
  for (size_t i = 0; i < 3; ++i) {
    nodes.apply(0, wishes[i]);
    pictures[i] = picture(nodes);
  }
  // All of them would take minutes: each time others, so that many runs try them all.
  size_t calls = std::random_device()() % 23;
  MESSAGE("beginning with call " << calls);
  bool was_killed = true;
  for (size_t round = 0; was_killed || round % 3 != 0; ++round, calls += 23) {
    CAPTURE(calls);
    size_t wish = round % 3;
    bool killed = apply_until(nodes, wishes[wish], calls);
    was_killed = (wish != 0 && was_killed) || killed;
    NetnsScope scope = NetnsScope::enter(nodes.places[0].netns).value();
    // The kernel takes a killed process's unfinished namespace apart in its own time; a try may come too early.
    auto done = nodes.machines[0]->apply(wishes[wish]);
    for (int i = 0; i < 100 && !done.has_value(); ++i, ::usleep(10'000)) done = nodes.machines[0]->apply(wishes[wish]);
    if (!done.has_value()) FAIL(done.error().message);
    CHECK_EQ(nodes.machines[0]->apply(wishes[wish]).value(), 0);
    CHECK_EQ(picture(nodes), pictures[wish]);
  }
}

TEST_CASE("every link and every table of ours says whose it is") {
  if (!can_make_networks()) return;
  Nodes nodes(1, true);
  DesiredNetworks wanted = everything(nodes);
  nodes.apply(0, wanted);
  for (const Network& network : wanted.networks) {
    CAPTURE(network.vni);
    std::string hex = network.contract.hex();
    Place space = nodes.space(0, "mcloud_net_" + std::to_string(network.vni));
    std::string links = shell(space, "ip -o link | grep -v ' lo:'");
    for (size_t at = 0, end; at < links.size(); at = end + 1) {
      end = links.find('\n', at);
      std::string line = links.substr(at, end - at);
      CAPTURE(line);
      CHECK(line.find("alias mcloud:" + hex) != std::string::npos);
    }
    CHECK(shell(space, "nft list table inet mcloud").find("comment \"" + hex) != std::string::npos);
    CHECK(shell(space, "nft list table bridge mcloud").find("comment \"" + hex) != std::string::npos);
    CHECK(shell(nodes.places[0], "ip -o link show mcloud-" + std::to_string(network.vni)).find(hex) != std::string::npos);
  }
  std::string mesh_contract = wanted.networks[0].contract.hex();
  for (const char* netns : {"web-0", "gate-0", "team-0"}) {
    CHECK(shell(nodes.container(0, netns), "nft list table inet mcloud").find(mesh_contract) != std::string::npos);
    CHECK(shell(nodes.container(0, netns), "ip -o link show eth0").find("alias mcloud:" + mesh_contract) != std::string::npos);
  }
  CHECK(shell(nodes.places[0], "nft list map inet mcloud tcp_publications").find(wanted.networks[1].contract.hex()) !=
        std::string::npos);
  CHECK(shell(nodes.container(0, "gate-0"), "ip -o link show up0").find(mesh_contract) != std::string::npos);
}
