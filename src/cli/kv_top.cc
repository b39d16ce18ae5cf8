// mcloud kv top: what a running server does, once a second, from its metrics (INFO metrics).
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>  // waits for the next second

#include "cli/desk.h"
#include "cli/kv.h"
#include "cli/kv_client.h"
#include "cli/kv_figures.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kTimeoutMs = 5'000;

struct TopOptions {
  std::string where;
  KvLogin login;
  bool is_once = false;
};

Result<KvFigures> read_figures(KvClient& client, const Clock& clock) {
  wire::RespReply reply = TRY(client.ask({"INFO", "metrics"}));
  KvFigures figures = KvFigures::parse(reply.text);
  figures.time_ms = clock.monotonic_ms();
  if (figures.samples.empty())
    return make_error(Code::Unsupported, "the server has no metrics: it is no mcloud kv, or an older one");
  return figures;
}

// "<= 250 us", "<= 2.5 ms"; "-": nothing was measured.
std::string time_text(const KvTimes& times, double part) {
  if (times.count == 0) return "-";
  uint64_t us = times.quantile_us(part);
  if (us == KvTimes::kLongerThanAll) return "> 10 s";
  auto number = [](uint64_t whole, uint64_t unit) {
    std::string text = std::to_string(whole / unit), rest = std::to_string(whole % unit * 10 / unit);
    return rest == "0" ? text : text + "." + rest;
  };
  if (us >= 1'000'000) return "<= " + number(us, 1'000'000) + " s";
  return us >= 1000 ? "<= " + number(us, 1000) + " ms" : "<= " + std::to_string(us) + " us";
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) bytes /= 1024, unit++;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

Json json_of(const KvTimes& times) {
  auto us = [&](double part) { return times.count == 0 ? Json() : Json(times.quantile_us(part)); };
  return {{"count", times.count}, {"p50_us_at_most", us(0.5)}, {"p99_us_at_most", us(0.99)}};
}

Json json_of(const KvFigures& before, const KvFigures& now) {
  Json spaces = Json::array();
  for (const std::string& name : now.namespaces()) {
    auto of = [&](const char* family) { return static_cast<uint64_t>(now.of_namespace(family, name)); };
    spaces.push_back({{"name", name},
                      {"keys", of("namespace_keys")},
                      {"live_bytes", of("namespace_live_bytes")},
                      {"log_bytes", of("namespace_log_bytes")},
                      {"index_bytes", of("namespace_index_bytes")},
                      {"durable_lag_bytes", of("namespace_durable_lag_bytes")},
                      {"corrupt_records", of("namespace_corrupt_records")},
                      {"sync_failures", of("namespace_sync_failures_total")},
                      {"sync", json_of(now.times_since(before, "sync_seconds", name))}});
  }
  auto rate = [&](const char* family) { return now.rate_since(before, family); };
  return {{"interval_ms", now.time_ms - before.time_ms},
          {"commands_per_s", rate("commands_total")},
          {"errors_per_s", now.error_rate_since(before)},
          {"keys_written_per_s", rate("keys_written_total")},
          {"received_bytes_per_s", rate("received_bytes_total")},
          {"sent_bytes_per_s", rate("sent_bytes_total")},
          {"connections", static_cast<uint64_t>(now.sum("connections"))},
          {"buffer_bytes", static_cast<uint64_t>(now.sum("buffer_bytes"))},
          {"read", json_of(now.times_since(before, "read_seconds"))},
          {"write", json_of(now.times_since(before, "write_seconds"))},
          {"namespaces", std::move(spaces)}};
}

void show(Output& out, const std::string& where, const KvFigures& before, const KvFigures& now) {
  auto rate = [&](const char* family) { return now.rate_since(before, family); };
  auto whole = [](double number) { return std::to_string(static_cast<uint64_t>(number)); };
  KvTimes reads = now.times_since(before, "read_seconds"), writes = now.times_since(before, "write_seconds");
  out.line(where + ": " + whole(rate("commands_total")) + " commands/s, " + whole(now.error_rate_since(before)) +
           " errors/s, " + whole(now.sum("connections")) + " connections, in " +
           bytes_text(rate("received_bytes_total")) + "/s, out " + bytes_text(rate("sent_bytes_total")) +
           "/s, buffers " + bytes_text(now.sum("buffer_bytes")));
  Table times{{"", "PER SECOND", "P50", "P99"}, {}};
  double seconds = static_cast<double>(std::max<uint64_t>(now.time_ms - before.time_ms, 1)) / 1000;
  for (const auto& [name, one] : {std::pair("reads", &reads), std::pair("writes", &writes)})
    times.rows.push_back({name, whole(static_cast<double>(one->count) / seconds), time_text(*one, 0.5), time_text(*one, 0.99)});
  out.table(times);
  Table spaces{{"NAMESPACE", "KEYS", "LIVE", "LOG", "INDEX", "NOT DURABLE", "SYNC P99", "DAMAGED"}, {}};
  for (const std::string& name : now.namespaces()) {
    auto size = [&](const char* family) { return bytes_text(now.of_namespace(family, name)); };
    double damaged = now.of_namespace("namespace_corrupt_records", name);
    bool has_failed = now.of_namespace("namespace_sync_failures_total", name) > 0;
    spaces.rows.push_back({name, whole(now.of_namespace("namespace_keys", name)), size("namespace_live_bytes"),
                           size("namespace_log_bytes"), size("namespace_index_bytes"),
                           size("namespace_durable_lag_bytes"),
                           has_failed ? Cell("failed", Tone::Bad) : Cell(time_text(now.times_since(before, "sync_seconds", name), 0.99)),
                           Cell(whole(damaged), damaged > 0 ? Tone::Bad : Tone::Plain)});
  }
  out.table(spaces);
}

Status top(Desk& desk, const TopOptions& options) {
  KvAddress address = TRY(KvAddress::parse(options.where));
  auto client = TRY(KvClient::connect(address, options.login, kTimeoutMs));
  bool clears = !options.is_once && !desk.out().is_json() && isatty(STDOUT_FILENO) == 1;
  KvFigures before = TRY(read_figures(*client, desk.clock()));
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    KvFigures now = TRY(read_figures(*client, desk.clock()));
    if (clears) desk.out().line("\x1b[H\x1b[2J");
    show(desk.out(), address.text(), before, now);
    if (options.is_once) desk.out().document(json_of(before, now));
    if (options.is_once) return {};
    desk.out().document_line(json_of(before, now));
    before = std::move(now);
  }
}

}  // namespace

Command kv_top_command() {
  auto options = std::make_shared<TopOptions>();
  Command command("kv top", "what a running key-value server does, once a second");
  command.example("mcloud kv top 127.0.0.1:9900")
      .example("mcloud kv top /run/mcloud/kv.sock --once --json")
      .describe("Rates and times are of the last second. Ctrl-C ends it. With --json a document per second.")
      .argument("SERVER", "HOST:PORT, or the path of a unix socket", options->where)
      .flag("--once", "one second, then end", options->is_once)
      .option("--tls-ca", "FILE", "speak TLS, and believe this authority", options->login.tls_ca)
      .run([options](Desk& desk) { return top(desk, *options); });
  return command;
}

}  // namespace mcloud::cli
