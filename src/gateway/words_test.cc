#include "gateway/words.h"

#include <doctest/doctest.h>

namespace mcloud::gateway {
namespace {

bool is_in(const char* address, const char* range) { return parse_cidr(range).value().holds(IpAddress::parse(address).value()); }

TEST_CASE("an address is in a range whose first bits it has, and in itself") {
  for (const char* range : {"10.1.2.3", "10.1.2.3/32", "10.1.2.0/30", "10.9.9.9/8", "0.0.0.0/0", "10.1.0.0/15"}) CHECK(is_in("10.1.2.3", range));
  for (const char* range : {"10.1.2.4", "10.1.2.0/31", "11.0.0.0/8", "10.2.0.0/15", "::/0"}) CHECK(!is_in("10.1.2.3", range));
  for (const char* range : {"2001:db8::1", "2001:db8::/32", "::/0", "2001:db8::/127"}) CHECK(is_in("2001:db8::1", range));
  for (const char* range : {"2001:db8::2", "2001:db9::/32", "0.0.0.0/0", "2001:db8::2/127"}) CHECK(!is_in("2001:db8::1", range));
}

TEST_CASE("a text that is no range is refused") {
  for (const char* range : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.0/08", "x/8", "::/129", "10.0.0.0 /8", "fe80::1%eth0"}) CHECK(!is_cidr(range));
  CHECK(!is_ip(std::string_view("10.0.0.1\0", 9)));
}

}  // namespace
}  // namespace mcloud::gateway
