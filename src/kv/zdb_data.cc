// SET, GET, DEL and their like in the 0-db dialect.
#include "kv/session.h"
#include "kv/zdb_commands.h"

namespace mcloud::kv::zdb {
namespace {

// An administrator may say when a record was written, in seconds: replicas do.
bool take_time(Call& call, size_t at, std::optional<uint64_t>& time_ms) {
  if (call.count() <= at) return true;
  if (!call.session.is_admin()) {
    call.reply.error("Permission denied");
    return false;
  }
  int64_t seconds = parse_integer(call[at]).value_or(0);  // as atoll: no number is 0
  time_ms = seconds > 0 ? static_cast<uint64_t>(seconds) * 1000 : 0;
  return true;
}

Bytes next_key(Writer& writer) {
  uint64_t id = writer.next_id();
  Bytes key(8, '\0');
  for (size_t i = 0; i < 8; i++) key[i] = static_cast<char>(id >> (8 * i));
  return key;
}

struct Addressed {
  Bytes made;  // a new key in sequence mode
  std::optional<Entry> existing;
  bool is_damaged = false;  // there is one, and it cannot be read
};

// The key that SET means. False: the error is said.
bool address(Call& call, Writer& writer, Addressed& addressed) {
  std::string_view key = call[1];
  if (!key.empty()) {
    auto existing = writer.find(key);
    if (!existing && existing.error().code != Code::Corrupt) {
      call.reply.error(error_text(call.session, existing.error()));
      return false;
    }
    // What cannot be read any more differs from everything, and may be written anew.
    addressed.is_damaged = !existing;
    if (existing) addressed.existing = std::move(*existing);
  }
  if (call.space()->mode == KeyMode::User) {
    if (key.empty()) call.reply.error("Invalid argument, key needed");
    return !key.empty();
  }
  if (!key.empty() && !addressed.existing && !addressed.is_damaged) {
    call.reply.error("Invalid key, only update authorized");
    return false;
  }
  if (key.empty()) addressed.made = next_key(writer);
  return true;
}

std::optional<Entry> find_or_error(Call& call, std::string_view key, bool& failed) {
  auto entry = newest(call, key);
  failed = !entry;
  if (failed) {
    call.reply.error("Internal Error");
    return {};
  }
  return std::move(*entry);
}

void mget(Call& call) {
  size_t begin = call.reply.bytes().size();
  call.reply.array(call.count() - 1);
  for (size_t i = 1; i < call.count(); i++) {
    // Bounded: 1,023 values of 8 MiB would be 8 GiB.
    if (call.reply.bytes().size() - begin > call.state().options().reply_bytes_max)
      call.reply.error("Internal Memory Error");
    else
      reply_value(call, call[i]);
  }
}

}  // namespace

// SET key payload [timestamp]. Answers the key, so that sequence mode can say which it made; null when nothing changed.
void run_set(Call& call) {
  std::optional<uint64_t> time_ms;
  if (call.count() != 3 && call.count() != 4) return call.reply.error("Unexpected arguments");
  if (!take_time(call, 3, time_ms)) return;
  if (call[1].size() > kKeyBytesMax) return call.reply.error("Key too large");
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  Addressed addressed;
  if (!address(call, *writer, addressed)) return;
  if (addressed.is_damaged && call.space()->is_write_once)
    return call.reply.error("Namespace is protected by worm mode");
  if (addressed.existing) {
    if (call.space()->is_write_once) return call.reply.error("Namespace is protected by worm mode");
    if (addressed.existing->value == call[2] && !addressed.existing->expiry_ms) {
      call.round.confirms(addressed.existing->position + 8);  // "unchanged" promises that it is kept
      return call.reply.null();
    }
  }
  std::string_view key = addressed.made.empty() ? call[1] : std::string_view(addressed.made);
  if (put_or_error(call, *writer, key, call[2], {.time_ms = time_ms})) call.reply.bulk(key);
}

void run_get(Call& call) {
  if (!is_valid_key(call, call[1]) || is_frozen(call)) return;
  reply_value(call, call[1]);
}

void run_mget(Call& call) {
  if (call.count() < 2) return call.reply.error("Invalid arguments");
  for (size_t i = 1; i < call.count(); i++) {
    if (!is_valid_key(call, call[i])) return;
  }
  if (is_frozen(call)) return;
  read_together(call, [&] { mget(call); });
}

// DEL key [timestamp]
void run_del(Call& call) {
  std::optional<uint64_t> time_ms;
  if (call.count() != 2 && call.count() != 3) return call.reply.error("Unexpected arguments");
  if (call[1].empty()) return call.reply.error("Invalid argument");
  if (!take_time(call, 2, time_ms) || !is_valid_key(call, call[1])) return;
  Writer* writer = writer_or_error(call);
  if (writer == nullptr) return;
  auto existing = writer->find(call[1]);
  if (!existing) return call.reply.error("Cannot delete key (data)");
  if (!*existing) return call.reply.error("Key not found");
  if (call.space()->is_write_once) return call.reply.error("Cannot delete a key when namespace is in worm mode");
  if (remove_or_error(call, *writer, call[1], time_ms)) call.reply.simple("OK");
}

void run_exists(Call& call) {
  if (is_valid_key(call, call[1]) && !is_frozen(call)) call.reply.integer(has_key(call, call[1]) ? 1 : 0);
}

// 1 good, 0 the record fails its checksum, -1 it cannot be read, null no such key.
void run_check(Call& call) {
  if (!is_valid_key(call, call[1]) || is_frozen(call)) return;
  auto entry = newest(call, call[1]);
  if (!entry) return call.reply.integer(entry.error().code == Code::Corrupt ? 0 : -1);
  if (!*entry) return call.reply.null();
  call.reply.integer(1);
}

void run_length(Call& call) {
  if (!is_valid_key(call, call[1]) || is_frozen(call)) return;
  bool failed = false;
  auto entry = find_or_error(call, call[1], failed);
  if (entry) call.reply.integer(static_cast<int64_t>(entry->value.size()));
  if (!entry && !failed) call.reply.null();
}

void run_keytime(Call& call) {
  if (!is_valid_key(call, call[1]) || is_frozen(call)) return;
  bool failed = false;
  auto entry = find_or_error(call, call[1], failed);
  if (entry) call.reply.integer(static_cast<int64_t>(entry->time_ms / 1000));
  if (!entry && !failed) call.reply.null();
}

void run_dbsize(Call& call) {
  call.round.settle();
  call.reply.integer(static_cast<int64_t>(call.store().figures().keys));
}

}  // namespace mcloud::kv::zdb
