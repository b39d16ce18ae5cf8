// The metrics of replication: what a master knows of its followers, and a follower of its master.
#include <algorithm>
#include <map>
#include <vector>

#include "kv/metrics.h"
#include "kv/metrics_page.h"
#include "kv/replication/replication.h"

namespace mcloud::kv {
namespace {

// Of one namespace. Bytes and milliseconds of followers are the slowest one's.
struct Link {
  std::string label;
  uint64_t followers = 0, follower_bytes = 0, follower_ms = 0, waiting = 0;
  bool is_up = false;
  uint64_t master_bytes = 0, master_ms = 0;
};

using Clients = std::map<std::string, FollowerClient::State>;

Link link_of(const Space& space, const Clients& clients, uint64_t now_ms) {
  Link link{.label = "namespace=" + label_value(space.store->name())};
  Position end = space.store->figures().end;
  for (const Feed::Follower& one : space.feed->followers()) {
    link.followers++;
    link.follower_bytes = std::max(link.follower_bytes, end - std::min(end, one.ack.durable));
    link.follower_ms = std::max(link.follower_ms, now_ms - std::min(now_ms, one.ack_ms));
  }
  link.waiting = space.feed->waiting();
  auto client = clients.find(space.store->name());
  if (client == clients.end()) return link;
  const Follower::Figures& figures = client->second.figures;
  link.is_up = client->second.is_connected;
  link.master_bytes = figures.master_end - std::min(figures.master_end, end);
  link.master_ms = figures.lag_ms;
  return link;
}

std::string ms_text(uint64_t ms) { return seconds_text(ms * 1000); }

struct Row {
  std::string_view name, help;
  std::string (*value)(const Link&);
};
constexpr Row kRows[] = {
    {"namespace_followers", "Followers that are connected.", [](const Link& l) { return std::to_string(l.followers); }},
    {"namespace_follower_lag_bytes", "What the slowest follower does not have on its disk yet.",
     [](const Link& l) { return std::to_string(l.follower_bytes); }},
    {"namespace_follower_lag_seconds", "Since the most silent follower was heard.",
     [](const Link& l) { return ms_text(l.follower_ms); }},
    {"namespace_waiting_writes", "Writes that wait for followers.",
     [](const Link& l) { return std::to_string(l.waiting); }},
    {"namespace_master_link_up", "1: connected to the master that is followed.",
     [](const Link& l) { return std::to_string(l.is_up ? 1 : 0); }},
    {"namespace_master_lag_bytes", "What the master has and this follower has not.",
     [](const Link& l) { return std::to_string(l.master_bytes); }},
    {"namespace_master_lag_seconds", "How far this follower is behind its master; 0: it has all.",
     [](const Link& l) { return ms_text(l.master_ms); }},
};

}  // namespace

void add_replication_metrics(MetricsPage& page, ServerState& state) {
  Replication& replication = state.replication();
  page.family("replication_leads", "gauge", "1: this server takes writes.")
      .sample("", uint64_t{replication.group().may_write() ? 1u : 0u})
      .family("replication_term", "gauge", "The highest term that was promised.")
      .sample("", replication.store().replica().promised_term());
  Clients clients;
  for (const Replication::Following& one : replication.following()) clients[one.name] = one.state;
  std::vector<Link> links;
  for (const std::string& name : state.names()) {
    if (links.size() == kMetricNamespacesMax) break;
    if (SpacePtr space = state.find(name)) links.push_back(link_of(*space, clients, state.clock().monotonic_ms()));
  }
  for (const Row& row : kRows) {
    page.family(row.name, "gauge", row.help);
    for (const Link& link : links) page.sample(link.label, row.value(link));
  }
}

}  // namespace mcloud::kv
