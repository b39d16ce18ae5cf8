#include "cli/network_figures.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "bot/test_network.h"

using namespace mcloud;
using namespace mcloud::cli;

namespace {

// Contract "team" on n1 and n2; n3 runs others.
bot::TestTeam team() {
  bot::TestTeam made;
  for (const char* name : {"n1", "n2", "n3"}) made.add_node(name);
  made.add_container("web", "office", {"n1", "n2"});
  return made;
}

std::string key_of(bot::TestTeam& made, const std::string& name) { return to_hex(made.node(name).key()).substr(0, 16); }
std::string id_of(bot::TestTeam& made) { return to_hex(made.facts.record.id()).substr(0, 16); }

std::string printed(const std::vector<sink::Figure>& figures) {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  {
    Output output(out, stderr, false);
    print_figures(output, figures, 1'000'000'000'000);
  }
  fclose(out);
  std::string all(text, size);
  free(text);
  return all;
}

}  // namespace

TEST_CASE("figures of a contract are its own, and those between its nodes; nobody else's") {
  bot::TestTeam made = team();
  const std::string vni = std::to_string(made.facts.record.spaces(0).vni());
  const std::vector<sink::Figure> all = {
      {"mcloud_network_bytes_total", {{"node", "n1"}, {"vni", vni}, {"network", "office"}, {"way", "nodes"}, {"direction", "in"}}, "2048"},
      {"mcloud_network_bytes_total", {{"node", "n1"}, {"vni", "9"}}, "1"},
      {"mcloud_network_drops_total", {{"node", "n1"}, {"netns", "mcloud_net_" + vni}, {"rule", "spoofed"}}, "7"},
      {"mcloud_network_drops_total", {{"node", "n2"}, {"netns", "mcloud-" + id_of(made) + "-web-1"}, {"rule", "not allowed in"}}, "3"},
      {"mcloud_network_drops_total", {{"node", "n1"}, {"netns", "mcloud_net_9"}, {"rule", "spoofed"}}, "1"},
      {"mcloud_network_drops_total", {{"node", "n3"}, {"netns", ""}, {"rule", "no peer"}}, "1"},
      {"mcloud_mesh_rtt_seconds", {{"node", "n1"}, {"peer", key_of(made, "n2")}}, "0.000512"},
      {"mcloud_mesh_rtt_seconds", {{"node", "n1"}, {"peer", key_of(made, "n3")}}, "0.1"},
      {"mcloud_mesh_rtt_seconds", {{"node", "n3"}, {"peer", key_of(made, "n2")}}, "0.1"},
      {"mcloud_gateway_requests_total", {{"node", "n3"}, {"contract", "0123456789abcdef"}}, "1"},
  };
  const std::vector<sink::Figure> own = figures_of(made.facts, all);
  REQUIRE_EQ(own.size(), 4);
  CHECK_EQ(own[3].labels.at("to"), "n2");
  const std::string text = printed(own);
  for (const char* words : {"n1    n2  0.51 ms", "office   n1", "2KiB", "spoofed", "not allowed in"}) {
    CAPTURE(text);
    CAPTURE(words);
    CHECK_NE(text.find(words), std::string::npos);
  }
}

TEST_CASE("figures of gateways say when certificates end, drops of nothing are left out") {
  bot::TestTeam made = team();
  const std::string id = id_of(made);
  auto of = [&](const std::string& name, const std::string& value) {
    return sink::Figure{"mcloud_gateway_" + name, {{"node", "n3"}, {"contract", id}, {"workload", "site"}}, value};
  };
  const std::vector<sink::Figure> own = figures_of(made.facts, {of("requests_total", "42"), of("serves", "1"),
      of("certificate_expires_seconds", "1000864000"),
      {"mcloud_network_drops_total", {{"node", "n1"}, {"netns", ""}, {"rule", "no peer"}}, "0"}});
  const std::string text = printed(own);
  CAPTURE(text);
  for (const char* words : {"site", "n3", "yes", "42", "in 10 d"}) CHECK_NE(text.find(words), std::string::npos);
  CHECK_EQ(text.find("no peer"), std::string::npos);
  CHECK_NE(printed(figures_of(made.facts, {of("certificate_expires_seconds", "5")})).find("expired"), std::string::npos);
}
