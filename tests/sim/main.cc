// sim [--seeds N] [--from S] | [--seed S]     runs seeds S .. S+N-1 and ends at the first that fails
//     [--expect-failure]                      a bug is planted: at least one seed must fail
//     [--workers N]                           processes at the same time; as many as there are cores
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "sim/cluster.h"
#include "sim/judge.h"
#include "sim/workers.h"

namespace {

// In so many seeds each fault must have happened.
constexpr uint64_t kSeedsForEverything = 200;

struct Options {
  uint64_t from = 1;
  uint64_t count = 200;
  uint64_t workers = mcloud::sim::cores();
  bool expect_failure = false;
};

bool parse_number(const char* text, uint64_t& value) {
  const char* end = text + std::strlen(text);
  auto [at, error] = std::from_chars(text, end, value);
  return error == std::errc() && at == end;
}

bool parse_options(int count, char** words, Options& options) {
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    if (word == "--expect-failure") {
      options.expect_failure = true;
      continue;
    }
    uint64_t value = 0;
    if (i + 1 == count || !parse_number(words[++i], value)) return false;
    if (word == "--seeds") {
      options.count = value;
    } else if (word == "--workers") {
      options.workers = value;
    } else if (word == "--from") {
      options.from = value;
    } else if (word == "--seed") {
      options.from = value;
      options.count = 1;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse_options(argc, argv, options)) {
    std::fprintf(stderr, "usage: sim [--seeds N] [--from S] [--seed S] [--workers N] [--expect-failure]\n");
    return 2;
  }
  auto begin = std::chrono::steady_clock::now();
  mcloud::sim::Outcome outcome = mcloud::sim::run_seeds({options.from, options.count, options.workers}, mcloud::sim::run_seed);
  if (!outcome.reason.empty()) {
    auto seed = static_cast<unsigned long long>(outcome.failed);
    std::printf("seed %llu: %s\nrepeat: %s --seed %llu\n", seed, outcome.reason.c_str(), argv[0], seed);
    return options.expect_failure && !outcome.has_crashed ? 0 : 1;
  }
  const mcloud::sim::RunFigures& total = outcome.total;
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  std::printf("%llu seeds in %lld ms (%lld a minute): %s\n", static_cast<unsigned long long>(options.count),
              static_cast<long long>(took.count()),
              static_cast<long long>(options.count) * 60'000 / std::max<long long>(took.count(), 1),
              total.text().c_str());
  std::string missing = total.missing();
  if (options.count >= kSeedsForEverything && !missing.empty()) {
    std::printf("in all these seeds there were no %s: nothing is known about them\n", missing.c_str());
    return 1;
  }
  if (!options.expect_failure) return 0;
  std::printf("a bug is planted and no seed found it\n");
  return 1;
}
