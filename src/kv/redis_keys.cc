// Keys in the Redis dialect, and a key's history (ours).
#include <algorithm>

#include "kv/redis_commands.h"
#include "kv/session.h"

namespace mcloud::kv::redis {
namespace {

constexpr uint64_t kScanSliceUs = 2000;
constexpr size_t kPageKeys = 4096;
constexpr size_t kHistoryMost = 1000;

struct ScanOptions {
  std::string_view pattern = "*";
  size_t count = 10;
  bool wants_strings = true;
};

std::string_view parse_scan(Call& call, ScanOptions& options) {
  if (call.count() % 2 != 0) return kSyntaxError;
  for (size_t i = 2; i < call.count(); i += 2) {
    if (equals_ignoring_case(call[i], "MATCH")) {
      options.pattern = call[i + 1];
    } else if (equals_ignoring_case(call[i], "COUNT")) {
      auto count = parse_integer(call[i + 1]);
      if (!count) return kNotAnInteger;
      if (*count < 1) return kSyntaxError;
      options.count = std::min<size_t>(static_cast<size_t>(*count), kPageKeys);
    } else if (equals_ignoring_case(call[i], "TYPE")) {
      options.wants_strings = equals_ignoring_case(call[i + 1], "string");
    } else {
      return kSyntaxError;
    }
  }
  return {};
}

// All keys that match. Off the loop: it walks the whole log.
Bytes find_keys(Namespace& store, const std::string& pattern, size_t bytes_max) {
  Bytes keys, bytes;
  wire::RespWriter list(keys, wire::RespVersion::Two), reply(bytes, wire::RespVersion::Two);
  size_t count = 0;
  for (std::optional<Position> from = 0; from;) {
    auto page = store.scan(*from, kPageKeys, 1'000'000);
    if (!page) {
      reply.error(error_text(Dialect::Redis, page.error()));
      return bytes;
    }
    for (const Entry& entry : page->entries) {
      if (!matches(pattern, entry.key)) continue;
      list.bulk(entry.key);
      count++;
    }
    if (keys.size() > bytes_max) {
      reply.error("ERR the reply is too large: use SCAN");
      return bytes;
    }
    from = page->next;
  }
  reply.array(count);
  return bytes + keys;
}

}  // namespace

void run_del(Call& call) {
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  int64_t removed = 0;
  for (size_t i = 1; i < call.count(); i++) {
    auto end = writer->remove(call[i]);
    if (!end && end.error().code == Code::NotFound) continue;
    if (!end) return call.reply.error(error_text(call.session, end.error()));
    call.round.wrote(call[i], *end, call[i].size());
    removed++;
  }
  call.session.tallies().writes.add(static_cast<uint64_t>(removed));
  call.reply.integer(removed);
}

void run_exists(Call& call) {
  read_together(call, [&] {
    int64_t found = 0;
    for (size_t i = 1; i < call.count(); i++) found += has_key(call, call[i]) ? 1 : 0;
    call.reply.integer(found);
  });
}

void run_type(Call& call) { call.reply.simple(has_key(call, call[1]) ? "string" : "none"); }

// SCAN cursor [MATCH pattern] [COUNT n] [TYPE t]. The cursor is a position in the log: a key that is there all the time
// is met, because overwriting it only moves it ahead.
void run_scan(Call& call) {
  auto cursor = parse_integer(call[1]);
  if (!cursor || *cursor < 0) return call.reply.error("ERR invalid cursor");
  ScanOptions options;
  if (std::string_view error = parse_scan(call, options); !error.empty()) return call.reply.error(error);
  call.round.settle();
  auto page = call.store().scan(static_cast<Position>(*cursor), options.count, kScanSliceUs);
  if (!page) return call.reply.error(error_text(call.session, page.error()));
  std::erase_if(page->entries,
                [&](const Entry& entry) { return !options.wants_strings || !matches(options.pattern, entry.key); });
  call.reply.array(2);
  call.reply.bulk(std::to_string(page->next.value_or(0)));
  call.reply.array(page->entries.size());
  for (const Entry& entry : page->entries) call.reply.bulk(entry.key);
}

void run_keys(Call& call) {
  call.round.settle();
  call.session.reply_later(
      [space = call.space(), pattern = std::string(call[1]), bytes_max = call.state().options().reply_bytes_max] {
        return find_keys(*space->store, pattern, bytes_max);
      });
}

// From a random place of the log on, and from its begin when nothing is behind.
void run_randomkey(Call& call) {
  call.round.settle();
  Position end = call.store().figures().end;
  Position from = call.state().random().below(end / 8 + 1) * 8;
  for (Position start : {from, Position{0}}) {
    for (std::optional<Position> at = start; at;) {
      auto page = call.store().scan(*at, 1, kScanSliceUs);
      if (!page) return call.reply.error(error_text(call.session, page.error()));
      if (!page->entries.empty()) return call.reply.bulk(page->entries.front().key);
      at = page->next;
    }
  }
  call.reply.null();
}

void run_dbsize(Call& call) {
  call.round.settle();
  call.reply.integer(static_cast<int64_t>(call.store().figures().keys));
}

void run_flushdb(Call& call) {
  if (!call.session.is_admin())
    return call.reply.error("NOPERM this user has no permissions to run the 'flushdb' command");
  bool is_plain = call.count() == 1 || (call.count() == 2 && (equals_ignoring_case(call[1], "ASYNC") ||
                                                              equals_ignoring_case(call[1], "SYNC")));
  if (!is_plain) return call.reply.error(kSyntaxError);
  if (writer_or_error(call) == nullptr) return;
  call.round.settle();
  call.session.reply_later([&state = call.state(), space = call.space()]() -> Bytes {
    Status cleared = state.clear(space);
    return cleared ? "+OK\r\n" : "-" + error_text(Dialect::Redis, cleared.error()) + "\r\n";
  });
}

// HISTORY key [count]: versions, newest first, each [sequence, milliseconds, value or null when it was deleted], and for
// one that expires (or has) the moment in milliseconds behind it.
void run_history(Call& call) {
  size_t count = 10;
  if (call.count() > 3) return call.reply.error(kSyntaxError);
  if (call.count() == 3) {
    auto wanted = parse_integer(call[2]);
    if (!wanted || *wanted < 1) return call.reply.error(kNotAnInteger);
    count = std::min(static_cast<size_t>(*wanted), kHistoryMost);
  }
  call.round.settle();
  std::vector<Entry> versions;
  size_t bytes = 0;
  auto version = call.store().find_version(call[1], UINT64_MAX);
  while (version && *version && versions.size() < count && bytes < call.state().options().reply_bytes_max) {
    versions.push_back(std::move(**version));
    bytes += versions.back().value.size();
    if (!versions.back().previous) break;
    auto older = call.store().at(*versions.back().previous);
    if (!older && older.error().code == Code::NotFound) break;  // compacted away
    version = older ? Result<std::optional<Entry>>(std::move(*older)) : Result<std::optional<Entry>>(older.error());
  }
  if (!version) return call.reply.error(error_text(call.session, version.error()));
  call.reply.array(versions.size());
  for (const Entry& entry : versions) {
    call.reply.array(entry.expiry_ms ? 4 : 3);
    call.reply.integer(static_cast<int64_t>(entry.sequence));
    call.reply.integer(static_cast<int64_t>(entry.time_ms));
    if (entry.is_deletion)
      call.reply.null();
    else
      call.reply.bulk(entry.value);
    if (entry.expiry_ms) call.reply.integer(static_cast<int64_t>(*entry.expiry_ms));
  }
}

}  // namespace mcloud::kv::redis
