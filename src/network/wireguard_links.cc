#include "network/wireguard_links.h"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace mcloud::network {
namespace {

constexpr uint16_t kAck = NLM_F_ACK;
constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr uint16_t kReplace = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
constexpr uint32_t kRulePriority = 1000;

unsigned char family_of(const IpPrefix& prefix) { return prefix.address.is_v6 ? AF_INET6 : AF_INET; }

ifinfomsg link_info(int index) {
  ifinfomsg info{};
  info.ifi_index = index;
  return info;
}

NetlinkMessage address_message(uint16_t type, uint16_t flags, int link, const IpPrefix& address) {
  NetlinkMessage message(type, flags);
  ifaddrmsg info{};
  info.ifa_family = family_of(address);
  info.ifa_prefixlen = static_cast<unsigned char>(address.bits);
  info.ifa_index = static_cast<unsigned>(link);
  // Nobody else can have it: waiting for answers of others would only delay its use.
  if (address.address.is_v6) info.ifa_flags = IFA_F_NODAD;
  message.append(info);
  message.put(IFA_LOCAL, address.address.raw());
  message.put(IFA_ADDRESS, address.address.raw());
  return message;
}

NetlinkMessage route_message(uint16_t type, uint16_t flags, int link, const IpPrefix& range, uint32_t table) {
  NetlinkMessage message(type, flags);
  rtmsg route{};
  route.rtm_family = family_of(range);
  route.rtm_dst_len = static_cast<unsigned char>(range.bits);
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = range.address.is_v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  route.rtm_type = RTN_UNICAST;
  message.append(route);
  message.put_u32(RTA_TABLE, table == 0 ? RT_TABLE_MAIN : table);
  message.put(RTA_DST, range.address.raw());
  message.put_u32(RTA_OIF, static_cast<uint32_t>(link));
  return message;
}

NetlinkMessage rule_message(uint16_t type, uint16_t flags, const IpPrefix& source, uint32_t table) {
  NetlinkMessage message(type, flags);
  fib_rule_hdr rule{};
  rule.family = family_of(source);
  rule.src_len = static_cast<uint8_t>(source.bits);
  rule.action = FR_ACT_TO_TBL;
  message.append(rule);
  message.put_u32(FRA_PRIORITY, kRulePriority);
  message.put_u32(FRA_TABLE, table);
  message.put(FRA_SRC, source.address.raw());
  return message;
}

std::string prefix_text(std::string_view address, int bits, bool is_v6) {
  if (address.data() == nullptr) address = std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", is_v6 ? 16 : 4);
  auto parsed = IpAddress::from_bytes(address);
  return parsed.has_value() ? IpPrefix{*parsed, bits}.text() : "";
}

Status unless(Code code, Status status) {
  if (!status.has_value() && status.error().code == code) return {};
  return status;
}

}  // namespace

Result<WireGuardLinks> WireGuardLinks::open() { return WireGuardLinks(TRY(NetlinkSocket::open(NETLINK_ROUTE))); }

Status WireGuardLinks::change(NetlinkMessage message, const std::string& doing) {
  return socket_.request(std::move(message)).with_context(doing);
}

Result<NamespaceState> WireGuardLinks::read() {
  NamespaceState out;
  Links links = TRY(Links::open());
  out.links = TRY(links.list());
  TRY(read_addresses(out));
  TRY(read_routes(out));
  TRY(read_rules(out));
  return out;
}

Status WireGuardLinks::read_addresses(NamespaceState& out) {
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  message.append(ifaddrmsg{});
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    const auto* info = reply.fixed<ifaddrmsg>();
    if (reply.type != RTM_NEWADDR || info == nullptr) continue;
    bool is_v6 = info->ifa_family == AF_INET6;
    if (is_v6 && info->ifa_scope == RT_SCOPE_LINK) continue;
    NetlinkAttributes attributes = reply.attributes<ifaddrmsg>();
    std::string_view local = attributes.find(attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS);
    std::string text = prefix_text(local, info->ifa_prefixlen, is_v6);
    if (!text.empty()) out.addresses[static_cast<int>(info->ifa_index)].insert(text);
  }
  return {};
}

Status WireGuardLinks::read_routes(NamespaceState& out) {
  NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
  message.append(rtmsg{});
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    const auto* info = reply.fixed<rtmsg>();
    if (reply.type != RTM_NEWROUTE || info == nullptr || info->rtm_protocol != RTPROT_STATIC) continue;
    if (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) continue;
    NetlinkAttributes attributes = reply.attributes<rtmsg>();
    int link = static_cast<int>(attributes.u32(RTA_OIF));
    uint32_t table = attributes.u32(RTA_TABLE, info->rtm_table);
    std::string text = prefix_text(attributes.find(RTA_DST), info->rtm_dst_len, info->rtm_family == AF_INET6);
    if (link != 0 && !text.empty()) out.routes[link].insert({text, table == RT_TABLE_MAIN ? 0 : table});
  }
  return {};
}

Status WireGuardLinks::read_rules(NamespaceState& out) {
  for (uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    NetlinkMessage message(RTM_GETRULE, NLM_F_DUMP);
    fib_rule_hdr all{};
    all.family = family;
    message.append(all);
    auto replies = socket_.ask(std::move(message));
    if (!replies.has_value() && family == AF_INET6) return {};  // a kernel without IPv6 or its rules
    if (!replies.has_value()) return replies.error();
    for (const NetlinkReply& reply : *replies) {
      const auto* info = reply.fixed<fib_rule_hdr>();
      NetlinkAttributes attributes = reply.attributes<fib_rule_hdr>();
      if (info == nullptr || !attributes.has(FRA_SRC) || attributes.u32(FRA_PRIORITY) != kRulePriority) continue;
      std::string source = prefix_text(attributes.find(FRA_SRC), info->src_len, family == AF_INET6);
      out.rules[source] = attributes.u32(FRA_TABLE, info->table);
    }
  }
  return {};
}

Status WireGuardLinks::add_kernel_device(const std::string& name, int netns) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.append(link_info(0));
  message.put_text(IFLA_IFNAME, name);
  message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
  message.nest(IFLA_LINKINFO, [&] { message.put_text(IFLA_INFO_KIND, "wireguard"); });
  return change(std::move(message), "add a WireGuard device of the kernel");
}

Status WireGuardLinks::move(int link, const std::string& new_name, int netns) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  message.append(link_info(link));
  message.put_text(IFLA_IFNAME, new_name);
  message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
  return change(std::move(message), "move a link to its namespace as " + new_name);
}

Status WireGuardLinks::set_mtu(int link, int mtu) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  message.append(link_info(link));
  message.put_u32(IFLA_MTU, static_cast<uint32_t>(mtu));
  return change(std::move(message), "set MTU " + std::to_string(mtu));
}

Status WireGuardLinks::set_down(int link) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  ifinfomsg info = link_info(link);
  info.ifi_change = IFF_UP;
  message.append(info);
  return change(std::move(message), "set link " + std::to_string(link) + " down");
}

Status WireGuardLinks::add_address(int link, const std::string& address) {
  IpPrefix prefix = TRY(IpPrefix::parse_interface(address));
  return change(address_message(RTM_NEWADDR, kReplace, link, prefix), "add address " + address);
}

Status WireGuardLinks::remove_address(int link, const std::string& address) {
  IpPrefix prefix = TRY(IpPrefix::parse_interface(address));
  return change(address_message(RTM_DELADDR, kAck, link, prefix), "remove address " + address);
}

Status WireGuardLinks::set_route(int link, const DeviceRoute& route) {
  IpPrefix range = TRY(IpPrefix::parse(route.range));
  return change(route_message(RTM_NEWROUTE, kReplace, link, range, route.table), "add route to " + route.range);
}

Status WireGuardLinks::remove_route(int link, const DeviceRoute& route) {
  IpPrefix range = TRY(IpPrefix::parse(route.range));
  auto removed = change(route_message(RTM_DELROUTE, kAck, link, range, route.table), "remove route to " + route.range);
  return unless(Code::NotFound, std::move(removed));
}

Status WireGuardLinks::add_rule(const std::string& source, uint32_t table) {
  IpPrefix prefix = TRY(IpPrefix::parse_interface(source));
  auto added = change(rule_message(RTM_NEWRULE, kCreate, prefix, table), "add a rule for packets from " + source);
  return unless(Code::AlreadyExists, std::move(added));
}

Status WireGuardLinks::remove_rule(const std::string& source, uint32_t table) {
  IpPrefix prefix = TRY(IpPrefix::parse_interface(source));
  auto removed = change(rule_message(RTM_DELRULE, kAck, prefix, table), "remove the rule for packets from " + source);
  return unless(Code::NotFound, std::move(removed));
}

}  // namespace mcloud::network
