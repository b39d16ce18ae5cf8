#include "kv/local_writer.h"

#include <algorithm>

#include "kv/log/bytes.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr size_t kBatchBytesMax = 1 << 20;
constexpr size_t kTransactionBytesMax = 1 << 20;
constexpr size_t kTransactionRecordsMax = 10'000;

}  // namespace

LocalWriter::LocalWriter(LocalNamespace& space, std::unique_lock<std::mutex> lock, const Rules& rules)
    : space_(space), lock_(std::move(lock)), rules_(rules), batch_(space.batch_), totals_(space.totals()) {}

LocalWriter::~LocalWriter() {
  // Who wants to know calls flush() before.
  static_cast<void>(flush());
}

LocalWriter::Newest LocalWriter::newest_of(const Header& header) const {
  if (header.is_deletion) return {header.position, kNoValue};
  return {header.position, header.value_bytes, is_absent(header)};
}

Result<LocalWriter::Newest> LocalWriter::newest(uint64_t hash, std::string_view key) {
  if (const Batch::Item* item = batch_.find(hash, key)) {
    return newest_of(item->header);
  }
  thread_local Bytes head;
  std::optional<Position> bad;
  Result<std::optional<Header>> header = space_.locate(hash, key, head, &bad);
  if (!header.has_value()) {
    // A version that cannot be read must not keep the key from being written anew.
    if (header.error().code == Code::Corrupt && bad) return Newest{*bad, kNoValue};
    return header.error();
  }
  if (!*header) return Newest{};
  return newest_of(**header);
}

Result<std::optional<Entry>> LocalWriter::find(std::string_view key) {
  const Batch::Item* item = batch_.find(hash_key(space_.hash_, key), key);
  if (item == nullptr) return space_.find_as_of(key, standing_ms_);
  if (is_absent(item->header)) return std::optional<Entry>();
  return std::optional<Entry>(Entry{.key = std::string(key),
                                    .value = std::string(batch_.value_of(*item)),
                                    .value_size = item->header.value_bytes,
                                    .position = item->header.position,
                                    .previous = item->header.previous,
                                    .sequence = item->header.sequence,
                                    .time_ms = item->header.time_ms,
                                    .epoch = item->header.epoch,
                                    .expiry_ms = item->header.expiry_ms});
}

Status LocalWriter::check_put(std::string_view key, size_t value_bytes, const Timing& timing, const Newest& old) const {
  if (timing.expiry_ms && (rules_.is_write_once || rules_.mode == KeyMode::Sequence)) {
    return make_error(Code::Unsupported, "keys do not expire in a namespace that is write-once or in sequence mode");
  }
  if (rules_.is_write_once && old.is_live()) {
    return make_error(Code::Denied, "the namespace is write-once and the key has a value");
  }
  if (rules_.mode == KeyMode::Sequence) {
    if (key.size() != 8) return make_error(Code::Invalid, "a key of a namespace in sequence mode has 8 bytes");
    auto id = load<uint64_t>(key.data());
    if (!old.is_live() && id != totals_.next_id) {
      return make_error(Code::Invalid, "no such id; the next new one is " + std::to_string(totals_.next_id));
    }
  }
  uint64_t replaced = old.is_counted() ? key.size() + old.value_bytes : 0;
  if (rules_.bytes_max > 0 &&
      totals_.live_bytes - std::min(replaced, totals_.live_bytes) + key.size() + value_bytes > rules_.bytes_max) {
    return make_error(Code::Exhausted,
                      "the namespace's quota of " + std::to_string(rules_.bytes_max) + " bytes is used up");
  }
  return {};
}

Result<Position> LocalWriter::put(std::string_view key, std::string_view value, const Timing& timing) {
  if (key.size() > kKeyBytesMax) return make_error(Code::Invalid, "a key has at most 255 bytes");
  if (value.size() > kValueBytesMax) return make_error(Code::Invalid, "a value has at most 8 MiB");
  uint64_t hash = hash_key(space_.hash_, key);
  TRY(prepare(record_bytes(key.size(), value.size() + (timing.expiry_ms ? kExpiryBytes : 0))));
  Newest old = TRY(newest(hash, key));
  TRY(check_put(key, value.size(), timing, old));
  if (old.is_expired) ++expired_;
  Header header{.previous_value_bytes = old.value_bytes,
                .sequence = totals_.next_sequence,
                .time_ms = timing.time_ms ? *timing.time_ms : space_.parts_.clock.wall_ms(),
                .previous = old.position,
                .expiry_ms = timing.expiry_ms};
  return add(hash, header, key, value);
}

Result<Position> LocalWriter::remove(std::string_view key, std::optional<uint64_t> time_ms) {
  if (key.size() > kKeyBytesMax) return make_error(Code::NotFound, "no such key");
  uint64_t hash = hash_key(space_.hash_, key);
  TRY(prepare(record_bytes(key.size(), 0)));
  Newest old = TRY(newest(hash, key));
  if (!old.is_live()) return make_error(Code::NotFound, "no such key");
  if (rules_.is_write_once) return make_error(Code::Denied, "the namespace is write-once");
  Header header{.is_deletion = true,
                .previous_value_bytes = old.value_bytes,
                .sequence = totals_.next_sequence,
                .time_ms = time_ms ? *time_ms : space_.parts_.clock.wall_ms(),
                .previous = old.position};
  return add(hash, header, key, {});
}

// The deletion says when the key ended, not when somebody noticed: whoever asks about any time gets the answer that he
// got before it was written.
Status LocalWriter::expire(uint64_t hash, Position position) {
  if (!space_.index_.is_live_at(hash, position)) return {};
  Bytes head;
  Result<Header> header = space_.log_.read_head(position, head);
  if (!header.has_value()) {
    bool is_lost = header.error().code == Code::NotFound || header.error().code == Code::Corrupt;
    return is_lost ? Status() : header.error();
  }
  BytesView key = BytesView(head).substr(kHeaderBytes);
  if (!header->is_expired(space_.now_ms()) || batch_.find(hash, key) != nullptr) return {};
  TRY(prepare(record_bytes(key.size(), 0)));
  add(hash,
      {.is_deletion = true,
       .previous_value_bytes = header->value_bytes,
       .sequence = totals_.next_sequence,
       .time_ms = std::max(*header->expiry_ms, header->time_ms),
       .previous = position},
      key, {});
  ++expired_;
  return {};
}

Position LocalWriter::add(uint64_t hash, Header header, BytesView key, BytesView value) {
  header.position = space_.log_.written() + batch_.bytes();
  header.epoch = header.is_moved ? header.epoch : rules_.epoch;
  header.key_bytes = static_cast<uint8_t>(key.size());
  header.value_bytes = static_cast<uint32_t>(value.size());
  batch_.add(hash, header, key, value);
  totals_.next_sequence = std::max(totals_.next_sequence, header.sequence + 1);
  totals_.live_bytes += header.live_bytes();
  totals_.live_bytes -= std::min(totals_.live_bytes, header.replaced_bytes());
  if (rules_.mode == KeyMode::Sequence && !header.is_moved) ++totals_.next_id;
  return header.end();
}

Status LocalWriter::move(const std::vector<Header>& versions, BytesView key, const Header& newest) {
  uint64_t hash = hash_key(space_.hash_, key);
  uint64_t bytes = 0;
  for (const Header& version : versions) bytes += version.record_bytes();
  TRY(prepare(bytes));
  Header before = newest;
  Bytes value;
  begin();
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    value.clear();
    TRY(space_.log_.read_value(*version, value));
    Header copy = *version;
    copy.is_moved = true;
    copy.previous = before.position;
    copy.previous_value_bytes = before.is_deletion ? kNoValue : before.value_bytes;
    before = copy;
    before.position = add(hash, copy, key, value) - copy.record_bytes();
  }
  return commit();
}

Status LocalWriter::prepare(size_t record_bytes) {
  if (lost_) return *lost_;
  if (auto failed = space_.log_.failure()) return *failed;
  if (batch_.in_transaction()) {
    if (batch_.transaction_records() >= kTransactionRecordsMax ||
        batch_.transaction_bytes() + record_bytes > kTransactionBytesMax) {
      return make_error(Code::Exhausted, "a transaction has at most 1 MiB and 10,000 records");
    }
    return {};
  }
  bool is_full = space_.log_.is_full(batch_.bytes() + record_bytes);
  if (batch_.bytes() + record_bytes > kBatchBytesMax) TRY(write_out());
  if (is_full) TRY(roll());
  return {};
}

Status LocalWriter::roll() {
  TRY(write_out());
  return space_.roll_log();
}

void LocalWriter::begin() {
  totals_before_ = totals_;
  standing_ms_ = space_.now_ms();
  batch_.begin_transaction();
}

Status LocalWriter::commit() {
  if (!batch_.in_transaction()) return make_error(Code::Invalid, "no transaction was begun");
  batch_.end_transaction();
  standing_ms_.reset();
  if (lost_) return *lost_;
  return {};
}

Status LocalWriter::flush() {
  if (batch_.in_transaction()) {
    batch_.drop_transaction();
    totals_ = totals_before_;
    standing_ms_.reset();
  }
  Status done = write_out();
  if (lost_) done = *std::exchange(lost_, std::nullopt);
  return done;
}

void LocalWriter::publish() {
  if constexpr (!planted::kNoTogether) space_.publication_.begin(batch_.has_transaction());
  for (const Batch::Item& item : batch_.items()) {
    if (!item.is_newest) continue;  // what the same batch replaces is seen by nobody
    space_.index_.put(item.hash, item.replaces, {item.header.position, item.header.is_deletion});
  }
  if constexpr (!planted::kNoTogether) space_.publication_.end();
  for (const Batch::Item& item : batch_.items()) {
    if (item.header.expiry_ms) space_.sweeper_.add(item.header, item.hash);
  }
  if (expired_ > 0) space_.expired_keys_ += std::exchange(expired_, 0);
}

Status LocalWriter::write_out() {
  if (batch_.is_empty()) return {};
  Log& log = space_.log_;
  Status done = log.append(batch_.finish(log.durable(), space_.salt_));
  if (!done.has_value()) {
    lost_ = done.error();
    expired_ = 0;
    totals_ = space_.totals();
    batch_.clear();
    return done;
  }
  publish();
  space_.set_totals(totals_);
  space_.newest_ms_.store(batch_.items().back().header.time_ms, std::memory_order_relaxed);
  batch_.clear();
  space_.request_sync_after_write();
  return {};
}

}  // namespace mcloud::kv
