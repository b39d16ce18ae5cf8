// Values in the Redis dialect.
#include <algorithm>
#include <limits>

#include "kv/redis_commands.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

void reply_old(Call& call, const std::optional<Entry>& entry) {
  if (entry)
    call.reply.bulk(entry->value);
  else
    call.reply.null();
}

struct SetOptions {
  bool only_new = false, only_existing = false, wants_old = false;
  Lifetime lifetime;
};

std::string_view parse_set(Call& call, SetOptions& options) {
  for (size_t i = 3; i < call.count(); i++) {
    if (equals_ignoring_case(call[i], "NX"))
      options.only_new = true;
    else if (equals_ignoring_case(call[i], "XX"))
      options.only_existing = true;
    else if (equals_ignoring_case(call[i], "GET"))
      options.wants_old = true;
    else if (!take_lifetime(call, i, "KEEPTTL", options.lifetime))
      return kSyntaxError;
  }
  return options.only_new && options.only_existing ? kSyntaxError : std::string_view();
}

void set_if(Call& call, Writer& writer, const SetOptions& options) {
  std::optional<Entry> old;
  Timing timing;
  if (options.lifetime.is_moment() && !(timing.expiry_ms = moment_of(call, options.lifetime))) return;
  if (!find(call, writer, call[1], old)) return;
  if (old ? options.only_new : options.only_existing) {
    if (old) call.round.confirms(old->position + 8);
    return options.wants_old ? reply_old(call, old) : call.reply.null();
  }
  if (old && options.lifetime.kind == Lifetime::Kind::Keep) timing.expiry_ms = old->expiry_ms;
  if (!put(call, writer, call[1], call[2], timing)) return;
  if (options.wants_old)
    reply_old(call, old);
  else
    call.reply.simple("OK");
}

// GET key AT milliseconds | GET key SEQUENCE n: the version that was the newest then.
void get_version(Call& call) {
  auto number = parse_strict_integer(call[3]);
  if (!number || *number < 0) return call.reply.error(kNotAnInteger);
  bool by_time = equals_ignoring_case(call[2], "AT");
  if (!by_time && !equals_ignoring_case(call[2], "SEQUENCE")) return call.reply.error(kSyntaxError);
  if (!call.session.memory_of_commands.is_in_transaction) call.round.settle();
  auto which = static_cast<uint64_t>(*number);
  auto entry = by_time ? call.store().find_at_time(call[1], which) : call.store().find_version(call[1], which);
  if (!entry) return call.reply.error(error_text(call.session, entry.error()));
  if (!*entry || (*entry)->is_deletion) return call.reply.null();
  call.reply.bulk((*entry)->value);
}

void add(Call& call, int64_t by) {
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  std::optional<Entry> old;
  if (!find(call, *writer, call[1], old)) return;
  std::optional<int64_t> number = old ? parse_strict_integer(old->value) : 0;
  if (!number) return call.reply.error(kNotAnInteger);
  int64_t sum = 0;
  if (__builtin_add_overflow(*number, by, &sum)) return call.reply.error("ERR increment or decrement would overflow");
  Timing timing;
  if (old) timing.expiry_ms = old->expiry_ms;
  if (put(call, *writer, call[1], std::to_string(sum), timing)) call.reply.integer(sum);
}

void mget(Call& call) {
  size_t begin = call.reply.bytes().size();
  call.reply.array(call.count() - 1);
  for (size_t i = 1; i < call.count(); i++) {
    if (call.reply.bytes().size() - begin > call.state().options().reply_bytes_max)
      call.reply.error("ERR the reply is too large: ask for fewer keys");
    else
      reply_value(call, call[i]);
  }
}

}  // namespace

bool find(Call& call, Writer& writer, std::string_view key, std::optional<Entry>& entry) {
  auto found = writer.find(key);
  if (!found) {
    call.reply.error(error_text(call.session, found.error()));
    return false;
  }
  entry = std::move(*found);
  return true;
}

bool put(Call& call, Writer& writer, std::string_view key, std::string_view value, const Timing& timing) {
  auto end = writer.put(key, value, timing);
  if (end) {
    call.round.wrote(key, *end, key.size() + value.size());
    call.session.tallies().writes.add();
    return true;
  }
  // FENCED is the writer's to say; here it is a write-once namespace.
  bool is_once = end.error().code == Code::Denied;
  call.reply.error(is_once ? "READONLY " + end.error().message : error_text(call.session, end.error()));
  return false;
}

void run_get(Call& call) {
  if (call.count() == 4) return get_version(call);
  if (call.count() != 2) return call.reply.error("ERR wrong number of arguments for 'get' command");
  reply_value(call, call[1]);
}

void run_set(Call& call) {
  SetOptions options;
  if (std::string_view error = parse_set(call, options); !error.empty()) return call.reply.error(error);
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  if (call.count() > 3) return set_if(call, *writer, options);
  if (put(call, *writer, call[1], call[2])) call.reply.bytes() += "+OK\r\n";
}

void run_setnx(Call& call) {
  Writer* writer = writer_or_error(call);
  std::optional<Entry> old;
  if (writer == nullptr || !find(call, *writer, call[1], old)) return;
  if (old) {
    call.round.confirms(old->position + 8);
    return call.reply.integer(0);
  }
  if (put(call, *writer, call[1], call[2])) call.reply.integer(1);
}

void run_getset(Call& call) {
  Writer* writer = writer_or_error(call);
  std::optional<Entry> old;
  if (writer == nullptr || !find(call, *writer, call[1], old)) return;
  if (put(call, *writer, call[1], call[2])) reply_old(call, old);
}

void run_getdel(Call& call) {
  Writer* writer = writer_or_error(call);
  std::optional<Entry> old;
  if (writer == nullptr || !find(call, *writer, call[1], old)) return;
  if (!old || remove_or_error(call, *writer, call[1])) reply_old(call, old);
}

void run_mget(Call& call) {
  read_together(call, [&] { mget(call); });
}

void run_mset(Call& call) {
  if (call.count() % 2 == 0) return call.reply.error("ERR wrong number of arguments for 'mset' command");
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  bool is_own = !call.session.memory_of_commands.is_in_transaction;
  if (is_own) writer->begin();
  bool is_done = true;
  for (size_t i = 1; is_done && i < call.count(); i += 2) is_done = put(call, *writer, call[i], call[i + 1]);
  if (is_own && is_done) {
    if (Status committed = writer->commit(); !committed)
      return call.reply.error(error_text(call.session, committed.error()));
  }
  if (is_done) return call.reply.simple("OK");
  // Nothing of it may stay; a flush drops what was not committed.
  if (is_own) call.round.settle();
}

void run_msetnx(Call& call) {
  if (call.count() % 2 == 0) return call.reply.error("ERR wrong number of arguments for 'msetnx' command");
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  for (size_t i = 1; i < call.count(); i += 2) {
    std::optional<Entry> old;
    if (!find(call, *writer, call[i], old)) return;
    if (!old) continue;
    call.round.confirms(old->position + 8);
    return call.reply.integer(0);
  }
  size_t begin = call.reply.bytes().size();
  run_mset(call);
  if (call.reply.bytes().size() <= begin || call.reply.bytes()[begin] != '+') return;
  call.reply.bytes().resize(begin);
  call.reply.integer(1);
}

void run_strlen(Call& call) {
  auto entry = newest(call, call[1]);
  if (!entry) return call.reply.error(error_text(call.session, entry.error()));
  call.reply.integer(*entry ? static_cast<int64_t>((*entry)->value.size()) : 0);
}

// Both ends are included; negative ones count from the end.
void run_getrange(Call& call) {
  auto first = parse_strict_integer(call[2]), last = parse_strict_integer(call[3]);
  if (!first || !last) return call.reply.error(kNotAnInteger);
  auto entry = newest(call, call[1]);
  if (!entry) return call.reply.error(error_text(call.session, entry.error()));
  if (!*entry) return call.reply.bulk("");
  auto size = static_cast<int64_t>((*entry)->value.size());
  if (*first < 0 && *last < 0 && *first > *last) return call.reply.bulk("");
  int64_t begin = std::max<int64_t>(*first < 0 ? std::max<int64_t>(*first, -size) + size : *first, 0);
  int64_t end = std::min<int64_t>(*last < 0 ? std::max<int64_t>(*last, -size - 1) + size : *last, size - 1);
  if (*last < 0) end = std::max<int64_t>(end, 0);  // as Redis: an end before the value's begin is its first byte
  if (size == 0 || begin > end) return call.reply.bulk("");
  call.reply.bulk(
      std::string_view((*entry)->value).substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin + 1)));
}

void run_append(Call& call) {
  Writer* writer = writer_or_error(call);
  std::optional<Entry> old;
  if (writer == nullptr || !find(call, *writer, call[1], old)) return;
  std::string value = old ? std::move(old->value) : std::string();
  value += call[2];
  Timing timing;
  if (old) timing.expiry_ms = old->expiry_ms;
  if (put(call, *writer, call[1], value, timing)) call.reply.integer(static_cast<int64_t>(value.size()));
}

void run_incr(Call& call) { add(call, 1); }
void run_decr(Call& call) { add(call, -1); }

void run_incrby(Call& call) {
  auto by = parse_strict_integer(call[2]);
  if (!by) return call.reply.error(kNotAnInteger);
  add(call, *by);
}

void run_decrby(Call& call) {
  auto by = parse_strict_integer(call[2]);
  if (!by) return call.reply.error(kNotAnInteger);
  if (*by == std::numeric_limits<int64_t>::min()) return call.reply.error("ERR decrement would overflow");
  add(call, -*by);
}

}  // namespace mcloud::kv::redis
