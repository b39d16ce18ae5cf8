#include "runtime/cgroup.h"

#include <csignal>

#include "runtime/test_world.h"

using namespace mcloud;
using namespace mcloud::runtime;

namespace {

// A group of its own, removed at the end; a process that waits to be killed.
struct TestGroup {
  TestGroup() : cgroups(Cgroups::detect().value()), name("runtime-test-group-" + std::to_string(getpid())) {
    Status created = cgroups.create(name + "/below");
    REQUIRE_MESSAGE(created.has_value(), created.error().message);
  }
  ~TestGroup() {
    CHECK(sweep_cgroups(name).has_value());
    for (int child : children) waitpid(child, nullptr, 0);
  }
  int add_process(const std::string& group) {
    int child = fork();
    if (child == 0) {
      while (true) pause();
    }
    children.push_back(child);
    Status moved = cgroups.move(group, child);
    REQUIRE_MESSAGE(moved.has_value(), moved.error().message);
    return child;
  }
  Cgroups cgroups;
  std::string name;
  std::vector<int> children;
};

}  // namespace

TEST_CASE_CONTAINERS("a group holds processes, counts them and kills them all") {
  TestGroup group;
  std::string below = group.name + "/below";
  CHECK(group.cgroups.create(below).has_value());  // again is fine
  REQUIRE(group.cgroups.set_limits(below, {.cpu_milli = 500, .memory_bytes = 64 << 20, .pids = 20}).has_value());
  REQUIRE(group.cgroups.set_limits(below, {.cpu_milli = 250, .memory_bytes = 128 << 20}).has_value());
  REQUIRE(group.cgroups.set_limits(below, {}).has_value());
  group.add_process(below);
  REQUIRE(group.cgroups.create_inside(below, "exec").has_value());
  group.add_process(below + "/exec");
  CHECK_EQ(group.cgroups.processes(group.name).value().size(), 2);
#if !__has_feature(thread_sanitizer)  // whose own thread in each fork is counted too
  CHECK_EQ(group.cgroups.usage(below).value().pids, 2);
#endif
  CHECK_EQ(group.cgroups.usage(below).value().out_of_memory_kills, 0);
  CHECK_EQ(group.cgroups.children(group.name).value(), std::vector<std::string>{"below"});
  REQUIRE(group.cgroups.kill(group.name, 5'000).has_value());
  CHECK(group.cgroups.processes(group.name).value().empty());
}

TEST_CASE_CONTAINERS("a group is removed with all that is in and below it") {
  TestGroup group;
  group.add_process(group.name + "/below");
  REQUIRE(group.cgroups.remove(group.name).has_value());
  CHECK_EQ(group.cgroups.usage(group.name).error().code, Code::NotFound);
  CHECK(group.cgroups.children(group.name).value().empty());
  CHECK(group.cgroups.remove(group.name).has_value());
}

TEST_CASE_CONTAINERS("a group's name stays below the hierarchies") {
  Cgroups cgroups = Cgroups::detect().value();
  for (const char* name : {"", "/x", "../x", "a/../../x", "a\nb"}) {
    CHECK_EQ(cgroups.create(name).error().code, Code::Invalid);
    CHECK_EQ(cgroups.remove(name).error().code, Code::Invalid);
  }
}
