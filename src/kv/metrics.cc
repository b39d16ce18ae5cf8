#include "kv/metrics.h"

#include <algorithm>
#include <vector>

#include "kv/commands.h"
#include "kv/metrics_page.h"

namespace mcloud::kv {
namespace {

void add_commands(MetricsPage& page, const Counters& counters) {
  page.family("commands_total", "counter", "Commands that were run, by name and what came of them.");
  const std::pair<std::string_view, std::span<const Command>> kDialects[] = {{"0-db", zdb_commands()},
                                                                            {"redis", redis_commands()}};
  for (size_t dialect = 0; dialect < 2; dialect++) {
    const auto& [dialect_name, table] = kDialects[dialect];
    for (size_t i = 0; i <= kCommandsMax; i++) {
      if (i >= table.size() && i != kCommandsMax) continue;
      std::string_view name = i == kCommandsMax ? "unknown" : table[i].name;
      for (size_t result : {0, 1}) {
        uint64_t count = counters.by_command[dialect][i][result];
        if (count == 0) continue;
        page.sample("dialect=\"" + std::string(dialect_name) + "\",command=" + label_value(name) + ",result=\"" +
                        (result == 0 ? "ok" : "error") + "\"",
                    count);
      }
    }
  }
}

void add_server(MetricsPage& page, ServerState& state, const Counters& counters) {
  page.family("info", "gauge", "1, with the program's version.")
      .sample("version=" + label_value(kServerVersion), 1)
      .family("start_time_seconds", "gauge", "When the server started, in seconds since 1970.")
      .sample("", seconds_text(state.started_ms() * 1000))
      .family("connections", "gauge", "Connections that are open.")
      .sample("", counters.connections)
      .family("connections_total", "counter", "Connections that were taken.")
      .sample("", counters.connections_ever)
      .family("connections_refused_total", "counter", "Connections that were refused because there were too many.")
      .sample("", counters.refused)
      .family("tls_failures_total", "counter", "TLS connections that ended by a failed handshake or broken bytes.")
      .sample("", counters.tls_failures)
      .family("received_bytes_total", "counter", "Bytes from clients, as they came.")
      .sample("", counters.bytes_in)
      .family("sent_bytes_total", "counter", "Bytes to clients, as they went.")
      .sample("", counters.bytes_out)
      .family("unauthorized_total", "counter", "Commands of the 0-db dialect that only an administrator may run.")
      .sample("", counters.unauthorized)
      .family("late_errors_total", "counter", "Replies that became an error because a flush or a sync failed.")
      .sample("", counters.late_errors)
      .family("keys_written_total", "counter", "Keys written or removed.")
      .sample("", counters.writes)
      .family("buffer_bytes", "gauge", "Memory of all clients' buffers.")
      .sample("", static_cast<uint64_t>(std::max<int64_t>(state.memory(), 0)));
  add_commands(page, counters);
  page.family("read_seconds", "histogram", "Commands that read: from the begin of the round to its last reply.")
      .times("", counters.reads)
      .family("write_seconds", "histogram",
              "Commands that write: the same; with durability always until it is on the disk.")
      .times("", counters.updates);
}

struct Shown {
  std::string label;
  Figures figures;
};

using Value = uint64_t (*)(const Figures&);
struct Row {
  std::string_view name, type, help;
  Value value;
};
constexpr Row kRows[] = {
    {"namespace_keys", "gauge", "Keys that GET can answer.", [](const Figures& f) { return f.keys; }},
    {"namespace_live_bytes", "gauge", "Keys and values that GET can answer.",
     [](const Figures& f) { return f.live_bytes; }},
    {"namespace_log_bytes", "gauge", "The log on disk, history included.", [](const Figures& f) { return f.log_bytes; }},
    {"namespace_index_bytes", "gauge", "The index in memory.", [](const Figures& f) { return f.index_bytes; }},
    {"namespace_durable_lag_bytes", "gauge", "Written, and not on the disk yet.",
     [](const Figures& f) { return f.end - std::min(f.end, f.durable); }},
    {"namespace_epoch", "gauge", "The highest epoch that was seen.", [](const Figures& f) { return f.epoch; }},
    {"namespace_expired_keys_total", "counter", "Keys that were removed or replaced after they had expired.",
     [](const Figures& f) { return f.expired_keys; }},
    {"namespace_corrupt_records", "gauge", "Damaged records found since it was opened.",
     [](const Figures& f) { return f.corrupt_records; }},
    {"namespace_sync_failures_total", "counter", "Syncs that failed. Writes are refused after one.",
     [](const Figures& f) { return uint64_t{f.failure.empty() ? 0u : 1u}; }},
};

void add_namespaces(MetricsPage& page, ServerState& state) {
  std::vector<std::string> names = state.names();
  page.family("namespaces", "gauge", "Namespaces that there are.").sample("", names.size());
  std::vector<Shown> shown;
  for (size_t i = 0; i < std::min(names.size(), kMetricNamespacesMax); i++) {
    if (SpacePtr space = state.find(names[i]))
      shown.push_back({"namespace=" + label_value(names[i]), space->store->figures()});
  }
  for (const Row& row : kRows) {
    page.family(row.name, row.type, row.help);
    for (const Shown& one : shown) page.sample(one.label, row.value(one.figures));
  }
  page.family("sync_seconds", "histogram", "How long the disk took to make the log durable.");
  for (const Shown& one : shown) page.times(one.label, one.figures.syncs);
}

}  // namespace

std::string metrics_text(ServerState& state) {
  MetricsPage page;
  add_server(page, state, state.counters());
  add_namespaces(page, state);
  add_replication_metrics(page, state);
  return page.take();
}

}  // namespace mcloud::kv
