// Inside the Redis dialect: its handlers and what they share. Replies and errors are those of Redis 7 where the command
// is Redis's.
#pragma once

#include "kv/commands.h"
#include "kv/redis_expiry.h"

namespace mcloud::kv::redis {

// Redis's patterns: * ? [a-z] [^x] and \ before any of them. Time is at most the product of the sizes.
bool matches(std::string_view pattern, std::string_view text);

std::string lower_case(std::string_view text);

// As Redis reads numbers: in one way only, so no plus, no blank, no zero in front, no "-0".
std::optional<int64_t> parse_strict_integer(std::string_view text);

// Writer::put with what Redis clients must know about a namespace's mode. False: the error is said.
bool put(Call& call, Writer& writer, std::string_view key, std::string_view value, const Timing& timing = {});
// The newest version through the writer. False: the error is said.
bool find(Call& call, Writer& writer, std::string_view key, std::optional<Entry>& entry);

void run_get(Call& call);  // redis_strings.cc
void run_set(Call& call);
void run_setnx(Call& call);
void run_getset(Call& call);
void run_getdel(Call& call);
void run_mget(Call& call);
void run_mset(Call& call);
void run_msetnx(Call& call);
void run_strlen(Call& call);
void run_getrange(Call& call);
void run_append(Call& call);
void run_incr(Call& call);
void run_decr(Call& call);
void run_incrby(Call& call);
void run_decrby(Call& call);

void run_del(Call& call);  // redis_keys.cc
void run_exists(Call& call);
void run_type(Call& call);
void run_scan(Call& call);
void run_keys(Call& call);
void run_randomkey(Call& call);
void run_dbsize(Call& call);
void run_flushdb(Call& call);
void run_history(Call& call);

void run_expire(Call& call);  // redis_expiry.cc
void run_pexpire(Call& call);
void run_expireat(Call& call);
void run_pexpireat(Call& call);
void run_ttl(Call& call);
void run_pttl(Call& call);
void run_expiretime(Call& call);
void run_pexpiretime(Call& call);
void run_persist(Call& call);
void run_setex(Call& call);
void run_psetex(Call& call);
void run_getex(Call& call);

void run_ping(Call& call);  // redis_connection.cc
void run_echo(Call& call);
void run_hello(Call& call);
void run_auth(Call& call);
void run_select(Call& call);
void run_quit(Call& call);
void run_reset(Call& call);
void run_client(Call& call);

void run_command(Call& call);  // redis_server.cc
void run_config(Call& call);
void run_info(Call& call);
void run_time(Call& call);

void run_multi(Call& call);  // redis_transaction.cc
void run_exec(Call& call);
void run_discard(Call& call);
void run_watch(Call& call);
void run_unwatch(Call& call);
// Inside MULTI: keeps the request for EXEC.
void queue(const Command& command, Call& call);
void end_transaction(Call& call);

}  // namespace mcloud::kv::redis
