// The 0-db dialect's commands: their contract is one line each. The order is 0-db's, because a name may be shortened to
// any prefix and the first that fits is meant. Ours come last and whole, so that they take no prefix away.
#include "kv/zdb_commands.h"

#include "kv/session.h"

namespace mcloud::kv {
namespace {

// name, count of words (negative: at least; 0: the handler looks), flags, handler
constexpr Command kCommands[] = {
    {"*", 0, 0, zdb::run_asterisk},
    {"WAIT", 0, 0, zdb::run_wait},
    {"MIRROR", 0, kAdmin, zdb::run_mirror},
    {"MASTER", 0, kAdmin, zdb::run_master},
    {"PING", 0, kRead, zdb::run_ping},
    {"TIME", 0, kRead, zdb::run_time},
    {"AUTH", 0, 0, zdb::run_auth},
    {"HOOKS", 0, kAdmin, zdb::run_hooks},
    {"INDEX", 0, kAdmin, zdb::run_index},
    {"DATA", 0, kAdmin, zdb::run_data},
    {"SET", 0, kWrite, zdb::run_set},
    {"SETX", 0, kWrite, zdb::run_set},
    {"GET", 2, kRead, zdb::run_get},
    {"MGET", 0, kRead, zdb::run_mget},
    {"DEL", 0, kWrite, zdb::run_del},
    {"EXISTS", 2, kRead, zdb::run_exists},
    {"CHECK", 2, kRead, zdb::run_check},
    {"SCAN", 0, kRead | kHeavy, zdb::run_scan},
    {"SCANX", 0, kRead | kHeavy, zdb::run_scan},
    {"RSCAN", 0, kRead | kHeavy, zdb::run_rscan},
    {"KSCAN", 0, kRead, zdb::run_kscan},
    {"HISTORY", 0, kRead, zdb::run_history},
    {"KEYCUR", 2, kRead, zdb::run_keycur},
    {"LENGTH", 2, kRead, zdb::run_length},
    {"KEYTIME", 2, kRead, zdb::run_keytime},
    {"INFO", 0, kRead, zdb::run_info},
    {"STOP", 0, 0, zdb::run_stop},
    {"DBSIZE", 0, kRead, zdb::run_dbsize},
    {"NSNEW", 2, kAdmin | kLead, zdb::run_nsnew},
    {"NSDEL", 2, kAdmin | kLead, zdb::run_nsdel},
    {"NSLIST", 0, kRead, zdb::run_nslist},
    {"NSSET", 4, kAdmin | kLead, zdb::run_nsset},
    {"NSINFO", 2, kRead, zdb::run_nsinfo},
    {"NSJUMP", 0, kAdmin, zdb::run_nsjump},
    {"SELECT", 0, 0, zdb::run_select},
    {"RELOAD", 2, kAdmin, zdb::run_reload},
    {"FLUSH", 0, kLead, zdb::run_flush},
    {"EPOCH", 0, kWhole, run_epoch},
    {"COMPACT", 1, kWhole | kAdmin | kLead, run_compact},
    {"VERIFY", 1, kWhole | kAdmin, run_verify},
    {"REPLICATE", 0, kWhole | kAdmin, run_replicate},
    {"FOLLOW", 0, kWhole | kAdmin, run_follow},
    {"PROMOTE", 0, kWhole | kAdmin, run_promote},
    {"MIN-REPLICAS", 2, kWhole | kAdmin, run_min_replicas},
    {"SNAPSHOT", 1, kWhole | kAdmin, run_snapshot},
    {"ROLE", 1, kWhole, run_role},
    {"GROUP", 0, kWhole | kAdmin, run_group},
};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

// strncasecmp(received, name, received's length) == 0: an empty name fits everything.
bool is_prefix(std::string_view received, std::string_view name) {
  if (received.size() > name.size()) return false;
  for (size_t i = 0; i < received.size(); i++) {
    if (upper(received[i]) != name[i]) return false;
  }
  return true;
}

// A master's last word is whose command it repeats.
Arguments without_owner(Session::Memory& memory, const Arguments& arguments) {
  memory.owner = 0;
  if (auto owner = parse_integer(arguments.back())) memory.owner = static_cast<uint64_t>(*owner);
  return Arguments(arguments.begin(), arguments.end() - 1);
}

void tell(const Command& command, Call& call) {
  Session& session = call.session;
  Hub::Heard heard;
  heard.mailbox = &session.mailbox();
  heard.session = session.identity().id;
  heard.space = call.space().get();
  heard.space_name = call.space()->store->name();
  heard.command = &command;
  heard.command_name = command.name;
  heard.arguments = &call.arguments;
  heard.owner = session.memory_of_commands.is_master ? session.memory_of_commands.owner : session.identity().client;
  heard.time_s = call.state().clock().wall_ms() / 1000;
  call.state().hub().tell(heard);
}

void run(const Command& command, Call& call) {
  if ((command.flags & kAdmin) != 0 && !call.session.is_admin()) {
    call.session.tallies().unauthorized.add();
    return call.reply.error("Permission denied");
  }
  if (refuse_stranger(command.name, call)) return;
  if (command.arity != 0 && !zdb::has_arguments(call, static_cast<size_t>(command.arity))) return;
  if ((command.flags & kLead) != 0 && refuse_unless_leading(call)) return;
  if (refuse_while_loading(command, call)) return;
  // Before it runs: who waits for it is told in any case, and a command may end this session's namespace.
  if (call.state().hub().is_heard()) tell(command, call);
  command.handler(call);
}

}  // namespace

std::span<const Command> zdb_commands() { return kCommands; }

const Command* find_zdb_command(std::string_view name) {
  for (const Command& command : kCommands) {
    bool is_whole = command.name.size() == name.size();
    if (is_prefix(name, command.name) && (is_whole || (command.flags & kWhole) == 0)) return &command;
  }
  return nullptr;
}

void run_zdb_command(const Command& command, Call& call) {
  Session::Memory& memory = call.session.memory_of_commands;
  if (!memory.is_master || call.count() == 1) return run(command, call);
  Arguments arguments = without_owner(memory, call.arguments);
  Call shorter{call.session, call.round, arguments, call.reply};
  run(command, shorter);
}

namespace zdb {

bool has_arguments(Call& call, size_t count) {
  if (call.count() != count) {
    call.reply.error("Unexpected arguments");
    return false;
  }
  for (std::string_view argument : call.arguments) {
    if (!argument.empty()) continue;
    call.reply.error("Invalid argument");
    return false;
  }
  return true;
}

bool is_frozen(Call& call) {
  if (!call.space()->is_frozen) return false;
  call.reply.error("Namespace is temporarily frozen (read-write disabled)");
  return true;
}

bool is_valid_key(Call& call, std::string_view key) {
  if (key.size() <= kKeyBytesMax) return true;
  call.reply.error("Invalid key");
  return false;
}

}  // namespace zdb
}  // namespace mcloud::kv
