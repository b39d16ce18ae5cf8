// The server itself in the 0-db dialect: PING, AUTH, INFO, WAIT, MIRROR and what belongs to 0-db's own files.
#include <cstdio>

#include "crypto/sha1.h"
#include "kv/log/crc32c.h"
#include "kv/replication/info.h"
#include "kv/session.h"
#include "kv/zdb_commands.h"

namespace mcloud::kv::zdb {
namespace {

constexpr size_t kPasswordBytesMax = 128;
constexpr uint64_t kWaitDefaultMs = 5000, kWaitLeastMs = 100, kWaitMostMs = 30 * 60 * 1000;

bool is_prefix(std::string_view word, std::string_view name) {
  return word.size() <= name.size() && equals_ignoring_case(word, name.substr(0, word.size()));
}

void challenge(Call& call) {
  std::string& nonce = call.session.memory_of_commands.nonce;
  nonce = to_hex(call.state().random().bytes(8));
  call.reply.simple(nonce);
}

void answer_password(Call& call, bool is_right) {
  if (!is_right) return call.reply.error("Access denied");
  call.session.make_admin();
  call.reply.simple("OK");
}

void auth_secure(Call& call) {
  if (!has_arguments(call, 3)) return;
  if (!is_prefix(call[1], "SECURE")) return call.reply.error("Only SECURE extra method supported");
  if (is_prefix(call[2], "CHALLENGE")) return challenge(call);
  const std::string& password = call.state().options().admin_password;
  if (password.empty()) return call.reply.error("Authentication disabled");
  std::string& nonce = call.session.memory_of_commands.nonce;
  if (nonce.empty()) return call.reply.error("No CHALLENGE requested, secure authentication not available");
  if (call[2].size() != 40) return call.reply.error("Invalid hash length");
  std::string expected = to_hex(crypto::sha1(nonce + ":" + password));
  nonce.clear();  // once
  answer_password(call, equal_constant_time(call[2], expected));
}

// 0-db's CRC-32C begins with 0 and is not inverted at the end.
uint32_t zdb_check_of(BytesView bytes) { return ~crc32c(bytes, ~uint32_t{0}); }

void add_traffic(std::string& text, const char* name, uint64_t bytes) {
  text += std::string(name) + "_bytes: " + std::to_string(bytes) + "\n";
  char mega[64];
  std::snprintf(mega, sizeof mega, "%s_mb: %.2f\n", name, static_cast<double>(bytes) / (1024 * 1024));
  text += mega;
}

}  // namespace

void run_asterisk(Call& call) { call.reply.error("This is not a valid command"); }

// WAIT command|* [milliseconds]: until another client of this namespace runs the command.
void run_wait(Call& call) {
  if (call.count() != 2 && call.count() != 3) return call.reply.error("Invalid arguments");
  const Command* command = find_zdb_command(call[1]);
  if (command == nullptr) return call.reply.error("Unknown command to watch");
  uint64_t timeout_ms = kWaitDefaultMs;
  if (call.count() == 3) {
    timeout_ms = static_cast<uint64_t>(parse_integer(call[2]).value_or(0));
    if (call[2].size() > 16 || timeout_ms < kWaitLeastMs || timeout_ms > kWaitMostMs)
      return call.reply.error("Invalid timeout");
  }
  Listener listener;
  listener.ticket = call.session.wait_for_delivery(timeout_ms, "Timeout");
  listener.space = call.space().get();
  listener.command = command->name == "*" ? nullptr : command;
  call.session.listen(listener);
}

void run_mirror(Call& call) {
  call.reply.simple("Starting mirroring");
  Listener listener;
  listener.ticket = kMirrorTicket;
  listener.is_mirror = true;
  call.session.become_mirror();
  call.session.listen(listener);
}

void run_master(Call& call) {
  call.session.memory_of_commands.is_master = true;
  call.reply.simple("Hello, master");
}

void run_ping(Call& call) { call.reply.simple("PONG"); }

void run_time(Call& call) {
  uint64_t now_ms = call.state().clock().wall_ms();
  call.reply.array(2);
  call.reply.bulk(std::to_string(now_ms / 1000));
  call.reply.bulk(std::to_string(now_ms % 1000 * 1000));
}

void run_auth(Call& call) {
  if (call.count() == 3) return auth_secure(call);
  if (call.count() != 2) return call.reply.error("Unexpected arguments");
  const std::string& password = call.state().options().admin_password;
  if (password.empty()) return call.reply.error("Authentication disabled");
  if (!has_arguments(call, 2)) return;
  if (call[1].size() > kPasswordBytesMax) return call.reply.error("Password too long");
  answer_password(call, equal_constant_time(call[1], password));
}

// Hooks belong to 0-db's files; none run here.
void run_hooks(Call& call) { call.reply.array(0); }

// Nothing of ours is changed in place, so no index file is ever dirty.
void run_index(Call& call) {
  if (call.count() < 2) return call.reply.error("Missing arguments");
  if (!equals_ignoring_case(call[1], "DIRTY")) return call.reply.error("Unknown INDEX subcommand");
  if (call.count() == 2) return call.reply.array(0);
  if (call.count() == 3 && equals_ignoring_case(call[2], "RESET")) return call.reply.simple("OK");
  call.reply.error("Unknown INDEX DIRTY subcommand");
}

// DATA RAW file offset: our log is one file without end, number 0; its offsets are positions.
void run_data(Call& call) {
  if (call.count() < 2) return call.reply.error("Missing arguments");
  if (!equals_ignoring_case(call[1], "RAW")) return call.reply.error("Unknown DATA subcommand");
  if (!has_arguments(call, 4)) return;
  auto file = parse_integer(call[2]), offset = parse_integer(call[3]);
  if (!file || !offset || *file != 0 || *offset < 0) return call.reply.error("Invalid Request");
  call.round.settle();
  auto position = static_cast<Position>(*offset);
  if (position >= call.store().figures().end) return call.reply.error("EOF");
  auto entry = call.store().at(position);
  if (!entry) {
    bool is_ours = entry.error().code == Code::Unavailable;
    return call.reply.error(is_ours ? "Unexpected Internal Error" : "Invalid Request");
  }
  char check[16];
  std::snprintf(check, sizeof check, "0x%08x", zdb_check_of(entry->value));
  call.reply.array(6);
  call.reply.bulk(entry->key);
  call.reply.integer(static_cast<int64_t>(entry->previous.value_or(0)));
  call.reply.bulk(check);
  call.reply.integer(entry->is_deletion ? 1 : 0);
  call.reply.integer(static_cast<int64_t>(entry->time_ms / 1000));
  if (entry->is_deletion)
    call.reply.null();
  else
    call.reply.bulk(entry->value);
}

void run_info(Call& call) {
  ServerState& state = call.state();
  const Counters counters = state.counters();
  uint64_t now_ms = state.clock().wall_ms();
  auto line = [](const char* name, uint64_t value) { return std::string(name) + ": " + std::to_string(value) + "\n"; };
  std::string text = "# server\nserver_name: 0-db (zdb)\nserver_revision: mcloud-" + std::string(kServerVersion) + "\n";
  text += line("instance_id", state.started_ms() & 0xffffffff) + line("boot_time", state.started_ms() / 1000) +
          line("uptime", (now_ms - state.started_ms()) / 1000);
  text += "\n# clients\n" + line("clients_lifetime", counters.connections_ever);
  text += "\n# internals\nsequential_key_size: 8\ndata_version: 3\nindex_version: 4\n";
  text += "\n# stats\n" + line("commands_executed", counters.commands) + line("commands_failed", counters.failed) +
          line("commands_unauthorized", counters.unauthorized);
  for (const char* name :
       {"index_disk_read_failed", "index_disk_write_failed", "data_disk_read_failed", "data_disk_write_failed"})
    text += line(name, 0);
  for (const char* name : {"index_disk_read", "index_disk_write", "data_disk_read", "data_disk_write"})
    add_traffic(text, name, 0);
  add_traffic(text, "network_rx", counters.bytes_in);
  add_traffic(text, "network_tx", counters.bytes_out);
  text += "\n# replication\n";
  for (const auto& [name, value] : replication_facts(state, *call.space())) text += name + ": " + value + "\n";
  call.reply.bulk(text);
}

void run_stop(Call& call) { call.reply.error("Unauthorized"); }

}  // namespace mcloud::kv::zdb
