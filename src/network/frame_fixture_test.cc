#include "network/frame_fixture.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "network/links.h"
#include "network/netns.h"

namespace mcloud::network {
namespace {

std::string u16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string ipv6_bytes(const std::string& text) {
  Ipv6 address = Ipv6::parse(text).value();
  return {address.bytes.begin(), address.bytes.end()};
}

std::string ipv4_bytes(const std::string& text) {
  Bytes out;
  append_u32_be(out, ip(text).value);
  return out;
}

std::string checksum(std::string bytes) {
  if (bytes.size() % 2 != 0) bytes += '\0';
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(static_cast<unsigned char>(bytes[i]) << 8 | static_cast<unsigned char>(bytes[i + 1]));
  }
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return u16(~sum & 0xFFFF);
}

std::string ipv6_header(const std::string& from, const std::string& to, uint8_t protocol, size_t size) {
  std::string out = {0x60, 0, 0, 0};
  return out + u16(size) + static_cast<char>(protocol) + static_cast<char>(255) + ipv6_bytes(from) + ipv6_bytes(to);
}

// RFC 8200 8.1.
std::string pseudo_header6(const std::string& from, const std::string& to, uint8_t protocol, size_t size) {
  return ipv6_bytes(from) + ipv6_bytes(to) + std::string(2, '\0') + u16(size) + std::string(3, '\0') +
         static_cast<char>(protocol);
}

}  // namespace

std::string ethernet(const std::string& to, const std::string& from, uint16_t type, const std::string& payload) {
  // Not filled up: links of the kernel's own make take short ones, and a bridge cuts what it finds too long.
  return mac_bytes(to) + mac_bytes(from) + u16(type) + payload;
}

std::string ipv4_udp(const std::string& from, const std::string& to, uint16_t from_port, uint16_t to_port,
                     const std::string& text) {
  std::string udp = u16(from_port) + u16(to_port) + u16(8 + text.size()) + u16(0) + text;  // 0: no checksum
  std::string head = std::string("\x45\x00", 2) + u16(20 + udp.size()) + u16(0) + u16(0) + "\x40\x11";
  std::string ends = ipv4_bytes(from) + ipv4_bytes(to);
  return head + checksum(head + u16(0) + ends) + ends + udp;
}

std::string ipv6_udp(const std::string& from, const std::string& to, uint16_t from_port, uint16_t to_port,
                     const std::string& text) {
  std::string head = u16(from_port) + u16(to_port) + u16(8 + text.size());
  std::string sum = checksum(pseudo_header6(from, to, IPPROTO_UDP, 8 + text.size()) + head + u16(0) + text);
  return ipv6_header(from, to, IPPROTO_UDP, 8 + text.size()) + head + sum + text;
}

std::string ipv6_icmp(const std::string& from, const std::string& to, uint8_t type, const std::string& after_checksum) {
  std::string head = {static_cast<char>(type), 0};
  size_t size = 4 + after_checksum.size();
  std::string sum = checksum(pseudo_header6(from, to, IPPROTO_ICMPV6, size) + head + u16(0) + after_checksum);
  return ipv6_header(from, to, IPPROTO_ICMPV6, size) + head + sum + after_checksum;
}

std::string arp_answer(const std::string& address, const std::string& mac) {
  return u16(1) + u16(ETH_P_IP) + "\x06\x04" + u16(2) + mac_bytes(mac) + ipv4_bytes(address) + std::string(6, '\xFF') +
         ipv4_bytes(address);
}

std::string neighbour_advert(const std::string& target, const std::string& mac) {
  return std::string("\x20\0\0\0", 4) + ipv6_bytes(target) + "\x02\x01" + mac_bytes(mac);
}

std::string router_advert() { return std::string("\x40\0\x07\x08\0\0\0\0\0\0\0\0", 12); }

std::string vxlan(uint32_t vni, const std::string& frame) {
  Bytes out = std::string("\x08\0\0\0", 4);
  append_u32_be(out, vni << 8);
  return out + frame;
}

void send_frame(const Place& place, const std::string& link, const std::string& frame) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  Links links = Links::open().value();
  io::Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = links.get(link).value().index;
  REQUIRE_EQ(::sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
             static_cast<ssize_t>(frame.size()));
}

Ear::Ear(const Place& place, const std::string& link) {
  NetnsScope scope = NetnsScope::enter(place.netns).value();
  Links links = Links::open().value();
  fd_ = io::Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
  sockaddr_ll own{};
  own.sll_family = AF_PACKET;
  own.sll_protocol = htons(ETH_P_ALL);
  own.sll_ifindex = links.get(link).value().index;
  REQUIRE_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
}

bool Ear::hears(const std::string& frame, int patience_ms) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (true) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) != 1) return false;
    char buffer[4096];
    ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got > 0 && std::string_view(buffer, static_cast<size_t>(got)) == frame) return true;
  }
}

}  // namespace mcloud::network
