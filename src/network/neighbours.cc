// Addresses, routes and neighbours of links: links.h.
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/ip_prefix.h"
#include "io/clock.h"
#include "network/links.h"

namespace mcloud::network {
namespace {

constexpr uint16_t kAck = NLM_F_ACK;
constexpr uint16_t kReplace = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
constexpr uint16_t kAppend = NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
constexpr uint32_t kLastResort = 4'000'000'000;  // metric

std::string mac_text(std::string_view bytes) {
  std::string out;
  for (char byte : bytes) {
    if (!out.empty()) out += ':';
    out += to_hex(std::string_view(&byte, 1));
  }
  return out;
}

NetlinkMessage neighbour_message(uint16_t type, uint16_t flags, const ForwardingEntry& entry) {
  NetlinkMessage message(type, flags);
  ndmsg neighbour{};
  neighbour.ndm_family = AF_BRIDGE;
  neighbour.ndm_ifindex = entry.link;
  neighbour.ndm_flags = entry.is_bridge ? NTF_MASTER : NTF_SELF;
  // A permanent entry of a bridge would mean the bridge itself: static is NOARP there.
  neighbour.ndm_state = entry.is_bridge ? NUD_NOARP : NUD_NOARP | NUD_PERMANENT;
  message.append(neighbour);
  message.put(NDA_LLADDR, mac_bytes(entry.mac));
  if (!entry.node.is_none()) message.put_u32_be(NDA_DST, entry.node.value);
  return message;
}

rtmsg route_of(unsigned char family, unsigned char type, int prefix) {
  rtmsg route{};
  route.rtm_family = family;
  route.rtm_dst_len = static_cast<unsigned char>(prefix);
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = type;
  return route;
}

std::string text_of(const ForwardingEntry& entry) {
  return entry.mac + (entry.node.is_none() ? "" : " behind " + entry.node.text());
}

std::string bytes_of(const Ipv6& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()};
}

NetlinkMessage proxy_message(uint16_t type, int link, unsigned char family, const std::string& address) {
  NetlinkMessage message(type, type == RTM_NEWNEIGH ? kReplace : kAck);
  ndmsg neighbour{};
  neighbour.ndm_family = family;
  neighbour.ndm_ifindex = link;
  neighbour.ndm_flags = NTF_PROXY;
  neighbour.ndm_state = NUD_PERMANENT;
  message.append(neighbour);
  message.put(NDA_DST, address);
  return message;
}

NetlinkMessage address6_message(uint16_t type, uint16_t flags, int link, const Ipv6& address, int prefix) {
  NetlinkMessage message(type, flags);
  ifaddrmsg info{};
  info.ifa_family = AF_INET6;
  info.ifa_prefixlen = static_cast<unsigned char>(prefix);
  info.ifa_flags = IFA_F_NODAD;
  info.ifa_index = static_cast<unsigned>(link);
  message.append(info);
  message.put(IFA_LOCAL, bytes_of(address));
  return message;
}

NetlinkMessage address_message(uint16_t type, uint16_t flags, int link, const Range& address) {
  NetlinkMessage message(type, flags);
  ifaddrmsg info{};
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<unsigned char>(address.prefix);
  // Else the kernel takes it for a source towards others, where a link has no address of its own.
  bool is_loopback = address.first.value >> 24 == 127;
  info.ifa_scope = is_loopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  info.ifa_index = static_cast<unsigned>(link);
  message.append(info);
  message.put_u32_be(IFA_LOCAL, address.first.value);
  message.put_u32_be(IFA_ADDRESS, address.first.value);
  return message;
}

std::string bytes_of(Ipv4 address) {
  Bytes bytes;
  append_u32_be(bytes, address.value);
  return bytes;
}

}  // namespace

std::string mac_bytes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 3) {
    auto byte = from_hex(std::string_view(text).substr(i, 2));
    if (byte.has_value()) out += byte.value();
  }
  return out;
}

Result<std::vector<LinkAddress>> Links::addresses() {
  std::map<int, std::string> names;
  for (const Link& link : TRY(list())) names[link.index] = link.name;
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  message.append(ifaddrmsg{});
  std::vector<LinkAddress> found;
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    const auto* info = reply.fixed<ifaddrmsg>();
    if (reply.type != RTM_NEWADDR || info == nullptr || info->ifa_scope != RT_SCOPE_UNIVERSE) continue;
    NetlinkAttributes attributes = reply.attributes<ifaddrmsg>();
    uint32_t passing = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED;
    // Of IPv4 the same flag says that it is not the first of its range.
    if (info->ifa_family == AF_INET6) passing |= IFA_F_TEMPORARY;
    if ((attributes.u32(IFA_FLAGS, info->ifa_flags) & passing) != 0) continue;
    auto address = IpAddress::from_bytes(attributes.find(attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS));
    auto name = names.find(static_cast<int>(info->ifa_index));
    if (address.has_value() && name != names.end()) found.push_back({name->second, address->text()});
  }
  return found;
}

Status Links::add_address(int link, Ipv4 address, int prefix) {
  return change(address_message(RTM_NEWADDR, kReplace, link, {address, prefix}), "add address " + address.text());
}

Status Links::remove_address(int link, Ipv4 address, int prefix) {
  auto removed = socket_.request(address_message(RTM_DELADDR, kAck, link, {address, prefix}));
  bool is_gone = removed.has_value() || removed.error().message.find(std::strerror(EADDRNOTAVAIL)) != std::string::npos;
  return is_gone ? Status() : removed.error().with_context("remove address " + address.text());
}

Status Links::add_default_route(Ipv4 gateway) {
  NetlinkMessage message(RTM_NEWROUTE, kReplace);
  message.append(route_of(AF_INET, RTN_UNICAST, 0));
  message.put_u32_be(RTA_GATEWAY, gateway.value);
  return change(std::move(message), "route by default through " + gateway.text());
}

Status Links::add_unreachable(const Range& range) {
  NetlinkMessage message(RTM_NEWROUTE, kReplace);
  message.append(route_of(AF_INET, RTN_UNREACHABLE, range.prefix));
  message.put_u32_be(RTA_DST, range.first.value);
  message.put_u32(RTA_PRIORITY, kLastResort);
  return change(std::move(message), "make " + range.text() + " unreachable");
}

Status Links::add_forwarding(const ForwardingEntry& entry) {
  uint16_t flags = entry.mac == kEveryMac ? kAppend : kReplace;
  auto added = socket_.request(neighbour_message(RTM_NEWNEIGH, flags, entry));
  if (!added.has_value() && added.error().code != Code::AlreadyExists) {
    return added.error().with_context("add forwarding for " + text_of(entry));
  }
  return {};
}

Status Links::remove_forwarding(const ForwardingEntry& entry) {
  auto removed = socket_.request(neighbour_message(RTM_DELNEIGH, kAck, entry));
  if (!removed.has_value() && removed.error().code != Code::NotFound) {
    return removed.error().with_context("remove forwarding for " + text_of(entry));
  }
  return {};
}

Result<std::vector<ForwardingEntry>> Links::forwarding(int link) {
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg all{};
  all.ndm_family = AF_BRIDGE;
  message.append(all);
  std::vector<ForwardingEntry> entries;
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    const auto* neighbour = reply.fixed<ndmsg>();
    if (reply.type != RTM_NEWNEIGH || neighbour == nullptr || neighbour->ndm_ifindex != link) continue;
    NetlinkAttributes attributes = reply.attributes<ndmsg>();
    ForwardingEntry entry;
    entry.link = link;
    entry.mac = mac_text(attributes.find(NDA_LLADDR));
    entry.node.value = attributes.u32_be(NDA_DST);
    entry.is_bridge = attributes.has(NDA_MASTER);
    entries.push_back(entry);
  }
  return entries;
}

Status Links::add_address6(int link, const Ipv6& address, int prefix) {
  return change(address6_message(RTM_NEWADDR, kReplace, link, address, prefix), "add address " + address.text());
}

Status Links::wait_address6(const Ipv6& address) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + 5'000;
  while (true) {
    // With its route the kernel has joined the group that asks for it.
    NetlinkMessage message(RTM_GETROUTE, kAck);
    message.append(route_of(AF_INET6, RTN_UNSPEC, 128));
    message.put(RTA_DST, bytes_of(address));
    auto replies = socket_.ask(std::move(message));
    bool is_local = replies.has_value() && std::any_of(replies->begin(), replies->end(), [](const NetlinkReply& reply) {
      const auto* route = reply.fixed<rtmsg>();
      return reply.type == RTM_NEWROUTE && route != nullptr && route->rtm_type == RTN_LOCAL;
    });
    if (is_local) return {};
    if (io::SystemClock().monotonic_ms() >= deadline) {
      return make_error(Code::TimedOut, "address " + address.text() + " does not come into force");
    }
    pause_shortly();
  }
}

Status Links::remove_address6(int link, const Ipv6& address, int prefix) {
  auto removed = socket_.request(address6_message(RTM_DELADDR, kAck, link, address, prefix));
  bool is_gone = removed.has_value() || removed.error().message.find(std::strerror(EADDRNOTAVAIL)) != std::string::npos;
  return is_gone ? Status() : removed.error().with_context("remove address " + address.text());
}

Status Links::add_default_route6(const Ipv6& gateway) {
  NetlinkMessage message(RTM_NEWROUTE, kReplace);
  message.append(route_of(AF_INET6, RTN_UNICAST, 0));
  message.put(RTA_GATEWAY, bytes_of(gateway));
  return change(std::move(message), "route by default through " + gateway.text());
}

Status Links::add_proxy(int link, Ipv4 address) {
  return change(proxy_message(RTM_NEWNEIGH, link, AF_INET, bytes_of(address)), "answer for " + address.text());
}

Status Links::add_proxy6(int link, const Ipv6& address) {
  return change(proxy_message(RTM_NEWNEIGH, link, AF_INET6, bytes_of(address)), "answer for " + address.text());
}

Status Links::remove_proxy(const Proxy& proxy) {
  bool is_ipv6 = proxy.address.is_none();
  auto removed = socket_.request(proxy_message(RTM_DELNEIGH, proxy.link, is_ipv6 ? AF_INET6 : AF_INET,
                                               is_ipv6 ? bytes_of(proxy.address6) : bytes_of(proxy.address)));
  if (!removed.has_value() && removed.error().code != Code::NotFound) {
    return removed.error().with_context("no longer answer for " +
                                        (is_ipv6 ? proxy.address6.text() : proxy.address.text()));
  }
  return {};
}

Result<std::vector<Proxy>> Links::proxies() {
  std::vector<Proxy> out;
  constexpr unsigned char kFamilies[] = {AF_INET, AF_INET6};
  for (unsigned char family : kFamilies) {
    NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
    ndmsg all{};
    all.ndm_family = family;
    all.ndm_flags = NTF_PROXY;
    message.append(all);
    for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
      const auto* neighbour = reply.fixed<ndmsg>();
      if (reply.type != RTM_NEWNEIGH || neighbour == nullptr || (neighbour->ndm_flags & NTF_PROXY) == 0) continue;
      std::string_view address = reply.attributes<ndmsg>().find(NDA_DST);
      Proxy proxy{neighbour->ndm_ifindex, {}, {}};
      if (family == AF_INET6 && address.size() == 16) {
        std::copy(address.begin(), address.end(), proxy.address6.bytes.begin());
      } else {
        proxy.address.value = reply.attributes<ndmsg>().u32_be(NDA_DST);
      }
      out.push_back(proxy);
    }
  }
  return out;
}

Result<std::set<Ipv4>> Links::neighbours(int link) {
  NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP);
  ndmsg all{};
  all.ndm_family = AF_INET;
  message.append(all);
  std::set<Ipv4> out;
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    const auto* neighbour = reply.fixed<ndmsg>();
    if (reply.type != RTM_NEWNEIGH || neighbour == nullptr || neighbour->ndm_ifindex != link) continue;
    if ((neighbour->ndm_state & (NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP)) != 0) continue;
    NetlinkAttributes attributes = reply.attributes<ndmsg>();
    if (attributes.has(NDA_LLADDR)) out.insert(Ipv4{attributes.u32_be(NDA_DST)});
  }
  return out;
}

Status Links::remove_neighbour(int link, Ipv4 address) {
  NetlinkMessage message(RTM_DELNEIGH, kAck);
  ndmsg neighbour{};
  neighbour.ndm_family = AF_INET;
  neighbour.ndm_ifindex = link;
  message.append(neighbour);
  message.put(NDA_DST, bytes_of(address));
  auto removed = socket_.request(message);
  bool is_gone = removed.has_value() || removed.error().code == Code::NotFound;
  return is_gone ? Status() : removed.error().with_context("forget neighbour " + address.text());
}

}  // namespace mcloud::network
