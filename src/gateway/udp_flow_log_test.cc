#include "gateway/udp_flow_log.h"

#include <doctest/doctest.h>

#include <vector>

#include "gateway/tunnel/address.h"

namespace mcloud::gateway {
namespace {

struct FlowLogStand {
  bool has_room = true;
  std::vector<std::string> lines;
  UdpFlowLog log{"site_0", 53, [this](std::string_view line) {
                   if (has_room) lines.emplace_back(line);
                   return has_room;
                 }};
  void add(uint64_t now_us, const std::string& client = "192.0.2.7") {
    UdpFlowEnd flow{make_address(client, 4711).value().storage, "dns-0-53", {2, 1, 60, 500, 3}, 1'234, "silent"};
    log.add(flow, now_us);
  }
};

TEST_CASE("the end of a flow is one line of JSON: who, which port, which replica, how much, how long, why") {
  FlowLogStand stand;
  stand.add(10'000'000);
  stand.add(10'000'001, "2001:db8::1");
  REQUIRE(stand.lines.size() == 2);
  CHECK(stand.lines[0] ==
        "site_0 {\"client\":\"192.0.2.7\",\"client_port\":4711,\"port\":53,\"bytes_in\":60,\"bytes_out\":500,\"datagrams_in\":2,\"datagrams_out\":1,"
        "\"dropped\":3,\"ms\":1234,\"server\":\"dns-0-53\",\"end\":\"silent\"}\n");
  CHECK(stand.lines[1].starts_with("site_0 {\"client\":\"2001:db8::1\",\"client_port\":4711,"));
}

TEST_CASE("flows beyond the second's lines are in the sums of one, and none is said twice or not at all") {
  FlowLogStand stand;
  for (uint32_t number = 0; number < UdpFlowLog::kLinesMax + 5; ++number) stand.add(10'000'000 + number);
  CHECK(stand.lines.size() == UdpFlowLog::kLinesMax);
  stand.log.tick(10'900'000);
  CHECK(stand.lines.size() == UdpFlowLog::kLinesMax);
  stand.log.tick(11'000'000);
  REQUIRE(stand.lines.size() == UdpFlowLog::kLinesMax + 1);
  CHECK(stand.lines.back() ==
        "site_0 {\"flows\":5,\"port\":53,\"bytes_in\":300,\"bytes_out\":2500,\"datagrams_in\":10,\"datagrams_out\":5,\"dropped\":15,\"end\":\"many\"}\n");
  stand.log.tick(12'000'000);
  stand.add(12'000'001);
  CHECK(stand.lines.size() == UdpFlowLog::kLinesMax + 2);
  CHECK(stand.lines.back().find("\"client\"") != std::string::npos);
}

TEST_CASE("what finds no room in the pipe is in the sums once there is room") {
  FlowLogStand stand;
  stand.has_room = false;
  stand.add(10'000'000);
  stand.log.tick(11'000'000);
  stand.has_room = true;
  stand.log.tick(11'500'000);
  CHECK(stand.lines.empty());
  stand.log.tick(12'000'000);
  REQUIRE(stand.lines.size() == 1);
  CHECK(stand.lines[0].starts_with("site_0 {\"flows\":1,"));
}

}  // namespace
}  // namespace mcloud::gateway
