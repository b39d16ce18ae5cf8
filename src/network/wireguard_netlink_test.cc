#include "network/wireguard_netlink.h"

#include <doctest/doctest.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>

#include <set>

using namespace mcloud;
using namespace mcloud::network;

namespace {

WireGuardKey key(int number) {
  WireGuardKey out;
  out.bytes[0] = static_cast<uint8_t>(number);
  out.bytes[1] = static_cast<uint8_t>(number >> 8);
  out.bytes[31] = 1;
  return out;
}

// Requests and answers have one shape, so what is asked for can be read back.
ConfigState read_back(std::vector<NetlinkMessage>& messages) {
  ConfigState state;
  for (NetlinkMessage& message : messages) {
    std::string& bytes = message.finish(1);
    CHECK_LT(bytes.size(), 32 << 10);
    REQUIRE(merge_device_answer(std::string_view(bytes).substr(sizeof(nlmsghdr)), state).has_value());
  }
  state.sort();
  return state;
}

}  // namespace

TEST_CASE("a change for the kernel says all there is to say") {
  ConfigChange change;
  change.secret = key(7);
  change.port = 51820;
  change.peers.push_back({.key = key(1),
                          .preshared = key(8),
                          .keepalive_s = 25,
                          .endpoint = "[2001:db8::1]:51820",
                          .allowed = {"198.18.0.4/32", "fd00::/64"}});
  change.peers.push_back({.key = key(2), .endpoint = "192.0.2.1:51821"});
  auto messages = set_device_messages(30, "mwg0", change).value();
  CHECK_EQ(messages.size(), 1);
  ConfigState state = read_back(messages);
  CHECK_EQ(state.secret, key(7));
  CHECK_EQ(state.port, 51820);
  REQUIRE_EQ(state.peers.size(), 2);
  CHECK_EQ(state.peers[0].preshared, key(8));
  CHECK_EQ(state.peers[0].endpoint, "[2001:db8::1]:51820");
  CHECK_EQ(state.peers[0].keepalive_s, 25);
  CHECK_EQ(state.peers[0].allowed, std::vector<std::string>{"198.18.0.4/32", "fd00::/64"});
  CHECK_EQ(state.peers[1].endpoint, "192.0.2.1:51821");
}

TEST_CASE("many peers and a peer with many ranges are spread over messages and read as one device") {
  ConfigChange change;
  for (int i = 0; i < 1000; ++i) {
    change.peers.push_back({.key = key(i), .allowed = {"10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24"}});
  }
  PeerChange wide{.key = key(5000)};
  std::set<std::string> ranges;
  for (int i = 0; i < 3000; ++i) ranges.insert("fd00:" + std::to_string(i + 1) + "::/64");
  wide.allowed.assign(ranges.begin(), ranges.end());
  change.peers.push_back(wide);
  auto messages = set_device_messages(30, "mwg0", change).value();
  CHECK_GT(messages.size(), 20);
  ConfigState state = read_back(messages);
  REQUIRE_EQ(state.peers.size(), 1001);
  size_t all = 0;
  for (const WireGuardPeer& peer : state.peers) all += peer.allowed.size();
  CHECK_EQ(all, 4000);
}

TEST_CASE("a change with a range or endpoint that is none is refused") {
  CHECK_FALSE(set_device_messages(30, "mwg0", {.peers = {{.key = key(1), .allowed = {"10.0.0.1/8"}}}}).has_value());
  CHECK_FALSE(set_device_messages(30, "mwg0", {.peers = {{.key = key(1), .endpoint = "nowhere"}}}).has_value());
}

TEST_CASE("a malformed answer of the kernel is refused") {
  ConfigState state;
  CHECK_FALSE(merge_device_answer("", state).has_value());
  NetlinkMessage message(30, 0);
  message.append(genlmsghdr{});
  message.put(WGDEVICE_A_LISTEN_PORT, "x");
  std::string bytes = message.finish(1);
  CHECK_FALSE(merge_device_answer(std::string_view(bytes).substr(sizeof(nlmsghdr)), state).has_value());
}
