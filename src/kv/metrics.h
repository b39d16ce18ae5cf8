// The server's metrics in Prometheus' text format (version 0.0.4), prefix `kv_`; docs/reference/kv-metrics.md has each.
#pragma once

#include <string>

#include "kv/server_state.h"

namespace mcloud::kv {

inline constexpr size_t kMetricNamespacesMax = 1000;  // the first by name; `kv_namespaces` says how many there are

class MetricsPage;  // kv/metrics_page.h
void add_replication_metrics(MetricsPage& page, ServerState& state);  // metrics_replication.cc

// From any thread; waits for no writer.
std::string metrics_text(ServerState& state);

}  // namespace mcloud::kv
