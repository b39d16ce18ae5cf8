#include "network/wireguard_netlink.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/ip_prefix.h"

namespace mcloud::network {
namespace {

constexpr size_t kPeersPerMessage = 64;
constexpr size_t kRangesPerMessage = 256;

template <typename Value>
std::string_view raw(const Value& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename Value>
Result<Value> fixed(std::string_view bytes) {
  Value out;
  if (bytes.size() != sizeof out) return make_error(Code::Corrupt, "WireGuard: an attribute has a wrong size");
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

genlmsghdr command(uint8_t number, uint8_t version) {
  genlmsghdr header{};
  header.cmd = number;
  header.version = version;
  return header;
}

std::string socket_address(const IpEndpoint& endpoint) {
  if (!endpoint.address.is_v6) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(endpoint.port);
    std::memcpy(&out.sin_addr, endpoint.address.bytes.data(), 4);
    return std::string(raw(out));
  }
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(endpoint.port);
  std::memcpy(&out.sin6_addr, endpoint.address.bytes.data(), 16);
  return std::string(raw(out));
}

// "" = none.
Result<std::string> endpoint_text(std::string_view bytes) {
  IpEndpoint out;
  uint16_t family = 0;
  if (bytes.size() >= sizeof family) std::memcpy(&family, bytes.data(), sizeof family);
  if (family == AF_INET && bytes.size() == sizeof(sockaddr_in)) {
    auto address = TRY(fixed<sockaddr_in>(bytes));
    out.address = TRY(IpAddress::from_bytes(raw(address.sin_addr)));
    out.port = ntohs(address.sin_port);
  } else if (family == AF_INET6 && bytes.size() == sizeof(sockaddr_in6)) {
    auto address = TRY(fixed<sockaddr_in6>(bytes));
    out.address = TRY(IpAddress::from_bytes(raw(address.sin6_addr)));
    out.port = ntohs(address.sin6_port);
  } else {
    return make_error(Code::Corrupt, "WireGuard: an endpoint is of no known family");
  }
  return out.port == 0 ? std::string() : out.text();
}

// A peer's change with the ranges from `first` on, as many as fit into this message.
struct PeerPart {
  const PeerChange* peer = nullptr;
  size_t first = 0, last = 0;
};

using Parts = std::vector<PeerPart>;

std::vector<Parts> cut(const ConfigChange& change) {
  std::vector<Parts> out(1);
  size_t ranges = 0;
  for (const PeerChange& peer : change.peers) {
    size_t at = 0;
    do {
      if (out.back().size() >= kPeersPerMessage || ranges >= kRangesPerMessage) {
        out.emplace_back();
        ranges = 0;
      }
      size_t end = std::min(peer.allowed.size(), at + kRangesPerMessage - ranges);
      out.back().push_back({&peer, at, end});
      ranges += end - at;
      at = end;
    } while (at < peer.allowed.size());
  }
  return out;
}

struct PeerBytes {
  std::string endpoint;
  std::vector<IpPrefix> ranges;
};

Result<PeerBytes> bytes_of(const PeerPart& part) {
  PeerBytes out;
  if (!part.peer->endpoint.empty()) out.endpoint = socket_address(TRY(IpEndpoint::parse(part.peer->endpoint)));
  for (size_t i = part.first; i < part.last; ++i) out.ranges.push_back(TRY(IpPrefix::parse(part.peer->allowed[i])));
  return out;
}

void put_range(NetlinkMessage& message, const IpPrefix& range) {
  message.nest(0, [&] {
    uint16_t family = range.address.is_v6 ? AF_INET6 : AF_INET;
    message.put(WGALLOWEDIP_A_FAMILY, raw(family));
    message.put(WGALLOWEDIP_A_IPADDR, range.address.raw());
    message.put_u8(WGALLOWEDIP_A_CIDR_MASK, static_cast<uint8_t>(range.bits));
  });
}

void put_peer(NetlinkMessage& message, const PeerPart& part, const PeerBytes& bytes) {
  const PeerChange& peer = *part.peer;
  message.nest(0, [&] {
    message.put(WGPEER_A_PUBLIC_KEY, peer.key.view());
    if (peer.remove) message.put_u32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
    bool is_first = part.first == 0;
    if (is_first && peer.preshared.has_value()) message.put(WGPEER_A_PRESHARED_KEY, peer.preshared->view());
    if (is_first && !bytes.endpoint.empty()) message.put(WGPEER_A_ENDPOINT, bytes.endpoint);
    if (is_first && peer.keepalive_s.has_value()) {
      message.put(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, raw(*peer.keepalive_s));
    }
    if (bytes.ranges.empty()) return;
    message.nest(WGPEER_A_ALLOWEDIPS, [&] {
      for (const IpPrefix& range : bytes.ranges) put_range(message, range);
    });
  });
}

Status merge_range(BytesView bytes, WireGuardPeer& peer) {
  NetlinkAttributes attributes(bytes);
  IpPrefix range;
  range.address = TRY(IpAddress::from_bytes(attributes.find(WGALLOWEDIP_A_IPADDR)));
  range.bits = TRY(fixed<uint8_t>(attributes.find(WGALLOWEDIP_A_CIDR_MASK)));
  bool is_sound = range.bits <= (range.address.is_v6 ? 128 : 32) && range.is_range();
  if (!is_sound) return make_error(Code::Corrupt, "WireGuard: a range is none");
  peer.allowed.push_back(range.text());
  return {};
}

Status merge_peer(BytesView bytes, ConfigState& state) {
  NetlinkAttributes attributes(bytes);
  WireGuardKey key = TRY(WireGuardKey::from_bytes(attributes.find(WGPEER_A_PUBLIC_KEY)));
  bool goes_on = !state.peers.empty() && state.peers.back().key == key;
  if (!goes_on) {
    if (state.peers.size() >= kPeersMax) return make_error(Code::Exhausted, "WireGuard: too many peers");
    if (!state.figures.try_emplace(key).second) return make_error(Code::Corrupt, "WireGuard: a peer is there twice");
    state.peers.push_back({.key = key});
  }
  WireGuardPeer& peer = state.peers.back();
  PeerFigures& figures = state.figures[key];
  if (attributes.has(WGPEER_A_PRESHARED_KEY)) {
    peer.preshared = TRY(WireGuardKey::from_bytes(attributes.find(WGPEER_A_PRESHARED_KEY)));
  }
  if (attributes.has(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL)) {
    peer.keepalive_s = TRY(fixed<uint16_t>(attributes.find(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL)));
  }
  if (attributes.has(WGPEER_A_ENDPOINT)) {
    peer.endpoint = figures.endpoint = TRY(endpoint_text(attributes.find(WGPEER_A_ENDPOINT)));
  }
  if (attributes.has(WGPEER_A_RX_BYTES)) figures.received_bytes = TRY(fixed<uint64_t>(attributes.find(WGPEER_A_RX_BYTES)));
  if (attributes.has(WGPEER_A_TX_BYTES)) figures.sent_bytes = TRY(fixed<uint64_t>(attributes.find(WGPEER_A_TX_BYTES)));
  if (attributes.has(WGPEER_A_LAST_HANDSHAKE_TIME)) {
    struct Time {
      int64_t seconds, nanoseconds;
    };
    auto time = TRY(fixed<Time>(attributes.find(WGPEER_A_LAST_HANDSHAKE_TIME)));
    bool is_sound = time.seconds >= 0 && time.seconds < INT64_MAX / 2000 && time.nanoseconds >= 0;
    if (!is_sound) return make_error(Code::Corrupt, "WireGuard: a handshake's time is none");
    figures.last_handshake_ms = static_cast<uint64_t>(time.seconds * 1000 + time.nanoseconds / 1'000'000);
  }
  return attributes.nested(WGPEER_A_ALLOWEDIPS).each([&](uint16_t, BytesView range) { return merge_range(range, peer); });
}

}  // namespace

Result<std::vector<NetlinkMessage>> set_device_messages(uint16_t family, const std::string& device,
                                                        const ConfigChange& change) {
  std::vector<NetlinkMessage> out;
  for (const Parts& parts : cut(change)) {
    std::vector<PeerBytes> bytes;
    for (const PeerPart& part : parts) bytes.push_back(TRY(bytes_of(part)));
    NetlinkMessage message(family, NLM_F_ACK);
    message.append(command(WG_CMD_SET_DEVICE, WG_GENL_VERSION));
    message.put_text(WGDEVICE_A_IFNAME, device);
    if (out.empty() && change.secret.has_value()) message.put(WGDEVICE_A_PRIVATE_KEY, change.secret->view());
    if (out.empty() && change.port.has_value()) message.put(WGDEVICE_A_LISTEN_PORT, raw(*change.port));
    if (!parts.empty()) {
      message.nest(WGDEVICE_A_PEERS, [&] {
        for (size_t i = 0; i < parts.size(); ++i) put_peer(message, parts[i], bytes[i]);
      });
    }
    out.push_back(std::move(message));
  }
  return out;
}

NetlinkMessage get_device_message(uint16_t family, const std::string& device) {
  NetlinkMessage message(family, NLM_F_DUMP);
  message.append(command(WG_CMD_GET_DEVICE, WG_GENL_VERSION));
  message.put_text(WGDEVICE_A_IFNAME, device);
  return message;
}

Status merge_device_answer(BytesView payload, ConfigState& state) {
  if (payload.size() < sizeof(genlmsghdr)) return make_error(Code::Corrupt, "WireGuard: an answer is too short");
  NetlinkAttributes attributes(payload.substr(sizeof(genlmsghdr)));
  if (attributes.has(WGDEVICE_A_PRIVATE_KEY)) {
    state.secret = TRY(WireGuardKey::from_bytes(attributes.find(WGDEVICE_A_PRIVATE_KEY)));
  }
  if (attributes.has(WGDEVICE_A_LISTEN_PORT)) {
    state.port = TRY(fixed<uint16_t>(attributes.find(WGDEVICE_A_LISTEN_PORT)));
  }
  return attributes.nested(WGDEVICE_A_PEERS).each([&](uint16_t, BytesView peer) { return merge_peer(peer, state); });
}

NetlinkMessage get_family_message() {
  NetlinkMessage message(GENL_ID_CTRL, NLM_F_ACK);
  message.append(command(CTRL_CMD_GETFAMILY, 1));
  message.put_text(CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
  return message;
}

Result<uint16_t> family_of_answer(BytesView payload) {
  if (payload.size() < sizeof(genlmsghdr)) return make_error(Code::Corrupt, "generic netlink: an answer is too short");
  return fixed<uint16_t>(NetlinkAttributes(payload.substr(sizeof(genlmsghdr))).find(CTRL_ATTR_FAMILY_ID));
}

}  // namespace mcloud::network
