// mcloud kv bench: a load on a running server.
#include <nlohmann/json.hpp>

#include "cli/desk.h"
#include "cli/kv.h"
#include "cli/kv_load.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchOptions {
  std::string where, space, tests = "set,get";
  KvLoad load;
};

Status check(std::string_view option, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return make_error(Code::Invalid, std::string(option) + ": allowed: " + std::to_string(least) + " to " +
                                       std::to_string(most) + "; not \"" + std::to_string(value) + "\"");
}

Result<std::vector<std::string>> tests_of(const std::string& text) {
  std::vector<std::string> tests;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    tests.push_back(text.substr(begin, end - begin));
    if (tests.back() != "set" && tests.back() != "get")
      return make_error(Code::Invalid, "--tests: allowed: set, get or both with a comma; not \"" + text.substr(0, 60) + "\"");
    begin = end + 1;
  }
  return tests;
}

Status check_load(const KvLoad& load) {
  TRY(check("--connections", load.connections, 1, 20'000));
  TRY(check("--requests", load.requests, 1, 10'000'000'000));
  TRY(check("--pipeline", load.pipeline, 1, 10'000));
  TRY(check("--size", load.value_bytes, 0, 8 << 20));
  return check("--keys", load.keys, 1, 1'000'000'000'000);
}

Json json_of(const std::string& test, const KvLoadResult& result) {
  const LatencyCount& latency = result.latency;
  return {{"test", test},
          {"requests", result.requests},
          {"errors", result.errors},
          {"misses", result.misses},
          {"duration_us", result.us},
          {"requests_per_s", result.rate()},
          {"mean_us", latency.mean_us()},
          {"p50_us", latency.quantile_us(0.5)},
          {"p90_us", latency.quantile_us(0.9)},
          {"p99_us", latency.quantile_us(0.99)},
          {"p999_us", latency.quantile_us(0.999)},
          {"max_us", latency.most_us()}};
}

Status bench(Desk& desk, const BenchOptions& options) {
  KvLoad load = options.load;
  load.address = TRY(KvAddress::parse(options.where));
  load.space = options.space;
  std::vector<std::string> tests = TRY(tests_of(options.tests));
  TRY(check_load(load));
  Table table{{"TEST", "REQUESTS", "PER SECOND", "MEAN US", "P50 US", "P90 US", "P99 US", "P99.9 US", "MAX US", "MISSES", "ERRORS"}, {}};
  Json all = Json::array();
  std::string first_error;
  for (const std::string& test : tests) {
    load.is_write = test == "set";
    desk.out().live(test + " ...");
    KvLoadResult result = TRY(run_load(load));
    desk.out().live("");
    const LatencyCount& latency = result.latency;
    auto number = [](double value) { return std::to_string(static_cast<uint64_t>(value)); };
    auto part = [&](double p) { return std::to_string(latency.quantile_us(p)); };
    table.rows.push_back({test, std::to_string(result.requests), number(result.rate()), number(latency.mean_us()),
                          part(0.5), part(0.9), part(0.99), part(0.999), std::to_string(latency.most_us()),
                          std::to_string(result.misses), std::to_string(result.errors)});
    all.push_back(json_of(test, result));
    if (first_error.empty()) first_error = result.first_error;
  }
  desk.out().table(table);
  desk.out().document({{"connections", load.connections},
                       {"pipeline", load.pipeline},
                       {"size_bytes", load.value_bytes},
                       {"keys", load.keys},
                       {"results", std::move(all)}});
  if (!first_error.empty()) return make_error(Code::Invalid, "the server answered with an error: " + printable(first_error));
  return {};
}

}  // namespace

Command kv_bench_command() {
  auto options = std::make_shared<BenchOptions>();
  Command command("kv bench", "put load on a running key-value server and measure it");
  command.example("mcloud kv bench 127.0.0.1:9900 -n 1000000 -P 16")
      .describe(
          "Writes keys \"key:000000000000\" and so on to the server: use a namespace that may be filled. One thread asks,\n"
          "so a fast server may wait for it: look at the server's own times too (mcloud kv top). Speaks the Redis\n"
          "protocol, to a Redis as well.")
      .argument("SERVER", "HOST:PORT, or the path of a unix socket", options->where)
      .option("-c,--connections", "N", "connections at a time (50)", options->load.connections)
      .option("-n,--requests", "N", "requests of each test (100000)", options->load.requests)
      .option("-P,--pipeline", "N", "requests that a connection sends before it reads (1)", options->load.pipeline)
      .option("-d,--size", "BYTES", "size of the values (100)", options->load.value_bytes)
      .option("-r,--keys", "N", "how many different keys, taken at random (100000)", options->load.keys)
      .option("--tests", "LIST", "set, get or both with a comma (set,get)", options->tests)
      .option("--namespace", "NAME", "namespace to use (the default one)", options->space)
      .run([options](Desk& desk) { return bench(desk, *options); });
  return command;
}

}  // namespace mcloud::cli
