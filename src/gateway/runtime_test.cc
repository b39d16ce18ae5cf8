#include "gateway/runtime.h"

#include <doctest/doctest.h>

namespace mcloud::gateway {
namespace {

constexpr const char* kHead =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change\n";

RunningServers running(const std::string& lines) {
  Result<RunningServers> parsed = parse_servers(kHead + lines + "\n");
  REQUIRE(parsed.has_value());
  return *parsed;
}

HaproxyBackend backend(uint32_t weight, bool is_sticky = false) {
  return {"b", is_sticky, {{"web-0", "ipv4@10.0.0.1:80", weight, "check", ""}}};
}

using Commands = std::vector<std::string>;

TEST_CASE("a server that is wanted and not there is added, checked and made ready") {
  CHECK(server_changes({backend(3)}, {}) ==
        Commands{"add server b/web-0 ipv4@10.0.0.1:80 weight 3 check", "enable health b/web-0", "set server b/web-0 state ready"});
  CHECK(server_changes({backend(3, true)}, {}).empty());
}

TEST_CASE("a server as wanted needs nothing, another weight one command") {
  RunningServers there = running("3 b 1 web-0 10.0.0.1 2 0 3 1 9\n");
  CHECK(server_changes({backend(3)}, there).empty());
  CHECK(server_changes({backend(0)}, there) == Commands{"set server b/web-0 weight 0"});
}

TEST_CASE("a server that is not wanted goes to maintenance and is deleted, until it is gone") {
  RunningServers there = running("3 b 1 web-0 10.0.0.1 2 0 3 1 9\n3 b 2 old 10.0.0.2 2 0 3 1 9\n");
  CHECK(server_changes({backend(3)}, there) == Commands{"set server b/old state maint", "del server b/old"});
  there = running("3 b 1 web-0 10.0.0.1 2 0 3 1 9\n3 b 2 old 10.0.0.2 0 1 3 1 9\n");
  CHECK(server_changes({backend(3)}, there) == Commands{"del server b/old"});
}

TEST_CASE("a server that came back before it was deleted serves again") {
  RunningServers there = running("3 b 1 web-0 10.0.0.1 0 1 3 1 9\n");
  CHECK(server_changes({backend(3)}, there) == Commands{"enable health b/web-0", "set server b/web-0 state ready"});
}

TEST_CASE("answers that are no tables are refused") {
  for (const char* answer : {"", "2\n# a b\n", "1\nbe_name\n", "1\n# be_id be_name\n"}) CHECK(!parse_servers(answer).has_value());
  CHECK(!parse_servers(std::string(kHead) + "3 b 1 x;shutdown 10.0.0.1 2 0 3 1 9\n").has_value());
  CHECK(!parse_figures("Unknown command\n").has_value());
}

TEST_CASE("figures of back ends are read by the names of their columns") {
  Result<std::map<std::string, BackendFigures>> figures =
      parse_figures("# pxname,svname,stot,bin,bout,act,req_tot,\nb,BACKEND,5,100,200,2,7,\nt,BACKEND,5,1,2,1,,\nb,web-0,1,1,1,1,,\n\n");
  REQUIRE(figures.has_value());
  CHECK((*figures)["b"].requests == 7);
  CHECK((*figures)["b"].bytes_out == 200);
  CHECK((*figures)["b"].servers_up == 2);
  CHECK((*figures)["t"].requests == 5);
}

TEST_CASE("a line of info is found by its name") {
  CHECK(info_value("Pid: 7\ndescription: mcloud abc\n", "description") == "mcloud abc");
  CHECK(info_value("descriptions: x\n", "description") == "");
}

}  // namespace
}  // namespace mcloud::gateway
