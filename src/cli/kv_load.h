// A load on a key-value server: many connections, each with some requests under way, from one thread; and how long
// the answers took.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "cli/kv_client.h"

namespace mcloud::cli {

struct KvLoad {
  KvAddress address;
  std::string space;  // namespace to select; "": the default one
  bool is_write = true;  // SET; else GET
  uint64_t connections = 50, requests = 100'000, pipeline = 1, value_bytes = 100, keys = 100'000;
  uint64_t timeout_ms = 30'000;  // without any answer
};

// Microseconds in buckets of at most 1/32 of their size.
class LatencyCount {
 public:
  void add(uint64_t us, uint64_t count);
  uint64_t quantile_us(double part) const;
  uint64_t count() const { return count_; }
  double mean_us() const { return count_ == 0 ? 0 : static_cast<double>(sum_us_) / static_cast<double>(count_); }
  uint64_t most_us() const { return most_us_; }

 private:
  static constexpr size_t kFine = 32, kBuckets = 64 * kFine;
  static size_t bucket_of(uint64_t us);
  static uint64_t most_of(size_t bucket);
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0, sum_us_ = 0, most_us_ = 0;
};

struct KvLoadResult {
  uint64_t requests = 0, errors = 0, misses = 0, us = 0;
  std::string first_error;  // that the server answered
  LatencyCount latency;     // from the last byte handed to the kernel to the answer's last byte
  double rate() const { return us == 0 ? 0 : static_cast<double>(requests) * 1e6 / static_cast<double>(us); }
};

// Unavailable, TimedOut, Corrupt: the server went, stayed silent, or answered what is no reply.
Result<KvLoadResult> run_load(const KvLoad& load);

}  // namespace mcloud::cli
