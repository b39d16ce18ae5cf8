#include "cli/kv_figures.h"

#include <doctest/doctest.h>

#include "cli/kv_load.h"

using namespace mcloud;
using namespace mcloud::cli;

TEST_CASE("rates are what changed in the time between, and a server that began anew counts from zero") {
  KvFigures before = KvFigures::parse(
      "# TYPE kv_commands_total counter\nkv_commands_total{command=\"GET\",result=\"ok\"} 100\n"
      "kv_commands_total{command=\"SET\",result=\"error\"} 10\nkv_connections 3\nkv_connections_total 9\n");
  KvFigures now = KvFigures::parse(
      "kv_commands_total{command=\"GET\",result=\"ok\"} 300\nkv_commands_total{command=\"SET\",result=\"error\"} 20\n"
      "kv_connections 4\nkv_namespace_keys{namespace=\"a\"} 7\nkv_namespace_keys{namespace=\"b%20c\"} 1e+06\nnonsense\n");
  before.time_ms = 1000;
  now.time_ms = 3000;
  CHECK_EQ(now.rate_since(before, "commands_total"), doctest::Approx(105));
  CHECK_EQ(now.error_rate_since(before), doctest::Approx(5));
  CHECK_EQ(now.sum("connections"), 4);
  CHECK(now.namespaces() == std::vector<std::string>{"a", "b%20c"});
  CHECK_EQ(now.of_namespace("namespace_keys", "b%20c"), 1'000'000);
  CHECK_EQ(now.of_namespace("namespace_keys", "c"), 0);
  CHECK_EQ(before.rate_since(now, "commands_total"), doctest::Approx(110'000));
}

TEST_CASE("quantiles are of what happened since, by the bucket's upper end") {
  auto text = [](int a, int b, int all) {
    return "kv_read_seconds_bucket{le=\"1e-05\"} " + std::to_string(a) + "\nkv_read_seconds_bucket{le=\"0.0025\"} " +
           std::to_string(b) + "\nkv_read_seconds_bucket{le=\"+Inf\"} " + std::to_string(all) + "\n";
  };
  KvTimes times = KvFigures::parse(text(100, 190, 201)).times_since(KvFigures::parse(text(50, 100, 101)), "read_seconds");
  CHECK_EQ(times.count, 100);
  CHECK_EQ(times.quantile_us(0.5), 10);
  CHECK_EQ(times.quantile_us(0.51), 2500);
  CHECK_EQ(times.quantile_us(0.9), 2500);
  CHECK_EQ(times.quantile_us(0.99), KvTimes::kLongerThanAll);
  CHECK_EQ(KvTimes().quantile_us(0.5), 0);
}

TEST_CASE("latencies are counted with an error of a thirty-second at most") {
  for (uint64_t us : {0ull, 1ull, 31ull, 32ull, 33ull, 63ull, 64ull, 1000ull, 123'456ull, 99'999'999ull}) {
    LatencyCount count;
    count.add(us, 3);
    count.add(us * 100 + 1000, 1);
    CHECK_GE(count.quantile_us(0.5), us);
    CHECK_LE(count.quantile_us(0.5), us + us / 32);
    CHECK_EQ(count.quantile_us(1), us * 100 + 1000);
    CHECK_EQ(count.count(), 4);
  }
}

TEST_CASE("a server is named by host and port or by a socket's path") {
  CHECK_EQ(KvAddress::parse("localhost:9900")->host, "localhost");
  CHECK_EQ(KvAddress::parse("[::1]:9900")->host, "::1");
  CHECK_EQ(KvAddress::parse("[::1]:9900")->port, 9900);
  CHECK_EQ(KvAddress::parse("./kv.sock")->path, "./kv.sock");
  for (const char* text : {"", "localhost", ":9900", "localhost:", "localhost:0", "localhost:65536", "localhost:9x"})
    CHECK_EQ(KvAddress::parse(text).error().code, Code::Invalid);
}
