#include <doctest/doctest.h>

#include "node/device_places.h"

using namespace mcloud;
using namespace mcloud::node;

namespace {
const DevicePlaces::Key kLaptop{7, {0x0A2A0064}};
}

TEST_CASE("a device is where it is heard, and is announced three times when it comes") {
  DevicePlaces places;
  CHECK_FALSE(places.look(kLaptop, {0, false}));
  CHECK_FALSE(places.is_here(kLaptop));
  CHECK(places.look(kLaptop, {148, false}));
  CHECK(places.is_here(kLaptop));
  CHECK_EQ(places.revision(), 1);
  CHECK(places.look(kLaptop, {148, false}));  // that one failed
  for (int i = 0; i < DevicePlaces::kTellings; ++i) {
    CHECK(places.look(kLaptop, {500, false}));
    places.told(kLaptop);
  }
  CHECK_FALSE(places.look(kLaptop, {500, false}));
  CHECK(places.is_here(kLaptop));
  CHECK_EQ(places.revision(), 1);
}

TEST_CASE("a device that is silent here and claimed elsewhere has gone, and comes back with its next packet") {
  DevicePlaces places;
  places.look(kLaptop, {148, false});
  CHECK_FALSE(places.look(kLaptop, {148, true}));
  CHECK_FALSE(places.is_here(kLaptop));
  CHECK_FALSE(places.look(kLaptop, {148, true}));
  CHECK(places.look(kLaptop, {149, true}));
  CHECK(places.is_here(kLaptop));
}

TEST_CASE("who hears a device says so again when somebody else claims it") {
  DevicePlaces places;
  places.look(kLaptop, {148, false});
  for (int i = 0; i < DevicePlaces::kTellings; ++i) places.told(kLaptop);
  CHECK(places.look(kLaptop, {200, true}));
  CHECK(places.is_here(kLaptop));
  CHECK_EQ(places.revision(), 1);
}

TEST_CASE("an agent that begins goes on as before, and takes nothing from an access point that has the device") {
  DevicePlaces assumed;
  assumed.assume(kLaptop);
  CHECK_FALSE(assumed.look(kLaptop, {0, false}));
  CHECK(assumed.is_here(kLaptop));
  DevicePlaces left;
  CHECK_FALSE(left.look(kLaptop, {9'000, true}));
  CHECK_FALSE(left.is_here(kLaptop));
  DevicePlaces alone;
  CHECK(alone.look(kLaptop, {9'000, false}));
}

TEST_CASE("a WireGuard device made anew begins at nothing") {
  DevicePlaces places;
  places.look(kLaptop, {9'000, false});
  for (int i = 0; i < DevicePlaces::kTellings; ++i) places.told(kLaptop);
  CHECK_FALSE(places.look(kLaptop, {0, false}));
  CHECK(places.is_here(kLaptop));
  places.look(kLaptop, {0, true});
  CHECK(places.look(kLaptop, {92, true}));
}

TEST_CASE("devices that left are forgotten") {
  DevicePlaces places;
  places.look(kLaptop, {148, false});
  places.keep_only({});
  CHECK_FALSE(places.is_here(kLaptop));
}
