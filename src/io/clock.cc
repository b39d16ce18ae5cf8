#include "io/clock.h"

#include <sys/random.h>
#include <time.h>

#include <cerrno>
#include <limits>

#include "base/check.h"

namespace mcloud::io {
namespace {

uint64_t read_us(clockid_t clock) {
  timespec now{};
  CHECK(clock_gettime(clock, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

void fill(char* out, size_t count) {
  while (count > 0) {
    ssize_t got = getrandom(out, count, 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    out += got;
    count -= static_cast<size_t>(got);
  }
}

}  // namespace

uint64_t SystemClock::monotonic_ms() const { return read_us(CLOCK_BOOTTIME) / 1000; }
uint64_t SystemClock::monotonic_us() const { return read_us(CLOCK_BOOTTIME); }
uint64_t SystemClock::wall_ms() const { return read_us(CLOCK_REALTIME) / 1000; }

Bytes SystemRandom::bytes(size_t count) {
  Bytes out(count, '\0');
  fill(out.data(), count);
  return out;
}

uint64_t SystemRandom::below(uint64_t bound) {
  CHECK(bound > 0);
  // Values past the last whole multiple of `bound` would favour small results: draw again.
  const uint64_t limit = std::numeric_limits<uint64_t>::max() / bound * bound;
  uint64_t value;
  do {
    fill(reinterpret_cast<char*>(&value), sizeof value);
  } while (value >= limit);
  return value % bound;
}

}  // namespace mcloud::io
