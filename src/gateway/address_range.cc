#include "gateway/address_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace mcloud::gateway {

bool is_in_range(const sockaddr_storage& address, const std::string& range) {
  bool is_v4 = address.ss_family == AF_INET;
  size_t slash = range.find('/');
  unsigned char network[16] = {};
  if (inet_pton(is_v4 ? AF_INET : AF_INET6, range.substr(0, slash).c_str(), network) != 1) return false;
  unsigned length = is_v4 ? 32 : 128;
  if (slash != range.npos) {
    unsigned stated = 0;
    const char* end = range.data() + range.size();
    auto [last, error] = std::from_chars(range.data() + slash + 1, end, stated);
    if (error != std::errc() || last != end || stated > length) return false;
    length = stated;
  }
  unsigned char bytes[16] = {};
  if (is_v4) std::memcpy(bytes, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  else std::memcpy(bytes, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  if (std::memcmp(bytes, network, length / 8) != 0) return false;
  if (length % 8 == 0) return true;
  unsigned mask = 0xffu << (8 - length % 8) & 0xffu;
  return (bytes[length / 8] & mask) == (network[length / 8] & mask);
}

}  // namespace mcloud::gateway
