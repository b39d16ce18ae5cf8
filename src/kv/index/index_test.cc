#include "kv/index/index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "kv/index/checkpoint.h"
#include "kv/index/hash.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::kv;

TEST_CASE("the index agrees with a map through inserts, replacements and erasures, and stays small") {
  testing::SimulatedRandom random(7);
  Index index;
  std::map<uint64_t, Place> model;  // by hash
  uint64_t next = 0;
  for (int i = 0; i < 60'000; ++i) {
    // Few distinct low bits: long runs of slots, and hashes that differ in nothing a slot keeps but the shard.
    uint64_t hash = random.below(20'000) << 33 | random.below(2) << 60;
    Place place{next += 8, random.chance(20)};
    auto known = model.find(hash);
    if (known == model.end()) {
      index.put(hash, std::nullopt, place);
      model[hash] = place;
    } else if (random.chance(30)) {
      index.erase(hash, known->second.position);
      model.erase(known);
    } else {
      index.put(hash, known->second.position, place);
      known->second = place;
    }
  }
  uint64_t live = 0;
  for (const auto& [hash, place] : model) {
    auto found = index.candidates(hash);
    REQUIRE_EQ(found.count, 1);
    CHECK(found.places[0] == place);
    CHECK_EQ(index.is_live_at(hash, place.position), !place.is_deletion);
    live += !place.is_deletion;
  }
  CHECK_EQ(index.keys(), live);
}

TEST_CASE("a key takes at most 24 bytes of the index") {
  testing::SimulatedRandom random(3);
  Index index;
  uint64_t keys = 0;
  for (uint64_t wanted : {50'000u, 100'000u, 200'000u, 300'000u}) {
    while (keys < wanted) index.put(random.next(), std::nullopt, {8 * ++keys, false});
    CHECK(index.bytes() < 24 * keys);
  }
}

TEST_CASE("keys hash as SipHash-1-3 says") {
  // Key 00..0f, empty message: the first test vector of the reference implementation.
  HashKey secret{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  CHECK_EQ(hash_key(secret, ""), 0xabac0158050fc4dc);
  CHECK(hash_key(secret, "a") != hash_key(secret, BytesView("a\0", 2)));
  CHECK(hash_key(secret, "a") != hash_key({1, 2}, "a"));
}

TEST_CASE("a checkpoint is read as it was written, and no byte of it can change unseen") {
  testing::SimulatedRandom random(5);
  std::vector<Change> changes;
  const uint64_t begin = (uint64_t{1} << 40) + 8;
  for (uint64_t i = 0; i < 500; ++i) {
    std::optional<uint64_t> previous;
    if (random.chance(50)) previous = random.below(begin / 8) * 8;
    // Bits 48..57 of a hash are not kept.
    changes.push_back(
        {random.next() & 0xfc00ffffffffffff, begin + i * (uint64_t{1} << 20), previous, random.chance(30)});
  }
  Totals totals{11, 22, 33};
  const uint64_t end = begin + (uint64_t{500} << 20);
  Bytes bytes = encode_checkpoint(begin, end, totals, changes, 99, 44);
  CHECK_EQ(parse_checkpoint_head(bytes, begin, bytes.size(), 99)->soonest_expiry_ms, 44);
  CHECK_EQ(bytes.size(), kCheckpointHeadBytes + 500 * kChangeBytes);

  auto read = [&](const Bytes& from) -> Result<std::vector<Change>> {
    CheckpointHead head = TRY(parse_checkpoint_head(from, begin, from.size(), 99));
    CHECK(head.totals == totals);
    CHECK_EQ(head.end, end);
    std::vector<Change> all;
    for (size_t shard = 0; shard < kShards; ++shard) {
      size_t size = head.sections[shard].count * kChangeBytes;
      std::vector<Change> part = TRY(parse_section(head, shard, BytesView(from).substr(head.offset(shard), size)));
      all.insert(all.end(), part.begin(), part.end());
    }
    std::sort(all.begin(), all.end(), [](const Change& a, const Change& b) { return a.position < b.position; });
    return all;
  };
  CHECK(read(bytes).value() == changes);
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (at >= 572 && at < 576) continue;  // zeros that say nothing
    Bytes changed = bytes;
    changed[at] = static_cast<char>(changed[at] + 1);
    CHECK_EQ(read(changed).error().code, Code::Corrupt);
  }
  CHECK_EQ(parse_checkpoint_head(bytes, begin, bytes.size(), 98).error().code, Code::Corrupt);
  CHECK_EQ(parse_checkpoint_head(bytes, begin + 8, bytes.size(), 99).error().code, Code::Corrupt);
  CHECK_EQ(parse_checkpoint_head(bytes, begin, bytes.size() - 16, 99).error().code, Code::Corrupt);
}
