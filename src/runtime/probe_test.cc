#include "runtime/probe.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <csignal>
#include <cstring>

#include "runtime/test_world.h"

using namespace mcloud;
using namespace mcloud::runtime;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A network namespace made outside of the container's user namespace, as the node does: loopback only.
class TestNetwork {
 public:
  TestNetwork() {
    int ready[2];
    REQUIRE_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      ifreq up{};
      std::strcpy(up.ifr_name, "lo");
      up.ifr_flags = IFF_UP;
      bool is_made = unshare(CLONE_NEWNET) == 0 && ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &up) == 0;
      [[maybe_unused]] ssize_t put = write(ready[1], is_made ? "1" : "0", 1);
      while (true) pause();
    }
    char answer = '0';
    REQUIRE_EQ(read(ready[0], &answer, 1), 1);
    REQUIRE_EQ(answer, '1');
    close(ready[0]);
    close(ready[1]);
  }
  ~TestNetwork() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string path() const { return "/proc/" + std::to_string(pid_) + "/ns/net"; }

 private:
  int pid_ = 0;
};

Status probe_until_ready(TestWorld& world, const std::string& id, const Probe& probe) {
  io::SystemClock clock;
  uint64_t deadline_ms = clock.monotonic_ms() + 10'000;
  while (true) {
    Status answered = run_probe(world.runtime(), id, probe, 1'000);
    if (answered.has_value() || clock.monotonic_ms() > deadline_ms) return answered;
  }
}

}  // namespace

TEST_CASE_CONTAINERS("a service on a low port in a given network answers probes") {
  TestWorld world;
  TestNetwork network;
  ContainerSpec spec = world.spec("web", "echo ok > /tmp/index.html; httpd -f -p 80 -h /tmp");
  spec.network_namespace = network.path();
  REQUIRE(world.runtime().start(spec).has_value());
  Status ready = probe_until_ready(world, "web", HttpProbe{.port = 80});
  CHECK_MESSAGE(ready.has_value(), ready.error().message);
  CHECK(run_probe(world.runtime(), "web", TcpProbe{.port = 80}, 1'000).has_value());
  CHECK(run_probe(world.runtime(), "web", ExecProbe{{"true"}}, 5'000).has_value());

  Status missing = run_probe(world.runtime(), "web", HttpProbe{.port = 80, .path = "/nothing"}, 1'000);
  CHECK(has(missing.error().message, "HTTP status 404"));
  CHECK_EQ(run_probe(world.runtime(), "web", TcpProbe{.port = 81}, 1'000).error().code, Code::Unavailable);
  Status failed = run_probe(world.runtime(), "web", ExecProbe{{"sh", "-c", "echo too bad >&2; exit 2"}}, 5'000);
  CHECK(has(failed.error().message, "exited with 2: too bad"));
  CHECK_EQ(run_probe(world.runtime(), "web", HttpProbe{.port = 80, .path = "/a b"}, 1'000).error().code, Code::Invalid);
  CHECK_EQ(run_probe(world.runtime(), "web", TcpProbe{"example.org", 80}, 1'000).error().code, Code::Invalid);
  REQUIRE(world.runtime().stop("web", 0).has_value());
  CHECK_EQ(run_probe(world.runtime(), "web", TcpProbe{.port = 80}, 1'000).error().code, Code::Unavailable);
}

TEST_CASE_CONTAINERS("a service that accepts and stays silent is a time-out, one that talks nonsense is no HTTP") {
  TestWorld world;
  TestNetwork network;
  ContainerSpec spec = world.spec("odd", "nc -l -p 80 -e sleep 100 & nc -ll -p 82 -e echo hello & wait");
  spec.network_namespace = network.path();
  REQUIRE(world.runtime().start(spec).has_value());
  REQUIRE(probe_until_ready(world, "odd", TcpProbe{.port = 82}).has_value());
  Status nonsense = run_probe(world.runtime(), "odd", HttpProbe{.port = 82}, 2'000);
  CHECK_EQ(nonsense.error().code, Code::Unavailable);
  io::SystemClock clock;
  uint64_t before = clock.monotonic_ms();
  CHECK_EQ(run_probe(world.runtime(), "odd", HttpProbe{.port = 80}, 300).error().code, Code::TimedOut);
  CHECK(clock.monotonic_ms() - before < 2'000);
}

TEST_CASE_CONTAINERS("a container sees its own network in sysfs and none of the machine's") {
  TestWorld world;
  TestNetwork network;
  ContainerSpec spec = world.spec("net", "ls /sys/class/net; mount | grep ' /sys '; touch /sys/class/net/x || echo denied");
  spec.network_namespace = network.path();
  std::string out = world.output_of(spec);
  CHECK(out.starts_with("lo\n"));
  CHECK(has(out, "sysfs"));
  CHECK(has(out, "denied"));
  // Without one: a network of its own with nothing in it.
  CHECK(world.output_of(world.spec("none", "ls /sys/class/net")).starts_with("lo\n"));
}

TEST_CASE_CONTAINERS("a container without a network is alone on its machine's ports") {
  TestWorld world;
  ContainerSpec spec = world.spec("alone", "echo ok > /tmp/index.html; httpd -f -p 80 -h /tmp");
  REQUIRE(world.runtime().start(spec).has_value());
  Status ready = probe_until_ready(world, "alone", HttpProbe{.port = 80});
  CHECK_MESSAGE(ready.has_value(), ready.error().message);
}
