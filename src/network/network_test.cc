#include <doctest/doctest.h>

#include "network/address.h"
#include "network/names.h"
#include "network/plan.h"

using namespace mcloud;
using namespace mcloud::network;

TEST_CASE("addresses and ranges read as people write them, and nothing else") {
  CHECK_EQ(Ipv4::parse("10.42.0.7").value().text(), "10.42.0.7");
  CHECK_EQ(Range::parse("10.42.0.0/16").value().gateway().text(), "10.42.0.1");
  CHECK(Range::parse("0.0.0.0/0").value().contains(Ipv4::parse("255.255.255.255").value()));
  for (const char* text :
       {"", "10.42.0", "10.42.0.256", "10.42.0.07", "10.42.0.7 ", "1.2.3.4.5", "0x1.2.3.4", "-1.2.3.4"}) {
    CHECK_FALSE(Ipv4::parse(text).has_value());
  }
  for (const char* text : {"10.42.0.0", "10.42.0.0/33", "10.42.0.0/", "10.42.0.0/16x", "/16"}) {
    CHECK_FALSE(Range::parse(text).has_value());
  }
  CHECK(Range::parse("10.42.0.7/16").error().message.find("did you mean 10.42.0.0/16?") != std::string::npos);
}

TEST_CASE("a MAC is a function of its address") {
  CHECK_EQ(mac_of(Ipv4::parse("10.42.0.7").value()), "02:6d:0a:2a:00:07");
}

TEST_CASE("a replica finds the others by name, and itself first") {
  auto address = [](const char* text) { return Ipv4::parse(text).value(); };
  Names names{"hello",
              "web-1",
              address("10.42.0.3"),
              {{"web", 0, address("10.42.0.2")}, {"web", 1, address("10.42.0.3")}, {"db", 0, address("10.42.0.4")}}};
  CHECK_EQ(hosts_file(names),
           "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
           "10.42.0.4 db-0 db-0.hello.internal db db.hello.internal\n"
           "10.42.0.3 web-1 web-1.hello.internal web web.hello.internal\n"
           "10.42.0.2 web-0 web-0.hello.internal web web.hello.internal\n");
}

TEST_CASE("a container that is in no network still knows its own name") {
  CHECK_EQ(hosts_file({"hello", "job-0", {}, {}}),
           "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 job-0 job-0.hello.internal\n");
}
