#include "lab/cluster.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/file.h"
#include "lab/cgroups.h"
#include "lab/cluster_fixture.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::lab;

namespace {

std::unique_ptr<Owner> bring_up(const Options& options) {
  auto owner = Owner::up(options);
  if (!owner.has_value()) FAIL(owner.error().message);
  return std::move(owner).value();
}

void good(const Status& status) {
  if (!status.has_value()) FAIL(status.error().message);
}

template <typename Condition>
bool within_ms(uint64_t limit_ms, Condition condition) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + limit_ms;
  while (!condition()) {
    if (io::SystemClock().monotonic_ms() >= deadline) return false;
    ::usleep(10'000);
  }
  return true;
}

// An owner in a process of its own, to be killed. The pid; the cluster is up when this returns.
pid_t owner_process(const Options& options) {
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    auto owner = Owner::up(options);
    char ready = owner.has_value() ? 'y' : 'n';
    static_cast<void>(!::write(ends[1], &ready, 1));
    if (owner.has_value()) (*owner)->wait(600'000);
    ::_exit(0);
  }
  ::close(ends[1]);
  char ready = 'n';
  REQUIRE_EQ(::read(ends[0], &ready, 1), 1);
  REQUIRE_EQ(ready, 'y');
  ::close(ends[0]);
  return pid;
}

void kill_and_reap(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace

TEST_CASE("lab process" * doctest::skip()) {
  // Not a test: how this program becomes the keeper and the root (Options::self).
  std::string line = io::read_file("/proc/self/cmdline").value();
  std::vector<std::string> words;
  bool after = false;
  for (size_t at = 0; at < line.size();) {
    std::string word = line.c_str() + at;
    at += word.size() + 1;
    if (after) words.push_back(word);
    after = after || word == "--";
  }
  if (!words.empty()) ::_exit(run_hidden(words));
}

TEST_CASE("a ring of five comes up, says what it is, and goes without a trace") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  Options options = test_options(folder.path(), 5);
  options.forwards = {{"hub", 0, {"10.250.0.1:7100"}, 0}};
  std::string progress;
  auto owner = Owner::up(options, [&](const std::string& text) { progress += text + "\n"; });
  if (!owner.has_value()) FAIL(owner.error().message);
  CHECK(progress.find("starting node n5") != std::string::npos);
  ClusterStatus status = (*owner)->cluster().status().value();
  REQUIRE_EQ(status.nodes.size(), 5);
  for (const NodeStatus& node : status.nodes) {
    CHECK_EQ(node.state, "up");
    CHECK_GT(node.pid1, 1);
    std::string inside = "/proc/" + std::to_string(node.pid1);
    CHECK(io::read_file(inside + "/status").value().find("NSpid:\t" + std::to_string(node.pid1) + "\t") !=
          std::string::npos);
    CHECK(io::read_file(inside + "/cgroup").value().find("/" + status.id + "/" + node.name) != std::string::npos);
  }
  CHECK_EQ(status.nodes[1].address, "10.251.0.2");
  CHECK_EQ(status.nodes[1].uplink, "10.250.0.12");
  CHECK_EQ(status.links.size(), 5);
  REQUIRE_EQ(status.forwards.size(), 1);
  CHECK_GT(status.forwards[0].port, 0);
  CHECK(io::exists(folder / "cluster.json"));
  CHECK_EQ(Owner::up(options).error().code, Code::Conflict);

  Traces traces(status);
  owner->reset();
  CHECK_EQ(traces.left(), "");
  CHECK_EQ(Cluster(folder.path()).status().error().code, Code::NotFound);

  auto again = bring_up(options);
  CHECK_EQ(again->cluster().status()->forwards[0].port, status.forwards[0].port);
}

TEST_CASE("nothing is left when any of its processes is killed") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  for (std::string victim : {"owner", "keeper", "root"}) {
    CAPTURE(victim);
    pid_t owner = owner_process(test_options(folder.path(), 3));
    Traces traces(Cluster(folder.path()).status().value());
    if (victim == "owner") kill_and_reap(owner);
    if (victim == "keeper") ::kill(traces.keeper_pid(), SIGKILL);
    if (victim == "root") ::kill(traces.root_pid(), SIGKILL);
    if (victim == "keeper") {
      // Its socket stays as a file; nobody answers there.
      CHECK(within_ms(5'000, [&] { return !Cluster(folder.path()).status().has_value(); }));
      ::unlink((folder / "control.sock").c_str());
    }
    if (victim != "owner") ::waitpid(owner, nullptr, 0);
    CHECK_EQ(traces.left(), "");
  }
}

TEST_CASE("what a cluster left that lost all its processes at once is swept by the next one") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder, other;
  pid_t owner = owner_process(test_options(folder.path(), 2));
  Traces traces(Cluster(folder.path()).status().value());
  for (int pid : {traces.keeper_pid(), traces.root_pid()}) ::kill(pid, SIGSTOP);
  for (int pid : {traces.keeper_pid(), traces.root_pid()}) ::kill(pid, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  auto next = bring_up(test_options(other.path(), 2));
  ::unlink((folder / "control.sock").c_str());
  CHECK_EQ(traces.left(), "");
}

TEST_CASE("a stream between nodes survives the silent cut of any one link with a stall of at most a second") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  auto owner = bring_up(test_options(folder.path(), 5));
  Cluster cluster = owner->cluster();
  ClusterStatus status = cluster.status().value();
  REQUIRE(wait_for_ring(status));
  Stream stream(status.nodes[0], status.nodes[2]);
  for (const LinkStatus& link : status.links) {
    int before = stream.run(200);
    good(cluster.cut(link.a, link.b));
    int stall = stream.run(1'500);
    MESSAGE("cut " << link.a << "-" << link.b << ": longest wait " << stall << " ms (before: " << before << " ms)");
    CHECK_GE(stall, 0);
    CHECK_LE(stall, 1'000);
    good(cluster.mend(link.a, link.b));
    CHECK(wait_for_ring(status));
    CHECK_GE(stream.run(100), 0);
  }
}

TEST_CASE("a killed node is gone, whoever kills it, and comes back with its data") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  auto owner = bring_up(test_options(folder.path(), 3));
  Cluster cluster = owner->cluster();
  ClusterStatus status = cluster.status().value();
  REQUIRE(wait_for_ring(status));
  good(io::write_file(folder / "nodes/n2/data", "kept", io::Durability::None));

  good(cluster.kill("n2"));
  CHECK_EQ(cluster.status()->nodes[1].state, "down");
  CHECK_EQ(cluster.status()->nodes[1].pid1, 0);
  CHECK_EQ(cluster.kill("n2").error().code, Code::Conflict);
  CHECK_EQ(cluster.kill("n9").error().message, "there is no node \"n9\"; there are n1, n2, n3");
  Stream around(status.nodes[0], status.nodes[2]);
  CHECK_GE(around.run(100), 0);
  good(cluster.restore("n2"));
  CHECK(wait_for_ring(cluster.status().value()));

  // From outside, without asking anybody.
  int pid1 = cluster.status()->nodes[1].pid1;
  REQUIRE_GT(pid1, 1);
  ::kill(pid1, SIGKILL);
  CHECK(within_ms(5'000, [&] { return cluster.status()->nodes[1].state == "down"; }));
  CHECK_EQ(cluster.status()->nodes[1].exit_code, 137);
  auto groups = Cgroups::find().value();
  CHECK_FALSE(io::exists(groups.entrances(status.id + "/n2")[0]));
  good(cluster.restore("n2"));
  ClusterStatus restored = cluster.status().value();
  CHECK(wait_for_ring(restored));
  Stream again(restored.nodes[1], restored.nodes[0]);
  CHECK_GE(again.run(100), 0);
  CHECK_EQ(io::read_file(folder / "nodes/n2/data").value(), "kept");
}

TEST_CASE("a node joins a running ring") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  auto owner = bring_up(test_options(folder.path(), 1));
  Cluster cluster = owner->cluster();
  for (size_t nodes = 2; nodes <= 4; ++nodes) {
    good(cluster.add_node({"n" + std::to_string(nodes), "{\"labels\":{\"disk\":\"ssd\"}}"}));
    ClusterStatus status = cluster.status().value();
    REQUIRE_EQ(status.nodes.size(), nodes);
    REQUIRE(wait_for_ring(status));
    Stream stream(status.nodes[0], status.nodes[nodes - 1]);
    CHECK_GE(stream.run(50), 0);
  }
  CHECK_EQ(cluster.add_node({"n4", "{}"}).error().message, "the name n4 is taken");
  CHECK(io::read_file(folder / "nodes/n4/node.json").value().find("ssd") != std::string::npos);
}

TEST_CASE("a cut uplink carries nothing, and carries again when mended") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  auto owner = bring_up(test_options(folder.path(), 2));
  Cluster cluster = owner->cluster();
  auto can_reach_hub = [&] {
    io::Command command;
    command.arguments = {"nsenter", "-t",      std::to_string(cluster.status()->nodes[0].pid1),
                         "-n",      "timeout", "0.5",
                         "bash",    "-c",      "exec 3<>/dev/tcp/10.250.0.1/9"};
    auto outcome = io::run(command);
    return outcome->errors.find("refused") != std::string::npos;  // an answer, nobody listens there
  };
  CHECK(within_ms(5'000, can_reach_hub));
  good(cluster.cut_uplink("n1"));
  CHECK_FALSE(can_reach_hub());
  good(cluster.kill("n1"));
  good(cluster.restore("n1"));
  CHECK_FALSE(can_reach_hub());  // a cut outlives the node
  good(cluster.mend_uplink("n1"));
  CHECK(within_ms(5'000, can_reach_hub));
}

TEST_CASE("a hidden node is behind a router that lets its connections out and nobody's in") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  Options options = test_options(folder.path(), 3);
  options.nodes[1].is_hidden = true;
  options.nodes[2].is_gateway = true;
  auto owner = bring_up(options);
  Cluster cluster = owner->cluster();
  ClusterStatus status = cluster.status().value();
  CHECK_EQ(status.nodes[1].address, "");
  CHECK_EQ(status.nodes[1].uplink, "192.168.2.2");
  REQUIRE_EQ(status.links.size(), 2);
  for (const LinkStatus& link : status.links) CHECK(link.a + link.b != "n2");
  std::string config = io::read_file(folder / "nodes/n2/node.json").value();
  CHECK(config.find("\"hidden\": true") != std::string::npos);
  CHECK(config.find("backplane") == std::string::npos);
  CHECK(io::read_file(folder / "nodes/n3/node.json").value().find("gw.localhost") != std::string::npos);

  auto in_node = [&](size_t node, const std::string& script) {
    std::string pid = std::to_string(cluster.status()->nodes[node].pid1);
    io::Command command;
    command.arguments = {"nsenter", "-t", pid, "-n", "timeout", "0.5", "bash", "-c", script};
    return io::run(command).value();
  };
  auto reaches = [&](size_t node, const std::string& address) {
    return in_node(node, "exec 3<>/dev/tcp/" + address + "/9").errors.find("refused") != std::string::npos;
  };
  CHECK(within_ms(5'000, [&] { return reaches(1, "10.250.0.13"); }));
  CHECK_FALSE(reaches(0, "192.168.2.2"));
  CHECK(reaches(0, "10.250.0.12"));  // the router itself, which has nothing to offer
  CHECK_EQ(in_node(1, "ping -c 1 -W 1 10.251.0.1").exit_code != 0, true);
  CHECK_EQ(in_node(1, "ping -c 1 -W 1 2001:db8:250::13").exit_code, 0);
  CHECK_EQ(in_node(0, "ping -c 1 -W 1 2001:db8:250::1").exit_code, 0);
  CHECK_EQ(in_node(0, "ping -c 1 -W 1 fd00:192:2::2").exit_code != 0, true);
  CHECK(in_node(0, "ip -6 addr show dev ring-next").output.empty());
  good(cluster.kill("n2"));
  good(cluster.restore("n2"));
  CHECK(within_ms(5'000, [&] { return reaches(1, "10.250.0.13"); }));
  good(cluster.add_node({"n4", "{}"}));
  REQUIRE_EQ(cluster.status()->links.size(), 3);
}

TEST_CASE("clusters run side by side and know nothing of each other") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder one_folder, two_folder;
  auto one = bring_up(test_options(one_folder.path(), 2));
  auto two = bring_up(test_options(two_folder.path(), 2));
  ClusterStatus first = one->cluster().status().value();
  ClusterStatus second = two->cluster().status().value();
  CHECK_NE(first.id, second.id);
  CHECK_EQ(first.nodes[0].address, second.nodes[0].address);
  Traces traces(first);
  REQUIRE(wait_for_ring(second));
  one.reset();
  CHECK_EQ(traces.left(), "");
  Stream stream(second.nodes[0], second.nodes[1]);
  CHECK_GE(stream.run(100), 0);
  good(two->cluster().down());
  CHECK(two->wait(5'000));
}

TEST_CASE("a service is reached through its port on the host and is started again when it ends") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  Options options = test_options(folder.path(), 2);
  std::string script =
      "import socket\ns=socket.socket(); s.setsockopt(1,2,1); s.bind(('10.250.0.1',7100)); s.listen()\n"
      "c,_=s.accept(); c.sendall(b'hello'); c.close()\n";
  options.services = {{"ledger", {"python3", "-c", script}, {}}};
  options.forwards = {{"ledger", 0, {"10.250.0.1:7100"}, 0}};
  auto owner = bring_up(options);
  Cluster cluster = owner->cluster();
  uint16_t port = cluster.status()->forwards[0].port;
  auto greeted = [&] {
    io::Command command;
    command.arguments = {"bash", "-c",
                         "exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(port) + "; timeout 2 head -c 5 <&3"};
    return io::run(command)->output == "hello";
  };
  CHECK(within_ms(5'000, greeted));
  CHECK(within_ms(10'000, greeted));
  CHECK_GE(cluster.status()->services[0].restarts, 1);
  uint16_t other = cluster.forward({"twin", 0, {"10.250.0.1:7100"}, 0}).value();
  CHECK_NE(other, port);
  CHECK_EQ(cluster.status()->forwards.size(), 2);
  good(cluster.remove_forward("twin"));
  CHECK_EQ(cluster.status()->forwards.size(), 1);
}

TEST_CASE("a cluster that cannot start says why and leaves nothing") {
  if (!can_run_clusters()) return;
  testing::TemporaryFolder folder;
  Options options = test_options(folder.path(), 2);
  options.node_command = {"/nowhere/mcloud"};
  auto failed = Owner::up(options);
  REQUIRE_FALSE(failed.has_value());
  CHECK_EQ(failed.error().message, "start node n1: start /nowhere/mcloud: cannot execute: No such file or directory");
  options = test_options(folder.path(), 2);
  options.services = {{"ledger", {"/nowhere/ledger"}, {}}};
  CHECK_EQ(Owner::up(options).error().code, Code::NotFound);
  std::string id = cluster_id(folder.path());
  for (const std::string& left : Cgroups::find()->clusters()) CHECK_NE(left, id);
}

TEST_CASE("what a cluster cannot be is said before anything is started") {
  testing::TemporaryFolder folder;
  Options options = test_options(folder.path(), 0);
  CHECK_EQ(check(options).error().message, "a cluster has 1 to 100 nodes, not 0");
  options = test_options(folder.path(), 2);
  options.nodes[1].name = "N 2";
  CHECK_EQ(check(options).error().code, Code::Invalid);
  options.nodes[1].name = "n1";
  CHECK_EQ(check(options).error().message, "the name n1 is taken");
  options = test_options("/run/mcloud", 2);
  CHECK_EQ(check(options).error().code, Code::Invalid);
  options = test_options(folder.path(), 2);
  options.services = {{"ledger", {"true"}, {"A=b"}}};
  options.forwards = {{"web", 8080, {"10.250.0.1:7100"}, 80}};
  CHECK_EQ(to_json(options_from_json(to_json(options)).value()), to_json(options));
}
