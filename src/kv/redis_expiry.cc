// Keys that expire, in the Redis dialect (Redis 7.0: expire.c and t_string.c).
#include "kv/redis_expiry.h"

#include <limits>

#include "kv/redis_commands.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

enum class Unit : int64_t { Milliseconds = 1, Seconds = 1000 };
enum class Base { Now, Epoch };

void say_bad_time(Call& call) {
  call.reply.error("ERR invalid expire time in '" + lower_case(call[0]) + "' command");
}

// The milliseconds that EXPIRE and its like say, which may lie in the past. nullopt: the error is said.
std::optional<int64_t> parse_when(Call& call, Unit unit, Base base) {
  auto number = parse_strict_integer(call[2]);
  if (!number) {
    call.reply.error(kNotAnInteger);
    return {};
  }
  auto factor = static_cast<int64_t>(unit);
  int64_t from = base == Base::Now ? static_cast<int64_t>(now_ms(call)) : 0;
  bool is_too_large = *number > kMost / factor || *number < kLeast / factor || *number * factor > kMost - from;
  if (!is_too_large) return *number * factor + from;
  say_bad_time(call);
  return {};
}

struct Conditions {
  bool only_without = false, only_with = false, only_later = false, only_sooner = false;  // NX XX GT LT

  // Without an expiry a key lives for ever.
  bool hold(const std::optional<uint64_t>& old, int64_t when) const {
    if (only_without && old) return false;
    if (only_with && !old) return false;
    if (only_later && (!old || when <= static_cast<int64_t>(*old))) return false;
    return !(only_sooner && old && when >= static_cast<int64_t>(*old));
  }
};

bool parse_conditions(Call& call, Conditions& conditions) {
  for (size_t i = 3; i < call.count(); i++) {
    if (equals_ignoring_case(call[i], "NX"))
      conditions.only_without = true;
    else if (equals_ignoring_case(call[i], "XX"))
      conditions.only_with = true;
    else if (equals_ignoring_case(call[i], "GT"))
      conditions.only_later = true;
    else if (equals_ignoring_case(call[i], "LT"))
      conditions.only_sooner = true;
    else
      return call.reply.error("ERR Unsupported option " + std::string(call[i].substr(0, 128))), false;
  }
  if (conditions.only_without && (conditions.only_with || conditions.only_later || conditions.only_sooner)) {
    call.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (!conditions.only_later || !conditions.only_sooner) return true;
  call.reply.error("ERR GT and LT options at the same time are not compatible");
  return false;
}

// A new version with the same value: nothing is overwritten here, and history shows when the expiry was given.
bool give_expiry(Call& call, Writer& writer, const Entry& entry, std::optional<uint64_t> expiry_ms) {
  return put(call, writer, entry.key, entry.value, {.expiry_ms = expiry_ms});
}

void expire(Call& call, Unit unit, Base base) {
  Conditions conditions;
  if (!parse_conditions(call, conditions)) return;
  auto when = parse_when(call, unit, base);
  if (!when) return;
  Writer* writer = writer_or_error(call);
  std::optional<Entry> entry;
  if (writer == nullptr || !find(call, *writer, call[1], entry)) return;
  if (!entry) return call.reply.integer(0);
  if (!conditions.hold(entry->expiry_ms, *when)) {
    call.round.confirms(entry->position + 8);
    return call.reply.integer(0);
  }
  bool is_over = *when <= static_cast<int64_t>(now_ms(call));
  bool is_done = is_over ? remove_or_error(call, *writer, call[1])
                         : give_expiry(call, *writer, *entry, static_cast<uint64_t>(*when));
  if (is_done) call.reply.integer(1);
}

// -2: no such key, -1: it lives for ever.
void tell_expiry(Call& call, Unit unit, Base base) {
  auto entry = newest_brief(call, call[1]);
  if (!entry) return call.reply.error(error_text(call.session, entry.error()));
  if (!*entry || !(*entry)->expiry_ms) return call.reply.integer(*entry ? -1 : -2);
  auto left = static_cast<int64_t>(*(*entry)->expiry_ms);
  if (base == Base::Now) left = std::max<int64_t>(left - static_cast<int64_t>(now_ms(call)), 0);
  if (unit == Unit::Seconds) left = left / 1000 + (left % 1000 >= 500 ? 1 : 0);
  call.reply.integer(left);
}

void set_for(Call& call, Lifetime::Kind kind) {
  auto expiry_ms = moment_of(call, {.kind = kind, .number = call[2]});
  if (!expiry_ms) return;
  Writer* writer = writer_or_error(call);
  if (writer != nullptr && put(call, *writer, call[1], call[3], {.expiry_ms = expiry_ms})) call.reply.simple("OK");
}

struct Word {
  std::string_view name;
  Lifetime::Kind kind;
};
constexpr Word kWords[] = {{"EX", Lifetime::Kind::Seconds},
                           {"PX", Lifetime::Kind::Milliseconds},
                           {"EXAT", Lifetime::Kind::AtSecond},
                           {"PXAT", Lifetime::Kind::AtMillisecond}};

}  // namespace

bool take_lifetime(const Call& call, size_t& i, std::string_view word, Lifetime& lifetime) {
  auto fits = [&](Lifetime::Kind kind) { return lifetime.kind == Lifetime::Kind::None || lifetime.kind == kind; };
  if (equals_ignoring_case(call[i], word)) {
    auto kind = word == "KEEPTTL" ? Lifetime::Kind::Keep : Lifetime::Kind::Persist;
    if (!fits(kind)) return false;
    lifetime.kind = kind;
    return true;
  }
  for (const Word& known : kWords) {
    if (!equals_ignoring_case(call[i], known.name)) continue;
    if (!fits(known.kind) || i + 1 == call.count()) return false;
    lifetime = {known.kind, call[++i]};
    return true;
  }
  return false;
}

uint64_t now_ms(Call& call) {
  Writer* writer = transaction_writer(call);
  return writer != nullptr ? writer->now_ms() : call.store().now_ms();
}

std::optional<uint64_t> moment_of(Call& call, const Lifetime& lifetime) {
  auto number = parse_strict_integer(lifetime.number);
  if (!number) {
    call.reply.error(kNotAnInteger);
    return {};
  }
  bool is_seconds = lifetime.kind == Lifetime::Kind::Seconds || lifetime.kind == Lifetime::Kind::AtSecond;
  int64_t factor = is_seconds ? 1000 : 1;
  int64_t from = lifetime.is_absolute() ? 0 : static_cast<int64_t>(now_ms(call));
  if (*number > 0 && *number <= kMost / factor && *number * factor <= kMost - from)
    return static_cast<uint64_t>(*number * factor + from);
  say_bad_time(call);
  return {};
}

void run_expire(Call& call) { expire(call, Unit::Seconds, Base::Now); }
void run_pexpire(Call& call) { expire(call, Unit::Milliseconds, Base::Now); }
void run_expireat(Call& call) { expire(call, Unit::Seconds, Base::Epoch); }
void run_pexpireat(Call& call) { expire(call, Unit::Milliseconds, Base::Epoch); }
void run_ttl(Call& call) { tell_expiry(call, Unit::Seconds, Base::Now); }
void run_pttl(Call& call) { tell_expiry(call, Unit::Milliseconds, Base::Now); }
void run_expiretime(Call& call) { tell_expiry(call, Unit::Seconds, Base::Epoch); }
void run_pexpiretime(Call& call) { tell_expiry(call, Unit::Milliseconds, Base::Epoch); }
void run_setex(Call& call) { set_for(call, Lifetime::Kind::Seconds); }
void run_psetex(Call& call) { set_for(call, Lifetime::Kind::Milliseconds); }

void run_persist(Call& call) {
  Writer* writer = writer_or_error(call);
  std::optional<Entry> entry;
  if (writer == nullptr || !find(call, *writer, call[1], entry)) return;
  if (!entry || !entry->expiry_ms) {
    if (entry) call.round.confirms(entry->position + 8);
    return call.reply.integer(0);
  }
  if (give_expiry(call, *writer, *entry, {})) call.reply.integer(1);
}

// GETEX key [EX n | PX n | EXAT n | PXAT n | PERSIST]
void run_getex(Call& call) {
  Lifetime lifetime;
  for (size_t i = 2; i < call.count(); i++) {
    if (!take_lifetime(call, i, "PERSIST", lifetime)) return call.reply.error(kSyntaxError);
  }
  if (lifetime.kind == Lifetime::Kind::None) return static_cast<void>(reply_value(call, call[1]));
  Writer* writer = writer_or_error(call);
  std::optional<Entry> entry;
  if (writer == nullptr || !find(call, *writer, call[1], entry)) return;
  if (!entry) return call.reply.null();
  std::optional<uint64_t> expiry_ms;
  if (lifetime.is_moment() && !(expiry_ms = moment_of(call, lifetime))) return;
  bool is_over = lifetime.is_absolute() && *expiry_ms <= now_ms(call);
  bool is_changed = lifetime.is_moment() || entry->expiry_ms;
  bool is_done = is_over ? remove_or_error(call, *writer, call[1])
                         : !is_changed || give_expiry(call, *writer, *entry, expiry_ms);
  if (is_done) call.reply.bulk(entry->value);
}

}  // namespace mcloud::kv::redis
