#include "network/wireguard_uapi.h"

#include <doctest/doctest.h>

using namespace mcloud;
using namespace mcloud::network;

namespace {

const std::string kHexOne(64, '1');
const std::string kHexTwo(64, '2');
WireGuardKey one() { return WireGuardKey::from_bytes(Bytes(32, '\x11')).value(); }
WireGuardKey two() { return WireGuardKey::from_bytes(Bytes(32, '\x22')).value(); }

}  // namespace

TEST_CASE("a change is told to wireguard-go peer by peer, with keep-alives last") {
  ConfigChange change;
  change.secret = two();
  change.port = 51820;
  change.peers.push_back({.key = one(),
                          .preshared = two(),
                          .keepalive_s = 25,
                          .endpoint = "192.0.2.1:51820",
                          .allowed = {"198.18.0.4/32", "fd00::/64"}});
  change.peers.push_back({.key = two(), .remove = true});
  CHECK_EQ(uapi_set(change), "set=1\nprivate_key=" + kHexTwo + "\nlisten_port=51820\npublic_key=" + kHexOne +
                                 "\npreshared_key=" + kHexTwo +
                                 "\nendpoint=192.0.2.1:51820\nallowed_ip=198.18.0.4/32\nallowed_ip=fd00::/64\n"
                                 "persistent_keepalive_interval=25\npublic_key=" +
                                 kHexTwo + "\nremove=true\n\n");
}

TEST_CASE("ranges that go are taken over by a peer that goes with them") {
  CHECK_EQ(uapi_set(drop_ranges({"10.0.0.0/8"}, one())), "set=1\npublic_key=" + kHexOne + "\nallowed_ip=10.0.0.0/8\npublic_key=" +
                                                           kHexOne + "\nremove=true\n\n");
}

TEST_CASE("what wireguard-go says of a device is read, and names of later versions are passed over") {
  auto state = parse_uapi_device("private_key=" + kHexTwo + "\nlisten_port=51820\nfwmark=7\npublic_key=" + kHexOne +
                                 "\npreshared_key=" + kHexTwo +
                                 "\nprotocol_version=1\nendpoint=[2001:db8::1]:51820\nlast_handshake_time_sec=5\n"
                                 "last_handshake_time_nsec=7000000\ntx_bytes=10\nrx_bytes=20\n"
                                 "persistent_keepalive_interval=25\nallowed_ip=fd00::/64\nallowed_ip=10.0.0.0/8\n"
                                 "some_new_name=x\nerrno=0\n\n")
                   .value();
  CHECK_EQ(state.secret, two());
  CHECK_EQ(state.port, 51820);
  REQUIRE_EQ(state.peers.size(), 1);
  CHECK_EQ(state.peers[0].key, one());
  CHECK_EQ(state.peers[0].preshared, two());
  CHECK_EQ(state.peers[0].endpoint, "[2001:db8::1]:51820");
  CHECK_EQ(state.peers[0].keepalive_s, 25);
  CHECK_EQ(state.peers[0].allowed, std::vector<std::string>{"10.0.0.0/8", "fd00::/64"});
  const PeerFigures& figures = state.figures[one()];
  CHECK_EQ(figures.last_handshake_ms, 5007);
  CHECK_EQ(figures.sent_bytes, 10);
  CHECK_EQ(figures.received_bytes, 20);
}

TEST_CASE("an answer that is cut off, doubled or malformed is refused and shows no key") {
  std::string peer = "public_key=" + kHexOne + "\n";
  for (const std::string& text :
       {std::string(), std::string("\n\n"), std::string("listen_port=1\n"), std::string("listen_port=1\n\n"),
        std::string("listen_port=70000\nerrno=0\n\n"), std::string("private_key=zz\nerrno=0\n\n"),
        peer + "allowed_ip=10.0.0.1/8\nerrno=0\n\n", peer + "allowed_ip=10.0.0.0/33\nerrno=0\n\n",
        peer + "endpoint=host:1\nerrno=0\n\n", peer + peer + "errno=0\n\n", peer + "rx_bytes=-1\nerrno=0\n\n",
        peer + "last_handshake_time_sec=18446744073709551615\nerrno=0\n\n", std::string("errno=0\nerrno=0\n\n"),
        std::string("no equals sign\nerrno=0\n\n"), std::string("=x\nerrno=0\n\n")}) {
    auto state = parse_uapi_device(text);
    REQUIRE_FALSE(state.has_value());
    CHECK_EQ(state.error().code, Code::Corrupt);
    CHECK_EQ(state.error().message.find("1111"), std::string::npos);
  }
}

TEST_CASE("an error of wireguard-go is told as such") {
  CHECK(parse_uapi_outcome("errno=0\n\n").has_value());
  auto refused = parse_uapi_outcome("errno=-98\n\n");
  REQUIRE_FALSE(refused.has_value());
  CHECK_NE(refused.error().message.find("Address already in use"), std::string::npos);
}
