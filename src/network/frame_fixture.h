// Inside this room's tests only: frames made by hand, sent as a liar would, and what arrives of them.
#pragma once

#include <string>

#include "network/machine_fixture.h"

namespace mcloud::network {

// Bytes of an Ethernet frame. Addresses in text; checksums are right.
std::string ethernet(const std::string& to, const std::string& from, uint16_t type, const std::string& payload);
std::string ipv4_udp(const std::string& from, const std::string& to, uint16_t from_port, uint16_t to_port,
                     const std::string& text);
std::string ipv6_udp(const std::string& from, const std::string& to, uint16_t from_port, uint16_t to_port,
                     const std::string& text);
std::string ipv6_icmp(const std::string& from, const std::string& to, uint8_t type, const std::string& after_checksum);
// An ARP answer: `address` is at `mac`.
std::string arp_answer(const std::string& address, const std::string& mac);
// What follows an ICMPv6 checksum: "target is at mac", and a router's announcement.
std::string neighbour_advert(const std::string& target, const std::string& mac);
std::string router_advert();
// A VXLAN datagram's payload.
std::string vxlan(uint32_t vni, const std::string& frame);

void send_frame(const Place& place, const std::string& link, const std::string& frame);

// Everything that arrives on a link of a place from now on.
class Ear {
 public:
  Ear(const Place& place, const std::string& link);
  // Whether exactly this frame comes within `patience_ms`.
  bool hears(const std::string& frame, int patience_ms = 150);

 private:
  io::Fd fd_;
};

}  // namespace mcloud::network
