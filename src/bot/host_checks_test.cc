#include "bot/host_checks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

using namespace mcloud;
using namespace mcloud::bot;

namespace {

HostFacts good_host() {
  HostFacts facts;
  facts.is_root = facts.has_cgroup_v2 = facts.has_kernel_wireguard = facts.has_seccomp = facts.is_clock_synchronized = true;
  facts.has_project_quota = true;
  facts.kernel = "6.1.0-25-cloud-amd64";
  facts.processor = "x86_64";
  facts.cpus = 4;
  facts.memory_bytes = 8ull << 30;
  facts.controllers = {"cpu", "memory", "pids", "io"};
  facts.file_systems = {"overlay", "ext4"};
  facts.devices = {"fuse", "net/tun"};
  for (const Program& program : node_programs()) facts.programs.insert(program.name);
  for (const Program& program : gateway_programs()) facts.programs.insert(program.name);
  facts.user_namespaces_max = 1000;
  facts.data_folder = "/var/lib/mcloud";
  facts.data_free_bytes = 100ull << 30;
  return facts;
}

// What is not good on a host that was changed so: "VERDICT WHAT".
std::vector<std::string> troubles(const std::function<void(HostFacts&)>& change, bool is_gateway = false) {
  HostFacts facts = good_host();
  change(facts);
  std::vector<std::string> out;
  for (const HostCheck& check : check_host(facts, is_gateway)) {
    CHECK_EQ(check.verdict == HostCheck::Verdict::Good, check.remedy.empty());
    if (check.verdict == HostCheck::Verdict::Good) continue;
    out.push_back((check.verdict == HostCheck::Verdict::Bad ? "bad " : "warning ") + check.what);
  }
  return out;
}

using Troubles = std::vector<std::string>;

}  // namespace

TEST_CASE("a good host has nothing to be remedied") {
  CHECK(troubles([](HostFacts&) {}).empty());
  CHECK(troubles([](HostFacts&) {}, true).empty());
}

TEST_CASE("each thing that a node cannot do without is named, with its remedy") {
  CHECK_EQ(troubles([](HostFacts& f) { f.is_root = false; }), Troubles{"bad rights"});
  CHECK_EQ(troubles([](HostFacts& f) { f.processor = "riscv64"; }), Troubles{"bad processor"});
  CHECK_EQ(troubles([](HostFacts& f) { f.memory_bytes = 256 << 20; }), Troubles{"bad memory"});
  CHECK_EQ(troubles([](HostFacts& f) { f.kernel = "5.9.16"; }), Troubles{"bad kernel"});
  CHECK_EQ(troubles([](HostFacts& f) { f.kernel = "4.19.0"; }), Troubles{"bad kernel"});
  CHECK_EQ(troubles([](HostFacts& f) { f.kernel = "?"; }), Troubles{"bad kernel"});
  CHECK_EQ(troubles([](HostFacts& f) { f.controllers.erase("memory"); }), Troubles{"bad control groups"});
  CHECK_EQ(troubles([](HostFacts& f) { f.file_systems.erase("overlay"); }), Troubles{"bad overlay"});
  CHECK_EQ(troubles([](HostFacts& f) { f.user_namespaces_max = 0; }), Troubles{"bad user namespaces"});
  CHECK_EQ(troubles([](HostFacts& f) { f.has_seccomp = false; }), Troubles{"bad system call filter"});
  CHECK_EQ(troubles([](HostFacts& f) { f.programs.erase("crun"); }), Troubles{"bad programs"});
  CHECK_EQ(troubles([](HostFacts& f) { f.data_free_bytes = 1 << 30; }), Troubles{"bad disk"});
  CHECK_EQ(troubles([](HostFacts& f) { f.has_kernel_wireguard = false; }), Troubles{"bad WireGuard"});
}

TEST_CASE("wireguard-go does where the kernel has none, and what only costs something is a warning") {
  CHECK(troubles([](HostFacts& f) { f.has_kernel_wireguard = false, f.programs.insert("wireguard-go"); }).empty());
  CHECK_EQ(troubles([](HostFacts& f) {
             f.has_kernel_wireguard = false, f.programs.insert("wireguard-go"), f.devices.erase("net/tun");
           }),
           Troubles{"bad WireGuard"});
  CHECK_EQ(troubles([](HostFacts& f) { f.has_project_quota = false; }), Troubles{"warning disk bounds"});
  CHECK_EQ(troubles([](HostFacts& f) { f.is_clock_synchronized = false; }), Troubles{"warning clock"});
  CHECK_EQ(troubles([](HostFacts& f) { f.devices.erase("fuse"); }), Troubles{"warning FUSE"});
}

TEST_CASE("ports and the engine matter to gateways only") {
  auto change = [](HostFacts& f) { f.taken_ports = {22, 443}, f.programs.erase("haproxy"); };
  CHECK(troubles(change).empty());
  CHECK_EQ(troubles(change, true), Troubles{"bad gateway's programs", "bad port 443"});
}

TEST_CASE("this machine, on which nodes run in tests, is found to be one") {
  HostFacts facts = read_host_facts("/var/lib/mcloud-that-is-not-there/data");
  CHECK_GT(facts.cpus, 0);
  CHECK_GT(facts.memory_bytes, 0);
  CHECK_GT(facts.data_free_bytes, 0);
  CHECK_FALSE(facts.kernel.empty());
  CHECK(facts.controllers.contains("memory"));
  CHECK(facts.file_systems.contains("overlay"));
}
