// Counts, and how long things took, for one thread that counts and many that look.
#pragma once

#include <array>
#include <atomic>  // written by one thread, read by whoever wants to know
#include <cstddef>
#include <cstdint>

namespace mcloud::kv {

// Counts up. One thread adds; any reads.
class Tally {
 public:
  void add(uint64_t by = 1) { count_.store(get() + by, std::memory_order_relaxed); }
  uint64_t get() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_ = 0;
};

// How often something took how long: buckets from 10 us to 10 s, three or so in a decade, and one for what took longer.
inline constexpr std::array<uint64_t, 19> kBucketsUs = {
    10,     25,      50,      100,     250,       500,       1'000,     2'500,     5'000,     10'000,
    25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

struct TimesCount {
  std::array<uint64_t, kBucketsUs.size() + 1> buckets{};  // not cumulative; the last: longer than all
  uint64_t sum_us = 0;
  uint64_t count() const {
    uint64_t all = 0;
    for (uint64_t bucket : buckets) all += bucket;
    return all;
  }
};

class Times {
 public:
  // `count` of them took `us` each.
  void add(uint64_t us, uint64_t count = 1) {
    size_t bucket = 0;
    while (bucket < kBucketsUs.size() && us > kBucketsUs[bucket]) bucket++;
    buckets_[bucket].add(count);
    sum_us_.add(us * count);
  }
  void add_to(TimesCount& total) const {
    for (size_t i = 0; i < buckets_.size(); i++) total.buckets[i] += buckets_[i].get();
    total.sum_us += sum_us_.get();
  }

 private:
  std::array<Tally, kBucketsUs.size() + 1> buckets_;
  Tally sum_us_;
};

}  // namespace mcloud::kv
