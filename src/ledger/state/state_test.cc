#include "ledger/state/state.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

using Entries = std::vector<std::pair<Bytes, Bytes>>;

Entries all_under(const StateReader& state, BytesView prefix) {
  Entries entries;
  state.each(prefix, [&](BytesView key, BytesView value) {
    entries.emplace_back(key, value);
    return true;
  });
  return entries;
}

}  // namespace

TEST_CASE("an overlay reads like the state it will become, whatever was changed in it") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    MemoryState below;
    auto some_key = [&] { return std::string(1, static_cast<char>('a' + random() % 3)) + std::to_string(random() % 12); };
    for (int i = 0; i < 15; ++i) below.put(some_key(), std::to_string(random()));
    MemoryState model = below;
    Overlay middle(below);
    Overlay top(static_cast<const StateReader&>(middle));
    for (int i = 0; i < 20; ++i) {
      Bytes key = some_key();
      StateWriter& target = i < 10 ? static_cast<StateWriter&>(middle) : top;
      if (random() % 3 == 0) {
        target.erase(key);
        model.erase(key);
      } else {
        Bytes value = std::to_string(random());
        target.put(key, value);
        model.put(key, value);
      }
    }
    for (const char* prefix : {"", "a", "b", "c1", "z"}) CHECK_EQ(all_under(top, prefix), all_under(model, prefix));
    Bytes key = some_key();
    CHECK_EQ(top.get(key), model.get(key));
    top.apply_to(middle);
    middle.apply_to(below);
    CHECK_EQ(below.values(), model.values());
  }
}

TEST_CASE("a walk through an overlay ends when its visitor says so") {
  MemoryState below;
  for (const char* key : {"a1", "a3", "a5"}) below.put(key, "below");
  Overlay overlay(below);
  for (const char* key : {"a0", "a2", "a4", "a6"}) overlay.put(key, "above");
  for (size_t limit = 1; limit <= 7; ++limit) {
    std::vector<Bytes> seen;
    overlay.each("a", [&](BytesView key, BytesView) {
      seen.emplace_back(key);
      return seen.size() < limit;
    });
    CHECK_EQ(seen.size(), limit);
    CHECK_EQ(seen.back(), "a" + std::to_string(limit - 1));
  }
}
