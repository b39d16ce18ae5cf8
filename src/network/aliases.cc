#include "network/aliases.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "network/firewall.h"

namespace mcloud::network {
namespace {

constexpr const char* kUnderlays = "pmd";  // in the order of the enum

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(':', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::optional<uint32_t> number(const std::string& text) {
  uint32_t value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// A /64 without the colons that separate the parts.
std::string range6_hex(const std::string& range6) {
  auto range = Range6::parse(range6);
  if (!range.has_value()) return "";
  return to_hex(std::string_view(reinterpret_cast<const char*>(range->first.bytes.data()), 8));
}

std::optional<std::string> range6_from_hex(const std::string& text) {
  if (text.empty()) return std::string();
  auto bytes = from_hex(text);
  if (!bytes.has_value() || bytes->size() != 8) return std::nullopt;
  Range6 range;
  std::copy(bytes->begin(), bytes->end(), range.first.bytes.begin());
  return range.text();
}

std::optional<Underlay> underlay_from(const std::string& text) {
  std::string all = kUnderlays;
  if (text.size() != 1 || all.find(text) == std::string::npos) return std::nullopt;
  return static_cast<Underlay>(all.find(text));
}

}  // namespace

std::string owner_alias(const ContractId& contract) { return "mcloud:" + contract.hex(); }

std::string shape_alias(const NetworkShape& shape) {
  return owner_alias(shape.contract) + ":" + shape.name + ":" + std::to_string(shape.vni) + ":" + shape.range.text() +
         ":" + shape.backplane.text() + ":" + std::to_string(shape.mtu) + ":" + std::to_string(shape.transit) + ":" +
         kUnderlays[static_cast<size_t>(shape.underlay)] + ":" + shape.bridge + ":" + range6_hex(shape.range6);
}

std::optional<NetworkShape> shape_from_alias(const std::string& alias) {
  std::vector<std::string> parts = split(alias);
  if (parts.size() != 11 || parts[0] != "mcloud") return std::nullopt;
  auto contract = ContractId::from_hex(parts[1]);
  auto vni = number(parts[3]);
  auto range = Range::parse(parts[4]);
  auto backplane = Ipv4::parse(parts[5]);
  auto mtu = number(parts[6]);
  auto transit = number(parts[7]);
  auto underlay = underlay_from(parts[8]);
  auto range6 = range6_from_hex(parts[10]);
  bool is_whole = contract.has_value() && vni && range.has_value() && backplane.has_value() && mtu && transit &&
                  underlay && range6 && *transit < kTransitsMax;
  if (!is_whole) return std::nullopt;
  NetworkShape shape;
  shape.contract = *contract;
  shape.name = parts[2];
  shape.vni = *vni;
  shape.range = *range;
  shape.range6 = *range6;
  shape.underlay = *underlay;
  shape.bridge = parts[9];
  shape.backplane = *backplane;
  shape.mtu = static_cast<int>(*mtu);
  shape.transit = *transit;
  return shape;
}

std::string member_alias(const ContractId& contract, const Member& member) {
  return owner_alias(contract) + ":" + member.netns + ":" + member.interface + (member.is_portal ? ":portal" : "");
}

std::optional<Member> member_from_alias(const std::string& alias, Ipv4 address) {
  std::vector<std::string> parts = split(alias);
  bool is_portal = parts.size() == 5 && parts[4] == "portal";
  if ((parts.size() != 4 && !is_portal) || parts[0] != "mcloud") return std::nullopt;
  return Member{parts[2], parts[3], address, is_portal};
}

std::string portal_alias(const PortalShape& shape) {
  return owner_alias(shape.contract) + ":" + std::to_string(shape.vni) + ":" + shape.netns + ":" +
         shape.member.text() + ":" + std::to_string(shape.mtu) + ":" + (shape.has_ipv6 ? "6" : "4") + ":" +
         std::to_string(shape.transit);
}

std::optional<PortalShape> portal_from_alias(const std::string& alias) {
  std::vector<std::string> parts = split(alias);
  if (parts.size() != 8 || parts[0] != "mcloud") return std::nullopt;
  auto contract = ContractId::from_hex(parts[1]);
  auto vni = number(parts[2]);
  auto member = Ipv4::parse(parts[4]);
  auto mtu = number(parts[5]);
  auto transit = number(parts[7]);
  bool is_whole = contract.has_value() && vni && member.has_value() && mtu && (parts[6] == "4" || parts[6] == "6") &&
                  transit && *transit < kTransitsMax;
  if (!is_whole) return std::nullopt;
  return PortalShape{*contract, *vni, parts[3], *member, static_cast<int>(*mtu), parts[6] == "6", *transit};
}

std::string underlay_alias(const ContractId& contract, uint64_t netns_number) {
  return owner_alias(contract) + ":" + std::to_string(netns_number);
}

}  // namespace mcloud::network
