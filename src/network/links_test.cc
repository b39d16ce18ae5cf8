#include "network/links.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "network/machine_fixture.h"
#include "network/netns.h"

using namespace mcloud;
using namespace mcloud::network;

TEST_CASE("addresses that others can call are listed, those of a link in the order in which they came") {
  if (!can_make_networks()) return;
  Place one = make_place(), other = make_place();
  join(one, "up0", other, "up1");
  for (const char* address : {"192.0.2.9", "192.0.2.1"}) give_address(one, "up0", address, 24);
  give_address(one, "up0", "2001:db8::1", 64);
  give_address(one, "lo", "10.251.0.1", 32);
  NetnsScope scope = NetnsScope::enter(one.netns).value();
  auto all = Links::open().value().addresses();
  REQUIRE(all.has_value());
  std::vector<LinkAddress> expected = {{"lo", "10.251.0.1"}, {"up0", "192.0.2.9"}, {"up0", "192.0.2.1"}, {"up0", "2001:db8::1"}};
  CHECK((*all == expected));
}
