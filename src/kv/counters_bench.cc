// What counting costs a request and a round, beside what it was with counters that all loops share.
//   kv_counters_bench
#include <cstdio>
#include <memory>

#include "io/clock.h"
#include "kv/counters.h"

using namespace mcloud;
using namespace mcloud::kv;

namespace {

constexpr uint64_t kTimes = 50'000'000;

template <typename Work>
void measure(const char* name, uint64_t times, Work work) {
  io::SystemClock clock;
  uint64_t begin_us = clock.monotonic_us();
  for (uint64_t i = 0; i < times; i++) work(i);
  std::printf("%-60s %6.2f ns\n", name, static_cast<double>(clock.monotonic_us() - begin_us) * 1000 / static_cast<double>(times));
}

}  // namespace

int main() {
  auto own = std::make_unique<Tallies>();
  std::atomic<uint64_t> commands = 0, writes = 0;
  measure("a request, by the loop's own counters (Session::count)", kTimes, [&](uint64_t i) {
    own->run.add();
    own->round_updates++;
    own->commands[1][i % 8][0].add();
    own->writes.add();
  });
  measure("a request, by two counters that all loops share, alone", kTimes, [&](uint64_t) {
    commands.fetch_add(1, std::memory_order_relaxed);
    writes.fetch_add(1, std::memory_order_relaxed);
  });
  io::SystemClock clock;
  uint64_t sum = 0;
  measure("a look at the clock (two in a round)", kTimes / 10, [&](uint64_t) { sum += clock.monotonic_us(); });
  measure("a round's time put in its bucket", kTimes, [&](uint64_t i) { own->updates.add(i % 1000, 16); });
  return sum == 0 && commands == 0 ? 1 : 0;
}
