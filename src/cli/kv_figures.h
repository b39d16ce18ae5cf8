// A key-value server's metrics as values, and what changed between two moments. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mcloud::cli {

// How often something took how long, in the buckets of kv/times.h.
struct KvTimes {
  static constexpr uint64_t kLongerThanAll = ~0ull;
  std::map<uint64_t, uint64_t> buckets;  // by what it took at most (us): how many more than in the bucket before
  uint64_t count = 0;
  uint64_t quantile_us(double part) const;  // what that part of them took at most; 0: there are none
};

struct KvFigures {
  // Prometheus' text as our server writes it. Lines that are none of ours are left out.
  static KvFigures parse(std::string_view text);

  uint64_t time_ms = 0;                              // when, by the asker's clock
  std::map<std::string, double, std::less<>> samples;  // by "kv_name{labels}"

  double sum(std::string_view family) const;  // over all labels
  double of_namespace(std::string_view family, std::string_view name) const;
  std::vector<std::string> namespaces() const;
  // Since `before`. A server that was started anew in between counts from zero.
  double rate_since(const KvFigures& before, std::string_view family) const;
  double error_rate_since(const KvFigures& before) const;
  KvTimes times_since(const KvFigures& before, std::string_view family, std::string_view name = "") const;
};

}  // namespace mcloud::cli
