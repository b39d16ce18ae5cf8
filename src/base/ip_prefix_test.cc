#include "base/ip_prefix.h"

#include <doctest/doctest.h>

using namespace mcloud;

TEST_CASE("IP ranges and endpoints read as they are written, and nothing else") {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "fd00::/64", "::/0", "198.18.0.4/32", "2001:db8::1/128"}) {
    CHECK_EQ(IpPrefix::parse(text).value().text(), text);
  }
  for (const char* text : {"10.0.0.1/8", "fd00::1/64", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "x/8", "fd00::/129", "/8"}) {
    CHECK_FALSE(IpPrefix::parse(text).has_value());
  }
  CHECK_EQ(IpPrefix::parse("FD00:0:0::/64").value().text(), "fd00::/64");
  auto holds = [](const char* range, const char* address) { return IpPrefix::parse(range).value().holds(IpAddress::parse(address).value()); };
  CHECK(holds("198.18.0.0/15", "198.19.255.254"));
  CHECK_FALSE(holds("198.18.0.0/15", "198.20.0.0"));
  CHECK(holds("fc00::/7", "fdff::1"));
  CHECK_FALSE(holds("fc00::/7", "fe00::1"));
  CHECK(holds("0.0.0.0/0", "192.0.2.1"));
  CHECK_FALSE(holds("::/0", "192.0.2.1"));
  CHECK_EQ(IpEndpoint::parse("[fe80::1%eth0]:51820").value().text(), "[fe80::1]:51820");
  CHECK_EQ(IpEndpoint::parse("192.0.2.1:51820").value().text(), "192.0.2.1:51820");
  for (const char* text : {"192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "fe80::1:51820", "[192.0.2.1]:1", "[fe80::1]", ":1", ""}) {
    CHECK_FALSE(IpEndpoint::parse(text).has_value());
  }
}
