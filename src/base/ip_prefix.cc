#include "base/ip_prefix.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace mcloud {
namespace {

constexpr size_t kTextMax = INET6_ADDRSTRLEN - 1;
constexpr size_t kZoneMax = 64;

// Decimal without sign and leading zeros.
std::optional<int> small_number(std::string_view text, int max) {
  int value = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool is_whole = error == std::errc() && rest == text.data() + text.size();
  bool is_plain = !text.empty() && text[0] != '-' && (text.size() == 1 || text[0] != '0');
  return is_whole && is_plain && value <= max ? std::optional<int>(value) : std::nullopt;
}

Error invalid(std::string_view what, std::string_view text) {
  return make_error(Code::Invalid, "\"" + std::string(text.substr(0, 80)) + "\" is no " + std::string(what));
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() > kTextMax || text.find('\0') != std::string_view::npos) return invalid("IP address", text);
  IpAddress out;
  out.is_v6 = text.find(':') != std::string_view::npos;
  if (::inet_pton(out.is_v6 ? AF_INET6 : AF_INET, std::string(text).c_str(), out.bytes.data()) != 1) {
    return invalid("IP address", text);
  }
  return out;
}

Result<IpAddress> IpAddress::from_bytes(std::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return make_error(Code::Invalid, "an IP address has 4 or 16 bytes");
  IpAddress out;
  out.is_v6 = bytes.size() == 16;
  std::memcpy(out.bytes.data(), bytes.data(), bytes.size());
  return out;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  ::inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
  return buffer;
}

Result<IpPrefix> IpPrefix::parse_interface(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return invalid("range of IP addresses (ADDRESS/BITS)", text);
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address.has_value()) return address.error();
  auto bits = small_number(text.substr(slash + 1), address->is_v6 ? 128 : 32);
  if (!bits.has_value()) return invalid("range of IP addresses (ADDRESS/BITS)", text);
  return IpPrefix{*address, *bits};
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  auto out = parse_interface(text);
  if (out.has_value() && !out->is_range()) {
    return make_error(Code::Invalid, "\"" + std::string(text) + "\" has bits set outside its range");
  }
  return out;
}

bool IpPrefix::holds(const IpAddress& other) const {
  if (address.is_v6 != other.is_v6) return false;
  for (int bit = 0; bit < bits; ++bit) {
    const int mask = 0x80 >> bit % 8;
    const auto byte = static_cast<size_t>(bit / 8);
    if (((address.bytes[byte] ^ other.bytes[byte]) & mask) != 0) return false;
  }
  return true;
}

bool IpPrefix::is_range() const {
  for (size_t bit = static_cast<size_t>(bits); bit < address.raw().size() * 8; ++bit) {
    if ((address.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

std::string IpPrefix::text() const { return address.text() + "/" + std::to_string(bits); }

Result<IpEndpoint> IpEndpoint::parse(std::string_view text) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("endpoint (ADDRESS:PORT)", text);
  std::string_view host = text.substr(0, colon);
  bool has_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (has_brackets) host = host.substr(1, host.size() - 2);
  size_t zone = host.find('%');
  if (has_brackets && zone != std::string_view::npos && host.size() - zone <= kZoneMax) host = host.substr(0, zone);
  auto address = IpAddress::parse(host);
  auto port = small_number(text.substr(colon + 1), 65535);
  if (!address.has_value() || address->is_v6 != has_brackets || port.value_or(0) == 0) {
    return invalid("endpoint (ADDRESS:PORT, [IPV6]:PORT)", text);
  }
  return IpEndpoint{*address, static_cast<uint16_t>(*port)};
}

std::string IpEndpoint::text() const {
  return (address.is_v6 ? "[" + address.text() + "]" : address.text()) + ":" + std::to_string(port);
}

}  // namespace mcloud
