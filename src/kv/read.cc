// The reading half of LocalNamespace.
#include "kv/local_namespace.h"

#include <algorithm>
#include <array>

namespace mcloud::kv {
namespace {

constexpr int kTriesMax = 100;  // each means that compaction has moved the record meanwhile

}  // namespace

Result<std::optional<Header>> LocalNamespace::locate(uint64_t hash, std::string_view key, Bytes& head,
                                                     std::optional<Position>* bad) const {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    Index::Candidates candidates = index_.candidates(hash);
    bool has_moved = false;
    for (const Place& place : candidates) {
      Result<Header> header = log_.read_head(place.position, head);
      if (!header.has_value()) {
        if (bad != nullptr) *bad = place.position;
        has_moved = header.error().code == Code::NotFound;
        if (has_moved) break;
        return header.error();
      }
      if (BytesView(head).substr(kHeaderBytes) == key) return std::optional<Header>(*header);
    }
    if (!has_moved) return std::optional<Header>();
  }
  return make_error(Code::Internal, "the index points to a record that is gone");
}

Result<std::optional<Entry>> LocalNamespace::find(std::string_view key) const { return find_as_of(key, {}); }

Result<std::optional<Entry>> LocalNamespace::find_as_of(std::string_view key, std::optional<uint64_t> at_ms) const {
  Result<std::optional<Entry>> found = walk(key, [](const Header&) { return true; });
  if (!found.has_value() || !*found) return found;
  const std::optional<uint64_t>& expiry_ms = (*found)->expiry_ms;
  if ((*found)->is_deletion || (expiry_ms && *expiry_ms <= (at_ms ? *at_ms : now_ms()))) found->reset();
  return found;
}

Result<std::optional<Entry>> LocalNamespace::find_brief(std::string_view key) const {
  TRY(is_usable());
  publication_.wait_for_transaction();
  Bytes head;
  std::optional<Header> header = TRY(locate(hash_key(hash_, key), key, head));
  if (!header || is_absent(*header)) return std::optional<Entry>();
  return std::optional<Entry>(TRY(brief_of(*header, key)));
}

bool LocalNamespace::contains(std::string_view key) const {
  if (is_disabled_ || !is_complete()) return false;
  publication_.wait_for_transaction();
  Bytes head;
  auto header = locate(hash_key(hash_, key), key, head);
  return header.has_value() && *header && !is_absent(**header);
}

Result<std::optional<size_t>> LocalNamespace::read_value(std::string_view key, std::string& to) const {
  TRY(is_readable());
  thread_local Bytes head;
  const uint64_t hash = hash_key(hash_, key);
  publication_.wait_for_transaction();
  for (int tries = 0;; ++tries) {
    std::optional<Header> header = TRY(locate(hash, key, head));
    if (!header || is_absent(*header)) return std::optional<size_t>();
    Status done = log_.read_value(*header, to);
    if (done.has_value()) return std::optional<size_t>(header->value_bytes);
    if (done.error().code != Code::NotFound || tries == kTriesMax) return done.error();
  }
}

void LocalNamespace::prefetch(std::span<const std::string_view> keys) const {
  constexpr size_t kTogether = 16;
  std::array<uint64_t, kTogether> hashes;
  for (; !keys.empty(); keys = keys.subspan(std::min(keys.size(), kTogether))) {
    size_t count = std::min(keys.size(), kTogether);
    for (size_t i = 0; i < count; ++i) index_.prefetch(hashes[i] = hash_key(hash_, keys[i]));
    std::array<uint64_t, kTogether> positions;
    size_t found = 0;
    for (size_t i = 0; i < count; ++i) {
      Index::Candidates candidates = index_.candidates(hashes[i]);
      if (candidates.count > 0) positions[found++] = candidates.places[0].position;
    }
    log_.prefetch({positions.data(), found});
  }
}

Result<std::optional<Position>> LocalNamespace::before(const Header& header) const {
  std::optional<Position> at = header.previous;
  Bytes head;
  // A moved record names the head of the chain that it replaced, which may be itself or a newer version.
  while (at && *at >= log_.begin()) {
    if (!header.is_moved) return at;
    Result<Header> older = log_.read_head(*at, head);
    if (!older.has_value()) {
      if (older.error().code == Code::NotFound) break;
      return older.error();
    }
    if (older->sequence < header.sequence) return at;
    at = older->previous;
  }
  return std::optional<Position>();
}

Result<Entry> LocalNamespace::entry_of(const Header& header, BytesView key) const {
  Entry entry = TRY(brief_of(header, key));
  TRY(log_.read_value(header, entry.value));
  return entry;
}

Result<Entry> LocalNamespace::at(Position position) const {
  TRY(is_readable());
  if (position % 8 != 0) return make_error(Code::NotFound, "no record begins there");
  Bytes head;
  Header header = TRY(log_.read_head(position, head));
  return entry_of(header, BytesView(head).substr(kHeaderBytes));
}

Result<std::optional<Entry>> LocalNamespace::walk(std::string_view key,
                                                  const std::function<bool(const Header&)>& is_it) const {
  TRY(is_readable());
  publication_.wait_for_transaction();
  for (int tries = 0;; ++tries) {
    Result<std::optional<Entry>> found = walk_once(key, is_it);
    bool has_moved = !found.has_value() && found.error().code == Code::NotFound;
    if (!has_moved || tries == kTriesMax) return found;
  }
}

Result<std::optional<Entry>> LocalNamespace::walk_once(std::string_view key,
                                                       const std::function<bool(const Header&)>& is_it) const {
  Bytes head;
  std::optional<Header> header = TRY(locate(hash_key(hash_, key), key, head));
  while (header && !is_it(*header)) {
    std::optional<Position> older = TRY(before(*header));
    if (!older) return std::optional<Entry>();
    header = TRY(log_.read_head(*older, head));
  }
  if (!header) return std::optional<Entry>();
  return std::optional<Entry>(TRY(entry_of(*header, key)));
}

Result<std::optional<Entry>> LocalNamespace::find_version(std::string_view key, uint64_t sequence) const {
  return walk(key, [&](const Header& header) { return header.sequence <= sequence; });
}

Result<std::optional<Entry>> LocalNamespace::find_at_time(std::string_view key, uint64_t time_ms) const {
  Result<std::optional<Entry>> found = walk(key, [&](const Header& header) { return header.time_ms <= time_ms; });
  if (found.has_value() && *found && (*found)->expiry_ms && *(*found)->expiry_ms <= time_ms) found->reset();
  return found;
}

}  // namespace mcloud::kv
