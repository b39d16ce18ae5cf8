#include "kv/replication/info.h"

#include "kv/replication/replication.h"

namespace mcloud::kv {
namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

void add_master(Facts& facts, ServerState& state, const Space& space, const LogState& log) {
  uint64_t now = state.clock().monotonic_ms();
  auto followers = space.feed->followers();
  facts.emplace_back("connected_slaves", std::to_string(followers.size()));
  for (size_t i = 0; i < followers.size(); ++i) {
    const Feed::Follower& one = followers[i];
    std::string lag_s = std::to_string((now - std::min(now, one.ack_ms)) / 1000);
    facts.emplace_back("slave" + std::to_string(i),
                       "addr=" + one.address + ",member=" + (one.member.empty() ? "-" : one.member) + ",state=" +
                           (one.ack.durable > 0 || log.end == 0 ? "online" : "copying") +
                           ",offset=" + std::to_string(one.ack.received) +
                           ",durable=" + std::to_string(one.ack.durable) + ",lag=" + lag_s +
                           ",lag_bytes=" + std::to_string(log.end - std::min(log.end, one.ack.received)));
  }
}

void add_follower(Facts& facts, ServerState& state, const Space& space, const LogState& log) {
  std::string where = state.replication().group().refusal().message;
  size_t colon = where.rfind(':');
  facts.emplace_back("master_host", where.substr(0, colon));
  facts.emplace_back("master_port", colon == std::string::npos ? "0" : where.substr(colon + 1));
  FollowerClient::State mine;
  for (const auto& one : state.replication().following()) {
    if (one.name == space.store->name()) mine = one.state;
  }
  const Follower::Figures& figures = mine.figures;
  facts.emplace_back("master_link_status", mine.is_connected ? "up" : "down");
  facts.emplace_back("master_link_problem", mine.problem);
  facts.emplace_back("master_sync_in_progress", space.store->replica().is_complete() ? "0" : "1");
  facts.emplace_back("slave_repl_offset", std::to_string(log.end));
  facts.emplace_back("lag_bytes", std::to_string(figures.master_end - std::min(figures.master_end, log.end)));
  facts.emplace_back("lag_ms", std::to_string(figures.lag_ms));
}

}  // namespace

std::vector<std::pair<std::string, std::string>> replication_facts(ServerState& state, const Space& space) {
  Replication& replication = state.replication();
  LogState log = space.store->replica().log_state();
  bool leads = replication.group().may_write();
  bool follows = !leads && !replication.group().refusal().message.empty();
  Facts facts;
  facts.emplace_back("role", leads ? "master" : "slave");
  facts.emplace_back("place", leads ? "master" : follows ? "follower" : "nobody");
  facts.emplace_back("term", std::to_string(replication.store().replica().promised_term()));
  if (!leads) add_follower(facts, state, space, log);
  add_master(facts, state, space, log);
  Rank rank = log.rank();
  facts.emplace_back("master_repl_offset", std::to_string(log.end));
  facts.emplace_back("rank", std::to_string(rank.term) + "." + std::to_string(rank.generation) + "." +
                                 std::to_string(rank.position));
  facts.emplace_back("min_replicas", std::to_string(space.feed->copies() - 1));
  facts.emplace_back("writes_waiting_for_replicas", std::to_string(space.feed->waiting()));
  Aside aside = replication.store().replica().aside();
  facts.emplace_back("kept_aside_files", std::to_string(aside.files));
  facts.emplace_back("kept_aside_bytes", std::to_string(aside.bytes));
  return facts;
}

}  // namespace mcloud::kv
