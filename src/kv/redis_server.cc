// The server as the Redis dialect describes it: COMMAND, CONFIG GET, INFO, TIME.
#include "kv/metrics.h"
#include "kv/redis_commands.h"
#include "kv/replication/info.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

// Where keys are among the words: first, last (negative: from the end), step; zeros: nowhere.
struct KeyPlaces {
  int64_t first = 0, last = 0, step = 0;
};

KeyPlaces key_places(const Command& command) {
  for (std::string_view none :
       {"AUTH",   "CLIENT",  "COMMAND",   "COMPACT",   "CONFIG",       "DBSIZE", "DISCARD",  "ECHO", "EPOCH",   "EXEC",
        "FLUSHDB", "FOLLOW", "GROUP",     "HELLO",     "INFO",         "KEYS",   "MIN-REPLICAS", "MULTI", "NSLIST",
        "PING",   "PROMOTE", "QUIT",      "RANDOMKEY", "REPLICAOF",    "REPLICATE", "RESET", "ROLE", "SCAN", "SELECT",
        "SNAPSHOT", "TIME",  "UNWATCH",   "VERIFY"}) {
    if (command.name == none) return {};
  }
  for (std::string_view pairs : {"MSET", "MSETNX"}) {
    if (command.name == pairs) return {1, -1, 2};
  }
  for (std::string_view many : {"DEL", "EXISTS", "MGET", "TOUCH", "UNLINK", "WATCH"}) {
    if (command.name == many) return {1, -1, 1};
  }
  return {1, 1, 1};
}

void describe(Call& call, const Command& command) {
  KeyPlaces keys = key_places(command);
  call.reply.array(6);
  call.reply.bulk(lower_case(command.name));
  call.reply.integer(command.arity);
  call.reply.array(1);
  call.reply.simple((command.flags & kWrite) != 0 ? "write" : "readonly");
  call.reply.integer(keys.first);
  call.reply.integer(keys.last);
  call.reply.integer(keys.step);
}

void describe_all(Call& call) {
  call.reply.array(redis_commands().size());
  for (const Command& command : redis_commands()) describe(call, command);
}

std::string_view fsync_word(Durability durability) {
  switch (durability) {
    case Durability::Always: return "always";
    case Durability::Interval: return "everysec";
    case Durability::None: return "no";
  }
  return "no";
}

std::string line(std::string_view name, uint64_t value) {
  return std::string(name) + ":" + std::to_string(value) + "\r\n";
}

std::string keyspace(Call& call) {
  std::string text = "# Keyspace\r\n";
  for (const std::string& name : call.state().names()) {
    SpacePtr space = call.state().find(name);
    if (space == nullptr) continue;
    Figures figures = space->store->figures();
    std::string shown = name == kDefaultNamespace ? "0" : name;
    if (figures.keys == 0) continue;
    text += "db" + shown + ":keys=" + std::to_string(figures.keys) + ",expires=" + std::to_string(figures.expiring) +
            ",avg_ttl=0\r\n";
  }
  return text;
}

void set_config(Call& call) {
  if (!call.session.is_admin())
    return call.reply.error("NOPERM this user has no permissions to run the 'config|set' command");
  if (call.count() != 4 || !equals_ignoring_case(call[2], "appendfsync"))
    return call.reply.error("ERR Unknown option or number of arguments for CONFIG SET - '" +
                            std::string(call[2].substr(0, 128)) + "' (offered: appendfsync)");
  std::optional<Durability> wanted;
  for (Durability durability : {Durability::Always, Durability::Interval, Durability::None}) {
    if (equals_ignoring_case(call[3], fsync_word(durability))) wanted = durability;
  }
  if (!wanted)
    return call.reply.error(
        "ERR CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one of the "
        "following: everysec, always, no");
  call.round.settle();
  Status changed = call.state().change(*call.space(), [&](Settings& settings) { settings.durability = *wanted; });
  if (!changed) return call.reply.error(error_text(call.session, changed.error()));
  call.reply.simple("OK");
}

std::string replication(Call& call) {
  std::string text;
  for (const auto& [name, value] : replication_facts(call.state(), *call.space())) text += name + ":" + value + "\r\n";
  return text;
}

}  // namespace

void run_command(Call& call) {
  if (call.count() == 1) return describe_all(call);
  if (equals_ignoring_case(call[1], "COUNT")) return call.reply.integer(static_cast<int64_t>(redis_commands().size()));
  if (equals_ignoring_case(call[1], "DOCS")) return call.reply.map(0);
  if (equals_ignoring_case(call[1], "LIST")) {
    call.reply.array(redis_commands().size());
    for (const Command& command : redis_commands()) call.reply.bulk(lower_case(command.name));
    return;
  }
  if (!equals_ignoring_case(call[1], "INFO"))
    return call.reply.error("ERR unknown subcommand '" + std::string(call[1].substr(0, 128)) + "'. Try COMMAND HELP.");
  if (call.count() == 2) return describe_all(call);
  call.reply.array(call.count() - 2);
  for (size_t i = 2; i < call.count(); i++) {
    if (const Command* command = find_redis_command(call[i]))
      describe(call, *command);
    else
      call.reply.null();  // not a null array: as Redis 7
  }
}

// CONFIG GET pattern...: what clients look at. CONFIG SET appendfsync: of the selected namespace.
void run_config(Call& call) {
  if (equals_ignoring_case(call[1], "SET") && call.count() > 2) return set_config(call);
  if (!equals_ignoring_case(call[1], "GET") || call.count() < 3)
    return call.reply.error("ERR only CONFIG GET and CONFIG SET are offered");
  const std::pair<std::string_view, std::string_view> kSettings[] = {
      {"appendfsync", fsync_word(call.space()->durability)},
      {"appendonly", "yes"},
      {"databases", "16"},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"proto-max-bulk-len", "8388608"},
      {"save", ""},
      {"timeout", "0"}};
  std::vector<std::pair<std::string_view, std::string_view>> found;
  for (const auto& setting : kSettings) {
    for (size_t i = 2; i < call.count(); i++) {
      if (!matches(lower_case(call[i]), setting.first)) continue;
      found.push_back(setting);
      break;
    }
  }
  call.reply.map(found.size());
  for (const auto& [name, value] : found) {
    call.reply.bulk(name);
    call.reply.bulk(value);
  }
}

// INFO [section]: one text whatever the section, but for `metrics`: what /metrics says.
void run_info(Call& call) {
  ServerState& state = call.state();
  if (call.count() == 2 && equals_ignoring_case(call[1], "metrics")) return call.reply.text(metrics_text(state));
  const Counters counters = state.counters();
  Figures figures = call.store().figures();
  std::string text =
      "# Server\r\nredis_version:7.0.0\r\nmcloud_version:" + std::string(kServerVersion) +
      "\r\nredis_mode:standalone\r\n" +
      line("uptime_in_seconds", (state.clock().wall_ms() - state.started_ms()) / 1000) + "\r\n# Clients\r\n" +
      line("connected_clients", counters.connections) + "\r\n# Memory\r\n" +
      line("used_memory_buffers", static_cast<uint64_t>(std::max<int64_t>(state.memory(), 0))) +
      line("used_memory_index", figures.index_bytes) + "\r\n# Persistence\r\nloading:0\r\naof_enabled:1\r\n" +
      line("log_bytes", figures.log_bytes) + line("live_bytes", figures.live_bytes) +
      line("corrupt_records", figures.corrupt_records) +
      (figures.failure.empty() ? "aof_last_write_status:ok\r\n" : "aof_last_write_status:err\r\n") + "\r\n# Stats\r\n" +
      line("total_connections_received", counters.connections_ever) +
      line("total_commands_processed", counters.commands) + line("total_net_input_bytes", counters.bytes_in) +
      line("total_net_output_bytes", counters.bytes_out) + line("rejected_connections", counters.refused) +
      line("total_error_replies", counters.failed) + line("expired_keys", figures.expired_keys) +
      "\r\n# Replication\r\n" + replication(call) +
      line("epoch", figures.epoch) + line("next_sequence", figures.next_sequence) + "\r\n" + keyspace(call);
  call.reply.text(text);
}

void run_time(Call& call) {
  uint64_t now_ms = call.state().clock().wall_ms();
  call.reply.array(2);
  call.reply.bulk(std::to_string(now_ms / 1000));
  call.reply.bulk(std::to_string(now_ms % 1000 * 1000));
}

}  // namespace mcloud::kv::redis
