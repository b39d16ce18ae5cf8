// Commands as values: a command's whole contract is one line in its dialect's table (zdb_commands.cc,
// redis_commands.cc).
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "kv/server_state.h"
#include "kv/session_round.h"
#include "wire/resp.h"

namespace mcloud::kv {

class Session;
using Arguments = std::vector<std::string_view>;  // the command's name is the first

// One request being run.
struct Call {
  Session& session;
  Round& round;
  const Arguments& arguments;
  wire::RespWriter& reply;

  std::string_view operator[](size_t i) const { return arguments[i]; }
  size_t count() const { return arguments.size(); }
  ServerState& state() const;
  const SpacePtr& space() const;
  Namespace& store() const { return *space()->store; }
};

enum CommandFlags : uint32_t {
  kRead = 1,  // changes nothing: may be repeated
  kWrite = 2,
  kAdmin = 4,
  kHeavy = 8,      // takes long: others get their turn after it
  kWhole = 16,     // 0-db: the whole name only, no prefix
  kUnqueued = 32,  // Redis: runs at once inside MULTI
  kAlone = 64,     // Redis: not inside MULTI
  kNoAuth = 128,   // Redis: allowed before AUTH
  kLead = 256,     // only where the server leads
};

struct Command {
  std::string_view name;  // upper case
  int arity;              // with the name; negative: at least so many; 0: the handler looks
  uint32_t flags;
  void (*handler)(Call&);
};

std::span<const Command> zdb_commands();
const Command* find_zdb_command(std::string_view name);  // as 0-db: a prefix of any case, the first in the table
void run_zdb_command(const Command& command, Call& call);

// In a private server who is no administrator may only become one. True: it is refused.
bool refuse_stranger(std::string_view command, Call& call);

std::span<const Command> redis_commands();
const Command* find_redis_command(std::string_view name);
void run_redis_command(const Command* command, Call& call);  // nullptr: unknown

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::optional<int64_t> parse_integer(std::string_view text);  // all of it

// The newest value as a bulk string or null. False: there is none.
bool reply_value(Call& call, std::string_view key);
// The newest version, this round's writes included.
Result<std::optional<Entry>> newest(Call& call, std::string_view key);
Result<std::optional<Entry>> newest_brief(Call& call, std::string_view key);  // perhaps without its value
// Inside EXEC: the writer, for whom time stands still. Else nullptr.
Writer* transaction_writer(Call& call);
bool has_key(Call& call, std::string_view key);
// Runs `read`, which replies from several keys, so that all of it is true at one moment. It may be run again.
void read_together(Call& call, const std::function<void()>& read);
// The writer, or nullptr and the error is said.
Writer* writer_or_error(Call& call);
// Puts and removes through the round. False: the error is said.
bool put_or_error(Call& call, Writer& writer, std::string_view key, std::string_view value,
                  const Timing& timing = {});
bool remove_or_error(Call& call, Writer& writer, std::string_view key, std::optional<uint64_t> time_ms = {});
// An engine's error in the words of the session's dialect.
std::string error_text(Session& session, const Error& error);
std::string error_text(Dialect dialect, const Error& error);

// Ours, in both dialects: EPOCH [n], COMPACT, VERIFY.
void run_epoch(Call& call);
void run_compact(Call& call);
void run_verify(Call& call);

// Ours, in both dialects (replication/commands.cc).
void run_replicate(Call& call);
void run_follow(Call& call);
void run_replicaof(Call& call);
void run_promote(Call& call);
void run_min_replicas(Call& call);
void run_snapshot(Call& call);
void run_role(Call& call);
void run_group(Call& call);
// True: the error is said.
bool refuse_unless_leading(Call& call);
bool refuse_while_loading(const Command& command, Call& call);

}  // namespace mcloud::kv
