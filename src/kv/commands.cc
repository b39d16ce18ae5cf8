#include "kv/commands.h"

#include <charconv>

#include "kv/session.h"

namespace mcloud::kv {
namespace {

constexpr size_t kBulkFrameBytes = 64;  // more than stands around a value in a reply

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

struct Refusal {
  std::string_view zdb, redis;
};
constexpr Refusal kReadOnly = {
    "Namespace is in read-only mode",
    "READONLY You can't write: the namespace is public to read, give its password to SELECT"};
constexpr Refusal kNoPassword = {"Namespace is in read-only mode", "NOAUTH Authentication required."};
constexpr Refusal kFrozen = {"Namespace is temporarily frozen (read-write disabled)",
                             "ERR namespace is temporarily frozen (read-write disabled)"};
constexpr Refusal kLocked = {"Namespace is temporarily locked (read-only)",
                             "READONLY namespace is temporarily locked (read-only)"};

bool refuse(Call& call, const Refusal& refusal) {
  call.reply.error(call.session.dialect() == Dialect::Zdb ? refusal.zdb : refusal.redis);
  return false;
}

bool may_write(Call& call) {
  if (refuse_unless_leading(call)) return false;
  if (!call.session.is_writable()) {
    bool is_anonymous = !call.session.is_admin() && call.store().name() == kDefaultNamespace;
    return refuse(call, is_anonymous ? kNoPassword : kReadOnly);
  }
  if (call.space()->is_frozen) return refuse(call, kFrozen);
  if (call.space()->is_locked) return refuse(call, kLocked);
  return true;
}

Bytes one_error(Dialect dialect, const Error& error) {
  Bytes bytes;
  wire::RespWriter(bytes, wire::RespVersion::Two).error(error_text(dialect, error));
  return bytes;
}

// The one through whom `key` must be read: it was written in this round, or a transaction runs.
Writer* writer_to_read(Call& call, std::string_view key) {
  Writer* writer = call.round.writer_of_key(*call.space(), key);
  return writer != nullptr ? writer : transaction_writer(call);
}

std::string fenced(const Error& error) { return "FENCED " + error.message; }

}  // namespace

bool refuse_stranger(std::string_view command, Call& call) {
  if (!call.state().options().is_private || call.session.is_admin()) return false;
  for (std::string_view open : {"AUTH", "HELLO", "PING", "QUIT", "RESET"}) {
    if (command == open) return false;
  }
  call.session.tallies().unauthorized.add();
  call.reply.error(call.session.dialect() == Dialect::Zdb ? "Permission denied" : "NOAUTH Authentication required.");
  return true;
}

ServerState& Call::state() const { return session.state(); }
const SpacePtr& Call::space() const { return session.space(); }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t number = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || text.empty()) return {};
  return number;
}

std::string error_text(Session& session, const Error& error) { return error_text(session.dialect(), error); }

std::string error_text(Dialect dialect, const Error& error) {
  if (error.message.starts_with("LOADING ")) return error.message;
  if (dialect == Dialect::Zdb) {
    switch (error.code) {
      case Code::Exhausted:
        return error.message.find("quota") != std::string::npos ? "No space left on this namespace"
                                                                : "Cannot write data right now";
      case Code::Unavailable: return "Cannot write data right now";
      case Code::Denied: return fenced(error);
      case Code::Corrupt: return "Internal Error";
      default: return "Internal Server Error";
    }
  }
  switch (error.code) {
    case Code::Exhausted: return "OOM " + error.message;
    case Code::Denied: return fenced(error);
    case Code::Corrupt: return "CORRUPT " + error.message;
    case Code::Unavailable: return "MISCONF " + error.message;
    default: return "ERR " + error.message;
  }
}

bool reply_value(Call& call, std::string_view key) {
  size_t& guess = call.session.memory_of_commands.value_guess;
  Writer* writer = writer_to_read(call, key);
  if (writer == nullptr) {
    call.session.expect_reply(guess + kBulkFrameBytes);
    size_t begin = call.reply.begin_bulk(guess);
    auto size = call.store().read_value(key, call.reply.bytes());
    if (size && *size) {
      guess = **size;
      call.reply.end_bulk(begin);
      return true;
    }
    call.reply.bytes().resize(begin);
    if (!size) call.reply.error(error_text(call.session, size.error()));
    if (size) call.reply.null();
    return size && *size;
  }
  auto entry = writer->find(key);
  if (!entry)
    call.reply.error(error_text(call.session, entry.error()));
  else if (!*entry)
    call.reply.null();
  else
    call.reply.bulk((*entry)->value);
  return entry && *entry;
}

Result<std::optional<Entry>> newest(Call& call, std::string_view key) {
  Writer* writer = writer_to_read(call, key);
  return writer != nullptr ? writer->find(key) : call.store().find(key);
}

Result<std::optional<Entry>> newest_brief(Call& call, std::string_view key) {
  Writer* writer = writer_to_read(call, key);
  return writer != nullptr ? writer->find(key) : call.store().find_brief(key);
}

Writer* transaction_writer(Call& call) {
  bool is_inside = call.session.memory_of_commands.is_in_transaction;
  return is_inside ? call.round.held_writer(*call.space()) : nullptr;
}

bool has_key(Call& call, std::string_view key) {
  Writer* writer = writer_to_read(call, key);
  if (writer == nullptr) return call.store().contains(key);
  auto entry = writer->find(key);
  return entry && *entry;
}

void read_together(Call& call, const std::function<void()>& read) {
  constexpr int kTriesMax = 16;
  size_t begin = call.reply.bytes().size();
  for (int tries = 0; tries < kTriesMax; tries++) {
    std::optional<uint64_t> before = call.store().quiet_moment();
    if (!before) continue;
    read();
    if (call.store().quiet_moment() == before) return;
    call.reply.bytes().resize(begin);
  }
  // So much is being written: while we hold the writer nobody writes. Who may not have it reads as it comes.
  static_cast<void>(call.round.writer(call.space(), call.session.memory_of_commands.epoch).has_value());
  read();
}

Writer* writer_or_error(Call& call) {
  if (!may_write(call)) return nullptr;
  auto writer = call.round.writer(call.space(), call.session.memory_of_commands.epoch);
  if (writer) return *writer;
  call.reply.error(error_text(call.session, writer.error()));
  return nullptr;
}

bool put_or_error(Call& call, Writer& writer, std::string_view key, std::string_view value,
                  const Timing& timing) {
  auto end = writer.put(key, value, timing);
  if (!end) {
    call.reply.error(error_text(call.session, end.error()));
    return false;
  }
  call.round.wrote(key, *end, key.size() + value.size());
  call.session.tallies().writes.add();
  return true;
}

bool remove_or_error(Call& call, Writer& writer, std::string_view key, std::optional<uint64_t> time_ms) {
  auto end = writer.remove(key, time_ms);
  if (!end) {
    call.reply.error(error_text(call.session, end.error()));
    return false;
  }
  call.round.wrote(key, *end, key.size());
  call.session.tallies().writes.add();
  return true;
}

// EPOCH: the highest epoch that this namespace has seen. EPOCH n: this connection writes as epoch n from now on; lower
// ones are refused for ever. Bound before the answer: a write behind it is refused, never done under an older epoch.
void run_epoch(Call& call) {
  if (call.count() == 1) return call.reply.integer(static_cast<int64_t>(call.store().figures().epoch));
  auto epoch = parse_integer(call[1]);
  if (call.count() != 2 || !epoch || *epoch < 0) return call.reply.error("ERR EPOCH takes one number, from 0 on");
  if (!call.session.is_writable()) return call.reply.error("READONLY an epoch is bound by who may write");
  call.round.settle();
  call.session.memory_of_commands.epoch = static_cast<uint64_t>(*epoch);
  call.session.reply_later([space = call.space(), dialect = call.session.dialect(), epoch = *epoch]() -> Bytes {
    Status seen = space->store->see_epoch(static_cast<uint64_t>(epoch));
    return seen ? "+OK\r\n" : one_error(dialect, seen.error());
  });
}

// Drops what the history policy of the namespace does not keep.
void run_compact(Call& call) {
  if (!call.session.is_admin()) return call.reply.error("Permission denied");
  call.round.settle();
  call.session.reply_later([&state = call.state(), space = call.space(), dialect = call.session.dialect()]() -> Bytes {
    Status done = space->store->compact([&](double) { return !space->is_gone && !state.is_stopping(); });
    return done ? "+OK\r\n" : one_error(dialect, done.error());
  });
}

// Reads every record of the namespace: an array of [position, reason] of the bad ones.
void run_verify(Call& call) {
  if (!call.session.is_admin()) return call.reply.error("Permission denied");
  call.round.settle();
  call.session.reply_later([&state = call.state(), space = call.space(), dialect = call.session.dialect()]() -> Bytes {
    auto faults = space->store->verify([&](double) { return !space->is_gone && !state.is_stopping(); });
    if (!faults) return one_error(dialect, faults.error());
    Bytes bytes;
    wire::RespWriter reply(bytes, wire::RespVersion::Two);
    reply.array(faults->size());
    for (const Namespace::Fault& fault : *faults) {
      reply.array(2);
      reply.integer(static_cast<int64_t>(fault.position));
      reply.bulk(fault.reason);
    }
    return bytes;
  });
}

}  // namespace mcloud::kv
