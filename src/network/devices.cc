#include "network/devices.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "network/links.h"
#include "network/netns.h"

namespace mcloud::network {
namespace {

constexpr int kHops = 255;  // who gets it knows that no router has touched it

Status send_arp(int link, const DeviceAnnouncement& announcement) {
  io::Fd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return errno_error(errno, "packet socket");
  const std::string mac = mac_bytes(mac_of(announcement.member));
  ether_arp arp{};
  arp.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
  arp.ea_hdr.ar_pro = htons(ETHERTYPE_IP);
  arp.ea_hdr.ar_hln = ETH_ALEN;
  arp.ea_hdr.ar_pln = 4;
  arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
  const uint32_t device = htonl(announcement.device.value);
  std::memcpy(arp.arp_sha, mac.data(), ETH_ALEN);
  std::memcpy(arp.arp_tha, mac.data(), ETH_ALEN);
  std::memcpy(arp.arp_spa, &device, 4);
  std::memcpy(arp.arp_tpa, &device, 4);
  sockaddr_ll everybody{};
  everybody.sll_family = AF_PACKET;
  everybody.sll_protocol = htons(ETHERTYPE_ARP);
  everybody.sll_ifindex = link;
  everybody.sll_halen = ETH_ALEN;
  std::memset(everybody.sll_addr, 0xff, ETH_ALEN);
  ssize_t sent = ::sendto(fd.get(), &arp, sizeof arp, 0, reinterpret_cast<sockaddr*>(&everybody), sizeof everybody);
  return sent == sizeof arp ? Status() : Status(errno_error(errno, "send an ARP answer"));
}

in6_addr bytes_of(const Ipv6& address) {
  in6_addr out;
  std::memcpy(&out, address.bytes.data(), sizeof out);
  return out;
}

// The kernel adds header and checksum.
Status send_advertisement(int link, const DeviceAnnouncement& announcement) {
  io::Fd fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  if (!fd.is_open()) return errno_error(errno, "ICMPv6 socket");
  sockaddr_in6 own{};
  own.sin6_family = AF_INET6;
  own.sin6_scope_id = static_cast<uint32_t>(link);
  own.sin6_addr = bytes_of(link_local_of(announcement.member));
  bool is_set = ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &kHops, sizeof kHops) == 0 &&
                ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &link, sizeof link) == 0 &&
                ::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) == 0;
  if (!is_set) return errno_error(errno, "speak as " + link_local_of(announcement.member).text());
  struct {
    nd_neighbor_advert head;
    nd_opt_hdr option;
    char mac[ETH_ALEN];
  } message{};
  message.head.nd_na_type = ND_NEIGHBOR_ADVERT;
  message.head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
  message.head.nd_na_target = bytes_of(TRY(Ipv6::parse(announcement.device6)));
  message.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
  message.option.nd_opt_len = 1;
  std::memcpy(message.mac, mac_bytes(mac_of(announcement.member)).data(), ETH_ALEN);
  sockaddr_in6 everybody{};
  everybody.sin6_family = AF_INET6;
  everybody.sin6_scope_id = static_cast<uint32_t>(link);
  everybody.sin6_addr = bytes_of(TRY(Ipv6::parse("ff02::1")));
  ssize_t sent = ::sendto(fd.get(), &message, sizeof message, 0, reinterpret_cast<sockaddr*>(&everybody), sizeof everybody);
  return sent == sizeof message ? Status() : Status(errno_error(errno, "send a neighbour advertisement"));
}

}  // namespace

Status announce_device(const io::Fd& portal, const DeviceAnnouncement& announcement) {
  NetnsScope scope = TRY(NetnsScope::enter(portal));
  Links links = TRY(Links::open());
  Link link = TRY(links.get(announcement.interface));
  TRY(links.remove_neighbour(link.index, announcement.device));
  TRY(send_arp(link.index, announcement));
  return announcement.device6.empty() ? Status() : send_advertisement(link.index, announcement);
}

Result<std::set<Ipv4>> read_claims(const io::Fd& portal, const std::string& interface) {
  NetnsScope scope = TRY(NetnsScope::enter(portal));
  Links links = TRY(Links::open());
  Link link = TRY(links.get(interface));
  return links.neighbours(link.index);
}

}  // namespace mcloud::network
