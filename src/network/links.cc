#include "network/links.h"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "io/clock.h"

namespace mcloud::network {
namespace {

constexpr uint16_t kAck = NLM_F_ACK;
constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr uint64_t kDisposeMs = 500;

Error named(const Error& error, const std::string& doing) { return error.with_context(doing); }

ifinfomsg link_of(int index, unsigned char family = AF_UNSPEC) {
  ifinfomsg info{};
  info.ifi_family = family;
  info.ifi_index = index;
  return info;
}

void put_end(NetlinkMessage& message, const VethEnd& end) {
  message.put_text(IFLA_IFNAME, end.name);
  message.put_u32(IFLA_MTU, static_cast<uint32_t>(end.mtu));
  if (!end.mac.empty()) message.put(IFLA_ADDRESS, mac_bytes(end.mac));
  if (end.netns >= 0) message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(end.netns));
}

Link parse_link(const NetlinkReply& reply) {
  Link link;
  const auto* info = reply.fixed<ifinfomsg>();
  if (info == nullptr) return link;
  NetlinkAttributes attributes = reply.attributes<ifinfomsg>();
  link.index = info->ifi_index;
  link.is_up = (info->ifi_flags & IFF_UP) != 0;
  std::string_view state = attributes.find(IFLA_OPERSTATE);
  link.is_operational = link.is_up && state.size() == 1 && state[0] == IF_OPER_UP;
  link.name = attributes.text(IFLA_IFNAME);
  link.alias = attributes.text(IFLA_IFALIAS);
  link.mtu = static_cast<int>(attributes.u32(IFLA_MTU));
  link.master = static_cast<int>(attributes.u32(IFLA_MASTER));
  link.kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND);
  return link;
}

}  // namespace

void pause_shortly() {
  timespec pause{0, 200'000};
  ::nanosleep(&pause, nullptr);
}

Result<Links> Links::open() { return Links(TRY(NetlinkSocket::open(NETLINK_ROUTE))); }

Status Links::change(NetlinkMessage message, const std::string& doing) {
  auto done = socket_.request(std::move(message));
  if (!done.has_value()) return named(done.error(), doing);
  return {};
}

Status Links::create(const NetlinkMessage& message, const std::string& doing) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + kDisposeMs;
  while (true) {
    auto done = socket_.request(message);
    if (done.has_value()) return {};
    bool may_go = done.error().code == Code::AlreadyExists && io::SystemClock().monotonic_ms() < deadline;
    if (!may_go) return named(done.error(), doing);
    pause_shortly();
  }
}

Result<std::vector<Link>> Links::list() {
  NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP);
  message.append(link_of(0));
  std::vector<Link> links;
  for (const NetlinkReply& reply : TRY(socket_.ask(std::move(message)))) {
    if (reply.type == RTM_NEWLINK) links.push_back(parse_link(reply));
  }
  return links;
}

Result<std::optional<Link>> Links::find(const std::string& name) {
  NetlinkMessage message(RTM_GETLINK, kAck);
  message.append(link_of(0));
  message.put_text(IFLA_IFNAME, name);
  auto replies = socket_.ask(std::move(message));
  if (!replies.has_value()) {
    if (replies.error().code == Code::NotFound) return std::optional<Link>();
    return named(replies.error(), "find link " + name);
  }
  for (const NetlinkReply& reply : replies.value()) {
    if (reply.type == RTM_NEWLINK) return std::optional<Link>(parse_link(reply));
  }
  return std::optional<Link>();
}

Result<Link> Links::get(const std::string& name) {
  auto link = TRY(find(name));
  if (!link.has_value()) return make_error(Code::NotFound, "there is no link " + name);
  return *link;
}

Status Links::remove(const std::string& name) {
  auto link = TRY(find(name));
  if (!link.has_value()) return {};
  NetlinkMessage message(RTM_DELLINK, kAck);
  message.append(link_of(link->index));
  Status removed = change(std::move(message), "remove link " + name);
  // Its other end may have gone together with its namespace meanwhile.
  if (!removed.has_value() && !TRY(find(name)).has_value()) return {};
  return removed;
}

Status Links::add_bridge(const std::string& name, const std::string& mac, int mtu) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.append(link_of(0));
  message.put_text(IFLA_IFNAME, name);
  message.put_u32(IFLA_MTU, static_cast<uint32_t>(mtu));
  if (!mac.empty()) message.put(IFLA_ADDRESS, mac_bytes(mac));
  message.nest(IFLA_LINKINFO, [&] {
    message.put_text(IFLA_INFO_KIND, "bridge");
    // Nobody may become the one who asks for groups, and so decide who hears neighbour discovery.
    message.nest(IFLA_INFO_DATA, [&] { message.put_u8(IFLA_BR_MCAST_SNOOPING, 0); });
  });
  return create(message, "add bridge " + name);
}

Status Links::add_veth(const VethEnd& one, const VethEnd& other) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.append(link_of(0));
  put_end(message, one);
  message.nest(IFLA_LINKINFO, [&] {
    message.put_text(IFLA_INFO_KIND, "veth");
    message.nest(IFLA_INFO_DATA, [&] {
      message.nest(VETH_INFO_PEER, [&] {
        message.append(link_of(0));
        put_end(message, other);
      });
    });
  });
  return create(message, "add link " + one.name + " to " + other.name);
}

Status Links::add_vxlan(const Vxlan& vxlan) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.append(link_of(0));
  message.put_text(IFLA_IFNAME, vxlan.name);
  message.put_u32(IFLA_MTU, static_cast<uint32_t>(vxlan.mtu));
  if (vxlan.netns >= 0) message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(vxlan.netns));
  message.nest(IFLA_LINKINFO, [&] {
    message.put_text(IFLA_INFO_KIND, "vxlan");
    message.nest(IFLA_INFO_DATA, [&] {
      message.put_u32(IFLA_VXLAN_ID, vxlan.vni);
      if (!vxlan.local.is_none()) message.put_u32_be(IFLA_VXLAN_LOCAL, vxlan.local.value);
      message.put_u16_be(IFLA_VXLAN_PORT, vxlan.port);
      message.put_u8(IFLA_VXLAN_LEARNING, 0);
    });
  });
  return create(message, "add VXLAN " + std::to_string(vxlan.vni));
}

Status Links::add_passthrough(const Passthrough& link) {
  NetlinkMessage message(RTM_NEWLINK, kCreate);
  message.append(link_of(0));
  message.put_text(IFLA_IFNAME, link.name);
  message.put_u32(IFLA_LINK, static_cast<uint32_t>(link.lower));
  message.put_u32(IFLA_MTU, static_cast<uint32_t>(link.mtu));
  if (link.netns >= 0) message.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(link.netns));
  message.nest(IFLA_LINKINFO, [&] {
    message.put_text(IFLA_INFO_KIND, "macvlan");
    message.nest(IFLA_INFO_DATA, [&] { message.put_u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU); });
  });
  return create(message, "take a physical network as " + link.name);
}

Status Links::set_up(int link) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  ifinfomsg info = link_of(link);
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  message.append(info);
  return change(std::move(message), "set link " + std::to_string(link) + " up");
}

Status Links::wait_operational(const std::string& name) {
  uint64_t deadline = io::SystemClock().monotonic_ms() + 5'000;
  while (true) {
    Link link = TRY(get(name));
    if (link.is_operational) return {};
    if (io::SystemClock().monotonic_ms() >= deadline)
      return make_error(Code::TimedOut, "link " + name + " gets no carrier");
    pause_shortly();
  }
}

Status Links::set_alias(int link, const std::string& alias) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  message.append(link_of(link));
  message.put(IFLA_IFALIAS, alias);
  return change(std::move(message), "set the alias of link " + std::to_string(link));
}

Status Links::set_master(int link, int bridge) {
  NetlinkMessage message(RTM_NEWLINK, kAck);
  message.append(link_of(link));
  message.put_u32(IFLA_MASTER, static_cast<uint32_t>(bridge));
  return change(std::move(message), "put link " + std::to_string(link) + " into its bridge");
}

Status Links::set_port(int link, const BridgePort& port) {
  NetlinkMessage message(RTM_SETLINK, kAck);
  message.append(link_of(link, AF_BRIDGE));
  message.nest(IFLA_PROTINFO, [&] {
    message.put_u8(IFLA_BRPORT_LEARNING, port.learning ? 1 : 0);
    message.put_u8(IFLA_BRPORT_UNICAST_FLOOD, port.unicast_flood ? 1 : 0);
  });
  return change(std::move(message), "configure bridge port " + std::to_string(link));
}

}  // namespace mcloud::network
