#include "kv/settings_text.h"

#include <doctest/doctest.h>

#include "kv/test_store.h"

using namespace mcloud;
using namespace mcloud::kv;

TEST_CASE("the words of settings mean what they say, and others nothing") {
  for (Durability durability : {Durability::Always, Durability::Interval, Durability::None})
    CHECK_EQ(durability_of(durability_word(durability)), durability);
  for (const char* text : {"forever", "last:1", "last:18446744073709551615", "newer:60000"})
    CHECK_EQ(history_text(history_of(text).value()), text);
  for (const char* text : {"", "ever", "last", "last:", "last:0", "last:-1", "last:1x", "newer:0", "last:18446744073709551616"})
    CHECK_FALSE(history_of(text).has_value());
  for (const char* text : {"", "Always", "alway", "everysec"}) CHECK_FALSE(durability_of(text).has_value());
  CHECK_EQ(interval_ms_of("1"), 1);
  CHECK_EQ(interval_ms_of("3600000"), kIntervalMsMax);
  for (const char* text : {"", "0", "3600001", "1.5", " 1"}) CHECK_FALSE(interval_ms_of(text).has_value());
}

TEST_CASE("a shorter interval holds for the next write, though a long one is running") {
  TestStore store({.durability = Durability::Interval, .interval_ms = 3'600'000});
  store.put("a", "1");
  Settings settings = store.space->settings();
  settings.interval_ms = 1000;
  REQUIRE(store.space->set_settings(settings).has_value());
  Position end = store.put("b", "2");
  store.clock.advance(1000);
  store.store->syncer().run_due();
  CHECK_EQ(store.space->durable_position(), end);
}

TEST_CASE("what the options say of new namespaces leaves those that are there alone") {
  TestStore store({.durability = Durability::Always});
  store.close();
  store.options.defaults = {.durability = Durability::None, .interval_ms = 5};
  store.open();
  CHECK_EQ(store.space->settings().durability, Durability::Always);
  CHECK_EQ(store.space->settings().interval_ms, 1000);
}
