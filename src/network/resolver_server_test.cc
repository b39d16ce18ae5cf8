#include "network/resolver_server.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "io/clock.h"
#include "network/test_resolver.h"
#include "network/resolver_control.h"

using namespace mcloud;
using namespace mcloud::network;

namespace {

// SIGKILL takes a moment.
void kill_and_wait(int pid) {
  io::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  REQUIRE(process.is_open());
  REQUIRE_EQ(::kill(pid, SIGKILL), 0);
  pollfd ended{process.get(), POLLIN, 0};
  REQUIRE_EQ(::poll(&ended, 1, 5'000), 1);
}

size_t resident_kib(int pid) {
  std::string status = io::read_file("/proc/" + std::to_string(pid) + "/status").value();
  return std::stoul(status.substr(status.find("VmRSS:") + 6));
}

}  // namespace

TEST_CASE("unbound itself finds no fault in the configuration") {
  if (!can_resolve()) return;
  testing::TemporaryFolder folder;
  for (const std::vector<std::string>& upstreams :
       {std::vector<std::string>{}, {"192.0.2.1", "2001:db8::1@5353", "127.0.0.1@54"}}) {
    ResolverOptions options{folder / "resolver", upstreams};
    REQUIRE(io::make_folders(resolver_data_folder(options)).has_value());
    std::string records = resolver_data({"web.hello.internal. 1 IN A 10.42.0.7"});
    REQUIRE(io::write_file(resolver_data_file(options, ip("198.19.0.1")), records, io::Durability::None).has_value());
    std::string text = resolver_config(options, "", resolver_clients({ip("10.9.9.9")}));
    REQUIRE(io::write_file(resolver_config_file(options), text, io::Durability::None).has_value());
    auto judged = io::run({.arguments = {"unbound-checkconf", resolver_config_file(options)}}).value();
    CHECK_MESSAGE(judged.exit_code == 0, judged.errors);
  }
}

TEST_CASE("an upstream that is no address is refused") {
  for (const char* upstream :
       {"", "dns.example", "192.0.2.1@", "192.0.2.1@0", "192.0.2.1@70000", "192.0.2.1@53x", "::1 x"}) {
    CHECK_FALSE(open_resolver({.upstreams = {upstream}}).has_value());
  }
}

TEST_CASE("two networks of contracts with one name see their own members only") {
  if (!can_resolve()) return;
  ResolverBench bench(2);
  bench.open();
  bench.apply({names_of(0, {member("web", 0, "10.42.0.7", "fd00::7"), member("web", 1, "10.42.0.8", "fd00::8")}),
               names_of(1, {member("web", 0, "10.42.0.9"), member("db", 0, "10.42.0.7")})});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7 | 10.42.0.8");
  CHECK_EQ(bench.ask(1, "A", "web.hello.internal"), "10.42.0.9");
  CHECK_EQ(bench.ask(0, "A", "web-1.hello.internal"), "10.42.0.8");
  CHECK_EQ(bench.ask(0, "AAAA", "web.hello.internal"), "fd00::7 | fd00::8");
  CHECK_EQ(bench.ask(0, "SRV", "_http._tcp.web.hello.internal"),
           "0 1 80 web-0.hello.internal. | 0 1 80 web-1.hello.internal.");
  CHECK_EQ(bench.ask(0, "PTR", "10.42.0.7"), "web-0.hello.internal.");
  CHECK_EQ(bench.ask(1, "PTR", "10.42.0.7"), "db-0.hello.internal.");
  CHECK_EQ(bench.ask(0, "PTR", "fd00::8"), "web-1.hello.internal.");
  // Of others, and of nobody.
  CHECK_EQ(bench.ask(0, "A", "db.hello.internal"), "NXDOMAIN");
  CHECK_EQ(bench.ask(1, "A", "web-1.hello.internal"), "NXDOMAIN");
  CHECK_EQ(bench.ask(0, "A", "web.other.internal"), "NXDOMAIN");
  CHECK_EQ(bench.ask(0, "PTR", "10.42.0.99"), "NXDOMAIN");
  CHECK_EQ(bench.ask(0, "A", "example.org"), "REFUSED");  // without an upstream
  CHECK(resident_kib(bench.pid()) <= 15 << 10);
}

TEST_CASE("a replica that fails is withdrawn and the process stays, also when a network comes or goes") {
  if (!can_resolve()) return;
  ResolverBench bench(3);
  bench.open();
  auto two = names_of(0, {member("web", 0, "10.42.0.7"), member("web", 1, "10.42.0.8")});
  auto one = names_of(0, {member("web", 1, "10.42.0.8")});
  bench.apply({two});
  int pid = bench.pid();
  bench.apply({one});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.8");
  CHECK_EQ(bench.ask(0, "A", "web-0.hello.internal"), "NXDOMAIN");
  bench.apply({one, names_of(1, {member("web", 0, "10.43.0.7")})});
  CHECK_EQ(bench.ask(1, "A", "web.hello.internal"), "10.43.0.7");
  // One for which no view is there yet.
  NetworkNames far = names_of(2, {member("web", 0, "10.44.0.7")});
  NetworkNames other = far;
  other.client = transit_network_address(400);
  bench.apply({two, far, other});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7 | 10.42.0.8");
  CHECK_EQ(bench.ask(1, "A", "web.hello.internal"), "NXDOMAIN");
  CHECK_EQ(bench.ask(2, "A", "web.hello.internal"), "10.44.0.7");
  bench.apply({far});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "NXDOMAIN");
  CHECK_EQ(bench.pid(), pid);
}

TEST_CASE("unbound outlives who drives it, is found again, and comes back with all records when it is killed") {
  if (!can_resolve()) return;
  ResolverBench bench(1);
  bench.open();
  auto one = names_of(0, {member("web", 0, "10.42.0.7")});
  auto two = names_of(0, {member("web", 0, "10.42.0.7"), member("web", 1, "10.42.0.8")});
  bench.apply({one});
  int pid = bench.pid();
  bench.resolver.reset();
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7");
  bench.open();
  bench.apply({two});
  CHECK_EQ(bench.pid(), pid);
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7 | 10.42.0.8");

  kill_and_wait(pid);
  bench.apply({two});
  CHECK(bench.pid() != pid);
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7 | 10.42.0.8");
  // Its records are in files: it has them from its first answer on.
  bench.apply({one});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7");

  int second = bench.pid();
  bench.apply({});
  CHECK_EQ(::kill(second, 0), -1);
  CHECK_FALSE(io::exists(bench.options.folder));
  NetnsScope scope = NetnsScope::enter(bench.node.netns).value();
  auto addresses = io::run({.arguments = {"ip", "-o", "addr", "show", "dev", "lo"}}).value();
  CHECK(addresses.output.find(kResolverAddress) == std::string::npos);
  CHECK(addresses.output.find(kResolverAddress6) == std::string::npos);
}

TEST_CASE("each network sees its own names over IPv6 too") {
  if (!can_resolve()) return;
  ResolverBench bench(2);
  bench.open();
  bench.apply({names_of(0, {member("web", 0, "10.42.0.7", "fd00::7")}), names_of(1, {member("web", 0, "10.42.0.9")})});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal", kResolverAddress6), "10.42.0.7");
  CHECK_EQ(bench.ask(0, "AAAA", "web.hello.internal", kResolverAddress6), "fd00::7");
  CHECK_EQ(bench.ask(1, "A", "web.hello.internal", kResolverAddress6), "10.42.0.9");
}

TEST_CASE("the resolver's IPv6 address is in force as soon as names are") {
  if (!can_resolve()) return;
  ResolverBench bench(1);
  bench.open();
  auto one = names_of(0, {member("web", 0, "10.42.0.7")});
  bench.apply({one});
  {
    NetnsScope scope = NetnsScope::enter(bench.networks[0].netns).value();
    REQUIRE(set_net_sysctl("ipv4/ping_group_range", "0 2147483647").has_value());
  }
  REQUIRE(ping(bench.networks[0], kResolverAddress6));
  size_t lost = 0;
  for (int i = 0; i < 50; ++i) {
    {
      NetnsScope scope = NetnsScope::enter(bench.node.netns).value();
      Links links = Links::open().value();
      Ipv6 own = Ipv6::parse(kResolverAddress6).value();
      REQUIRE(links.remove_address6(links.get("lo").value().index, own, 128).has_value());
    }
    bench.apply({one});
    if (!ping(bench.networks[0], kResolverAddress6)) ++lost;
  }
  CHECK_EQ(lost, 0);
}

TEST_CASE("an agent that was killed between two commands leaves nothing wrong behind") {
  if (!can_resolve()) return;
  ResolverBench bench(1);
  bench.open();
  auto one = names_of(0, {member("web", 0, "10.42.0.7")});
  bench.apply({one});
  bench.resolver.reset();
  // The files say what was wanted, unbound has half of it.
  std::string path = resolver_data_file(bench.options, ip("198.19.0.1"));
  REQUIRE(io::write_file(bench.options.folder + "/changing", "", io::Durability::None).has_value());
  REQUIRE(
      io::write_file(path, resolver_data({"web.hello.internal. 1 IN A 10.42.0.8"}), io::Durability::None).has_value());
  ResolverControl control(resolver_control_socket(bench.options));
  uint64_t deadline = io::SystemClock().monotonic_ms() + 2'000;
  REQUIRE(control.change(ip("198.19.0.1"), {{"web.hello.internal."}, {"x.hello.internal. 1 IN A 10.42.0.9"}}, deadline)
              .has_value());
  bench.open();
  bench.apply({one});
  CHECK_EQ(bench.ask(0, "A", "web.hello.internal"), "10.42.0.7");
  CHECK_EQ(bench.ask(0, "A", "x.hello.internal"), "NXDOMAIN");
  CHECK_FALSE(io::exists(bench.options.folder + "/changing"));
}

TEST_CASE("a network of a thousand members is told in a second, and one that leaves it too") {
  if (!can_resolve()) return;
  ResolverBench bench(1);
  bench.open();
  NetworkNames names = names_of(0, {});
  bench.apply({names_of(0, {member("first", 0, "10.41.0.1")})});
  for (uint32_t i = 0; i < 1'000; ++i) {
    std::string address = Ipv4{ip("10.42.0.0").value + i}.text();
    names.members.push_back(member("w" + std::to_string(i % 10), i / 10, address, "fd00::" + std::to_string(i + 1)));
  }
  io::SystemClock clock;
  uint64_t start = clock.monotonic_ms();
  bench.apply({names});
  uint64_t told = clock.monotonic_ms();
  names.members.erase(names.members.begin());
  bench.apply({names});
  uint64_t withdrawn = clock.monotonic_ms();
  MESSAGE("1,000 members in ", told - start, " ms, one less in ", withdrawn - told, " ms, ", resident_kib(bench.pid()),
          " KiB");
  CHECK(told - start < 1'000);
  CHECK(withdrawn - told < 200);
  CHECK_EQ(bench.ask(0, "A", "w9-99.hello.internal"), "10.42.3.231");
  CHECK_EQ(bench.ask(0, "A", "w0-0.hello.internal"), "NXDOMAIN");
  std::string rest = bench.ask(0, "A", "w0.hello.internal");
  CHECK_EQ(std::count(rest.begin(), rest.end(), '|'), 98);
}
