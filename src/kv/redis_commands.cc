// The Redis dialect's commands: their contract is one line each.
#include "kv/redis_commands.h"

#include <algorithm>
#include <array>

#include "kv/session.h"
#include "kv/zdb_commands.h"

namespace mcloud::kv {
namespace {

using namespace redis;

// name, count of words with the name (negative: at least), flags, handler. Sorted by name.
constexpr Command kCommands[] = {
    {"APPEND", 3, kWrite, redis::run_append},
    {"AUTH", -2, kAlone, redis::run_auth},
    {"CLIENT", -2, 0, redis::run_client},
    {"COMMAND", -1, kRead, redis::run_command},
    {"COMPACT", 1, kAlone | kLead, kv::run_compact},
    {"CONFIG", -2, kRead | kAlone, redis::run_config},
    {"DBSIZE", 1, kRead | kAlone, redis::run_dbsize},
    {"DECR", 2, kWrite, redis::run_decr},
    {"DECRBY", 3, kWrite, redis::run_decrby},
    {"DEL", -2, kWrite, redis::run_del},
    {"DISCARD", 1, kUnqueued, redis::run_discard},
    {"ECHO", 2, kRead, redis::run_echo},
    {"EPOCH", -1, kAlone, kv::run_epoch},
    {"EXEC", 1, kUnqueued, redis::run_exec},
    {"EXISTS", -2, kRead, redis::run_exists},
    {"EXPIRE", -3, kWrite, redis::run_expire},
    {"EXPIREAT", -3, kWrite, redis::run_expireat},
    {"EXPIRETIME", 2, kRead, redis::run_expiretime},
    {"FLUSHDB", -1, kAlone | kLead, redis::run_flushdb},
    {"FOLLOW", -3, kAlone, kv::run_follow},
    {"GET", -2, kRead, redis::run_get},
    {"GETDEL", 2, kWrite, redis::run_getdel},
    {"GETEX", -2, kWrite, redis::run_getex},
    {"GETRANGE", 4, kRead, redis::run_getrange},
    {"GETSET", 3, kWrite, redis::run_getset},
    {"GROUP", -2, kAlone, kv::run_group},
    {"HELLO", -1, kAlone, redis::run_hello},
    {"HISTORY", -2, kRead | kAlone, redis::run_history},
    {"INCR", 2, kWrite, redis::run_incr},
    {"INCRBY", 3, kWrite, redis::run_incrby},
    {"INFO", -1, kRead, redis::run_info},
    {"KEYS", 2, kAlone, redis::run_keys},
    {"MGET", -2, kRead, redis::run_mget},
    {"MIN-REPLICAS", 2, kAlone, kv::run_min_replicas},
    {"MSET", -3, kWrite, redis::run_mset},
    {"MSETNX", -3, kWrite, redis::run_msetnx},
    {"MULTI", 1, kUnqueued, redis::run_multi},
    {"NSLIST", 1, kAlone, zdb::run_nslist},
    {"PERSIST", 2, kWrite, redis::run_persist},
    {"PEXPIRE", -3, kWrite, redis::run_pexpire},
    {"PEXPIREAT", -3, kWrite, redis::run_pexpireat},
    {"PEXPIRETIME", 2, kRead, redis::run_pexpiretime},
    {"PING", -1, kRead, redis::run_ping},
    {"PROMOTE", -1, kAlone, kv::run_promote},
    {"PSETEX", 4, kWrite, redis::run_psetex},
    {"PTTL", 2, kRead, redis::run_pttl},
    {"QUIT", -1, kUnqueued, redis::run_quit},
    {"RANDOMKEY", 1, kRead | kAlone, redis::run_randomkey},
    {"REPLICAOF", 3, kAlone, kv::run_replicaof},
    {"REPLICATE", -1, kAlone, kv::run_replicate},
    {"RESET", 1, kUnqueued, redis::run_reset},
    {"ROLE", 1, kAlone, kv::run_role},
    {"SCAN", -2, kRead | kHeavy | kAlone, redis::run_scan},
    {"SELECT", -2, kAlone, redis::run_select},
    {"SET", -3, kWrite, redis::run_set},
    {"SETEX", 4, kWrite, redis::run_setex},
    {"SETNX", 3, kWrite, redis::run_setnx},
    {"SNAPSHOT", 1, kAlone, kv::run_snapshot},
    {"STRLEN", 2, kRead, redis::run_strlen},
    {"SUBSTR", 4, kRead, redis::run_getrange},
    {"TIME", 1, kRead, redis::run_time},
    {"TOUCH", -2, kRead, redis::run_exists},
    {"TTL", 2, kRead, redis::run_ttl},
    {"TYPE", 2, kRead, redis::run_type},
    {"UNLINK", -2, kWrite, redis::run_del},
    {"UNWATCH", 1, 0, redis::run_unwatch},
    {"VERIFY", 1, kAlone, kv::run_verify},
    {"WATCH", -2, kUnqueued, redis::run_watch},
};
static_assert(std::ranges::is_sorted(kCommands, {}, &Command::name));

constexpr size_t kCommandBytesMax = 16;

// As Redis 7 says it: 128 bytes of the name, and of what follows until that is 128 bytes.
void answer_unknown(Call& call) {
  constexpr size_t kShown = 128;
  std::string words;
  for (size_t i = 1; i < call.count() && words.size() < kShown; i++)
    words += "'" + std::string(call[i].substr(0, kShown - words.size())) + "' ";
  call.reply.error("ERR unknown command '" + std::string(call[0].substr(0, kShown)) +
                   "', with args beginning with: " + words);
}

void refuse(Call& call, std::string_view text) {
  if (call.session.memory_of_commands.is_in_transaction) call.session.memory_of_commands.is_transaction_refused = true;
  call.reply.error(text);
}

}  // namespace

std::span<const Command> redis_commands() { return kCommands; }

const Command* find_redis_command(std::string_view name) {
  if (name.size() > kCommandBytesMax) return nullptr;
  std::array<char, kCommandBytesMax> upper;
  for (size_t i = 0; i < name.size(); i++)
    upper[i] = name[i] >= 'a' && name[i] <= 'z' ? static_cast<char>(name[i] - 32) : name[i];
  std::string_view wanted(upper.data(), name.size());
  auto found = std::ranges::lower_bound(kCommands, wanted, {}, &Command::name);
  return found != std::end(kCommands) && found->name == wanted ? &*found : nullptr;
}

void run_redis_command(const Command* command, Call& call) {
  if (command == nullptr) {
    answer_unknown(call);
    call.session.memory_of_commands.is_transaction_refused |= call.session.memory_of_commands.is_in_transaction;
    return;
  }
  auto count = static_cast<int>(call.count());
  if (command->arity >= 0 ? count != command->arity : count < -command->arity)
    return refuse(call, "ERR wrong number of arguments for '" + lower_case(command->name) + "' command");
  if (refuse_stranger(command->name, call)) return;
  if (call.session.memory_of_commands.is_in_transaction && (command->flags & kUnqueued) == 0)
    return queue(*command, call);
  if (call.space()->is_gone && command->handler != redis::run_select)
    return call.reply.error("ERR the namespace has been removed: SELECT another one");
  if (call.space()->is_frozen && (command->flags & kRead) != 0)
    return call.reply.error("ERR namespace is temporarily frozen (read-write disabled)");
  if ((command->flags & kLead) != 0 && refuse_unless_leading(call)) return;
  if (refuse_while_loading(*command, call)) return;
  command->handler(call);
}

namespace redis {

std::optional<int64_t> parse_strict_integer(std::string_view text) {
  auto number = parse_integer(text);
  return number && std::to_string(*number) == text ? number : std::nullopt;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  // One place of the pattern that is no star against one byte; the size of the place, 0 when it does not fit.
  auto fits = [&](char c) -> size_t {
    if (pattern[p] == '?') return 1;
    if (pattern[p] == '\\' && p + 1 < pattern.size()) return pattern[p + 1] == c ? 2 : 0;
    if (pattern[p] != '[') return pattern[p] == c ? 1 : 0;
    size_t i = p + 1;
    bool is_negated = i < pattern.size() && pattern[i] == '^', is_in = false;
    if (is_negated) i++;
    for (; i < pattern.size() && pattern[i] != ']'; i++) {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) i++;
      char low = pattern[i], high = low;
      if (i + 2 < pattern.size() && pattern[i + 1] == '-') high = pattern[i += 2];
      auto is_between = [](unsigned char a, unsigned char x, unsigned char b) { return a <= x && x <= b; };
      is_in |= is_between(static_cast<unsigned char>(std::min(low, high)), static_cast<unsigned char>(c),
                          static_cast<unsigned char>(std::max(low, high)));
    }
    return is_in != is_negated ? std::min(i + 1, pattern.size()) - p : 0;
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    size_t size = p < pattern.size() ? fits(text[t]) : 0;
    if (size > 0) {
      p += size;
      t++;
    } else if (star != std::string_view::npos) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

}  // namespace redis
}  // namespace mcloud::kv
