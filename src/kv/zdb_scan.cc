// Walking over keys and over a key's versions in the 0-db dialect. Cursors and exact keys are opaque to clients: they
// hold a position in our log, in the sizes that 0-db uses (17 and 8 bytes).
#include "kv/session.h"
#include "kv/zdb_commands.h"

namespace mcloud::kv::zdb {
namespace {

constexpr uint64_t kSliceUs = 2000;                    // as 0-db
constexpr size_t kSliceKeys = 4096;                    // bounds the reply
constexpr std::string_view kCursorMark = "mcloud:v1";  // fills a cursor up and tells it from other bytes

Bytes le64(uint64_t number) {
  Bytes bytes(8, '\0');
  for (size_t i = 0; i < 8; i++) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

uint64_t read_le64(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 8; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

Bytes cursor_of(Position position) { return le64(position) + Bytes(kCursorMark); }

std::optional<Position> position_of(std::string_view cursor) {
  if (cursor.size() != kCursorBytes || cursor.substr(8) != kCursorMark) return {};
  return read_le64(cursor);
}

void reply_page(Call& call, const std::vector<Entry>& entries) {
  call.reply.array(2);
  call.reply.bulk(cursor_of(entries.back().position));
  call.reply.array(entries.size());
  for (const Entry& entry : entries) {
    call.reply.array(3);
    call.reply.bulk(entry.key);
    call.reply.integer(static_cast<int64_t>(entry.value_size));
    call.reply.integer(static_cast<int64_t>(entry.time_ms / 1000));
  }
}

enum class Direction { Forward, Back };

void walk(Call& call, Direction direction) {
  if (call.count() > 2) return call.reply.error("Unexpected arguments");
  if (is_frozen(call)) return;
  std::optional<Position> seen;  // the last entry that the cursor's owner has
  if (call.count() == 2) {
    seen = position_of(call[1]);
    if (!seen || *seen >= call.store().figures().end) return call.reply.error("Invalid key format");
  }
  call.round.settle();
  std::optional<Position> at = seen;
  // A slice may pass over nothing but dead records: then the next one, so that an answer always moves on.
  for (;;) {
    auto page = direction == Direction::Back ? call.store().scan_back(at, kSliceKeys, kSliceUs)
                                             : call.store().scan(at.value_or(0), kSliceKeys, kSliceUs);
    if (!page) return call.reply.error("Internal Error");
    std::vector<Entry>& found = page->entries;
    if (seen && !found.empty() && found.front().position == *seen) found.erase(found.begin());
    if (!found.empty()) return reply_page(call, found);
    if (!page->next) return call.reply.error("No more data");
    at = page->next;
  }
}

void reply_version(Call& call, const Entry& entry) {
  call.reply.array(3);
  if (entry.previous)
    call.reply.bulk(le64(*entry.previous + 1));
  else
    call.reply.null();
  call.reply.bulk(std::to_string(entry.time_ms / 1000));
  call.reply.bulk(entry.value);
}

}  // namespace

void run_scan(Call& call) { walk(call, Direction::Forward); }
void run_rscan(Call& call) { walk(call, Direction::Back); }

void run_kscan(Call& call) { call.reply.error("Command disabled in release code, not yet available"); }

void run_keycur(Call& call) {
  if (!is_valid_key(call, call[1])) return;
  call.round.settle();
  auto entry = newest(call, call[1]);
  if (!entry) return call.reply.error("Internal Error");
  if (!*entry) return call.reply.error("Key not found");
  call.reply.bulk(cursor_of((*entry)->position));
}

// HISTORY key [exact key]. The answer's first field is the exact key of the version before.
void run_history(Call& call) {
  if (call.count() != 2 && call.count() != 3) return call.reply.error("Invalid arguments");
  if (is_frozen(call)) return;
  call.round.settle();
  if (call.count() == 2) {
    auto entry = newest(call, call[1]);
    if (!entry) return call.reply.error("Internal Error");
    if (!*entry) return call.reply.error("Key not found");
    return reply_version(call, **entry);
  }
  if (call[2].size() != kVersionBytes) return call.reply.error("Invalid arguments");
  uint64_t exact = read_le64(call[2]);
  if (exact == 0) return call.reply.error("No more history");
  auto entry = call.store().at(exact - 1);
  if (!entry) return call.reply.error("Invalid arguments (index query)");
  if (entry->key != call[1]) return call.reply.error("Invalid arguments (invalid key)");
  reply_version(call, *entry);
}

}  // namespace mcloud::kv::zdb
