#include "network/flows.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "network/firewall.h"

namespace mcloud::network {
namespace {

NetlinkMessage message(uint8_t what, uint16_t flags, uint8_t family) {
  NetlinkMessage message(static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | what), flags);
  nfgenmsg header{};
  header.nfgen_family = family;
  message.append(header);
  return message;
}

uint16_t u16_be(std::string_view bytes) {
  if (bytes.size() != 2) return 0;
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 | static_cast<uint8_t>(bytes[1]));
}

// The source of a tuple, "" = none.
std::string source_of(const NetlinkAttributes& tuple) {
  NetlinkAttributes ip = tuple.nested(CTA_TUPLE_IP);
  if (ip.has(CTA_IP_V4_SRC)) return Ipv4{ip.u32_be(CTA_IP_V4_SRC, 0)}.text();
  Ipv6 address;
  std::string_view bytes = ip.find(CTA_IP_V6_SRC);
  if (bytes.size() != address.bytes.size()) return "";
  std::memcpy(address.bytes.data(), bytes.data(), bytes.size());
  return address.text();
}

bool is_transit(const std::string& address) {
  if (auto ipv4 = Ipv4::parse(address); ipv4.has_value()) return ipv4->value >> 16 == transit_node_address(0).value >> 16;
  auto ipv6 = Ipv6::parse(address);
  Ipv6 first = transit_node_address6(0);
  return ipv6.has_value() && std::equal(first.bytes.begin(), first.bytes.begin() + 14, ipv6->bytes.begin());
}

Status forget(NetlinkSocket& socket, const LedFlow& flow) {
  NetlinkMessage deletion = message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, flow.family);
  deletion.put(CTA_TUPLE_ORIG | NLA_F_NESTED, flow.original);
  deletion.put_u32_be(CTA_ID, flow.id);
  Status done = socket.request(std::move(deletion));
  if (!done.has_value() && done.error().code == Code::NotFound) return {};  // it has ended meanwhile
  return done;
}

}  // namespace

std::optional<LedFlow> parse_led_flow(const NetlinkReply& reply) {
  const auto* header = reply.fixed<nfgenmsg>();
  if (header == nullptr) return std::nullopt;
  NetlinkAttributes flow = reply.attributes<nfgenmsg>();
  NetlinkAttributes original = flow.nested(CTA_TUPLE_ORIG), answer = flow.nested(CTA_TUPLE_REPLY);
  std::string_view protocol = original.nested(CTA_TUPLE_PROTO).find(CTA_PROTO_NUM);
  bool is_led = (flow.u32_be(CTA_STATUS, 0) & IPS_DST_NAT) != 0;
  if (!is_led || protocol.size() != 1 || protocol[0] != IPPROTO_UDP) return std::nullopt;
  LedFlow out;
  out.family = header->nfgen_family;
  out.id = flow.u32_be(CTA_ID, 0);
  out.original = std::string(flow.find(CTA_TUPLE_ORIG));
  // Its answers come from where it was led.
  out.led = {u16_be(original.nested(CTA_TUPLE_PROTO).find(CTA_PROTO_DST_PORT)), source_of(answer),
             u16_be(answer.nested(CTA_TUPLE_PROTO).find(CTA_PROTO_SRC_PORT))};
  if (out.led.address.empty()) return std::nullopt;
  return out;
}

Status forget_flows(const std::set<Led>& led, Leaders leaders) {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER).with_context("flows"));
  NetlinkMessage dump = message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC);
  // A kernel that knows no filters sends all.
  dump.put_u32_be(CTA_STATUS, IPS_DST_NAT);
  dump.put_u32_be(CTA_STATUS_MASK, IPS_DST_NAT);
  auto replies = socket.ask(std::move(dump));
  if (!replies.has_value() && replies.error().code == Code::Invalid) {
    log::warning("network", "flows of UDP stay with old targets until they pause: the kernel has no nf_conntrack_netlink");
    return {};
  }
  if (!replies.has_value()) return replies.error().with_context("read flows");
  for (const NetlinkReply& reply : *replies) {
    auto flow = parse_led_flow(reply);
    if (!flow || led.contains(flow->led)) continue;
    if (leaders == Leaders::Others && !is_transit(flow->led.address)) continue;
    TRY(forget(socket, *flow).with_context("forget a flow to " + flow->led.address));
  }
  return {};
}

}  // namespace mcloud::network
