#include "cli/top_rates.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::cli;

namespace {

std::vector<sink::Figure> node_of(const std::string& node, double cpu_seconds, double memory, double bytes_out) {
  auto number = [](double value) { return std::to_string(value); };
  return {{"node_load1", {{"node", node}}, "0.5"},
          {"node_memory_total_bytes", {{"node", node}}, "1000"},
          {"node_memory_available_bytes", {{"node", node}}, "400"},
          {"node_disk_total_bytes", {{"node", node}}, "5000"},
          {"node_disk_free_bytes", {{"node", node}}, "2000"},
          {"node_containers_running", {{"node", node}}, "1"},
          {"mcloud_network_bytes_total", {{"node", node}, {"direction", "out"}}, number(bytes_out)},
          {"node_container_cpu_seconds_total", {{"node", node}, {"contract", "c0"}, {"workload", "web"}, {"index", "0"}}, number(cpu_seconds)},
          {"node_container_memory_bytes", {{"node", node}, {"contract", "c0"}, {"workload", "web"}, {"index", "0"}}, number(memory)},
          {"node_container_pids", {{"node", node}, {"contract", "c0"}, {"workload", "web"}, {"index", "0"}}, "3"}};
}

std::vector<sink::Figure> both(std::vector<sink::Figure> a, const std::vector<sink::Figure>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("gauges are there at once, rates with a node's second push, whenever others push") {
  Top top;
  top.add(both(node_of("n1", 10, 100, 0), node_of("n2", 50, 200, 0)), 1'000);
  REQUIRE_EQ(top.nodes().size(), 2);
  CHECK_EQ(top.nodes()[0].memory_used, 600);
  CHECK_EQ(top.nodes()[0].disk_used, 3000);
  CHECK_FALSE(top.nodes()[0].cpu.has_value());
  CHECK_EQ(top.replicas()[0].node, "n2");  // the larger one, as long as rates are not known
  CHECK_EQ(top.replicas()[0].pids, 3);

  top.add(both(node_of("n1", 12, 100, 5000), node_of("n2", 50, 200, 0)), 6'000);  // n2 has not pushed
  top.add(both(node_of("n1", 12, 100, 5000), node_of("n2", 51, 200, 0)), 11'000);
  CHECK_EQ(top.nodes()[0].cpu.value(), doctest::Approx(0.4));
  CHECK_EQ(top.nodes()[0].network_out.value(), doctest::Approx(1000));
  CHECK_EQ(top.nodes()[1].cpu.value(), doctest::Approx(0.1));
  CHECK_EQ(top.replicas()[0].node, "n1");
  CHECK_EQ(top.replicas()[0].cpu.value(), doctest::Approx(0.4));
}

TEST_CASE("a counter that began anew has no rate, and a node that is gone no row") {
  Top top;
  top.add(node_of("n1", 100, 1, 0), 1'000);
  top.add(node_of("n1", 1, 1, 0), 2'000);  // another process
  CHECK_FALSE(top.replicas()[0].cpu.has_value());
  top.add(node_of("n2", 1, 1, 0), 3'000);
  REQUIRE_EQ(top.nodes().size(), 1);
  CHECK_EQ(top.nodes()[0].node, "n2");
  CHECK_EQ(top.replicas().size(), 1);
}
