// The replicated half of LocalNamespace: its log as bytes, and the appending of bytes that another one wrote.
#include <algorithm>

#include "io/clock.h"
#include "kv/local_namespace.h"
#include "kv/log/bytes.h"
#include "kv/log/reader.h"
#include "kv/log/scan.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr size_t kDamageBytesMax = 1 << 20;  // of a stretch without any record, at a time

Error does_not_fit(std::string why) { return make_error(Code::Conflict, "the copy does not fit: " + std::move(why)); }

// Of bytes that begin with a record: whole sound records up to the last that ends a transaction.
struct Sound {
  size_t bytes = 0;
  bool is_damaged = false;  // behind them is no sound record; else there may be more of one
};

Sound sound_prefix(BytesView bytes, Position position, uint32_t salt) {
  Sound sound;
  for (size_t at = 0; at + kHeaderBytes <= bytes.size();) {
    std::optional<Header> header = parse_header(bytes.substr(at), position + at);
    if (header && header->record_bytes() > bytes.size() - at) {
      // Perhaps only cut by the buffer: the head says whether it is one.
      bool has_head = bytes.size() - at >= header->head_bytes();
      sound.is_damaged = has_head && !head_is_sound(*header, bytes.substr(at), salt);
      return sound;
    }
    bool is_sound = header && head_is_sound(*header, bytes.substr(at), salt) &&
                    value_is_sound(*header, bytes.substr(at + header->head_bytes(), header->value_bytes));
    sound.is_damaged = !is_sound;
    if (!is_sound) return sound;
    at += header->record_bytes();
    if (!header->continues) sound.bytes = at;
  }
  return sound;
}

RecordReader reader_of(BytesView bytes, Position position, uint32_t salt) {
  auto source = [bytes](uint64_t offset, char* to, size_t size) -> Result<size_t> {
    return offset >= bytes.size() ? 0 : bytes.copy(to, size, offset);
  };
  return {source, position, bytes.size(), salt, position};
}

Bytes id_of(const Meta& meta) {
  Bytes id;
  append(id, meta.salt);
  append(id, meta.hash.first);
  append(id, meta.hash.second);
  return id;
}

}  // namespace

// --- leading

Result<std::unique_lock<std::mutex>> LocalNamespace::lock_to_lead() {
  TRY(is_usable());
  std::unique_lock lock(writing_);
  TRY(is_usable());
  if (parts_.leadership.reign.load(std::memory_order_acquire) != 0) return lock;
  return make_error(Code::Conflict, "this store does not lead: it follows, or nobody has said that it may");
}

Result<std::unique_lock<std::mutex>> LocalNamespace::lock_to_write() {
  std::unique_lock lock = TRY(lock_to_lead());
  uint64_t reign = parts_.leadership.reign.load(std::memory_order_acquire);
  if (begun_ == reign) return lock;
  TRY(begin_generation(parts_.leadership.term));
  begun_ = reign;
  return lock;
}

// What is there must not be lost behind the new entry's begin: its number would be given a second time.
Status LocalNamespace::begin_generation(uint64_t term) {
  Lineage lineage = meta().lineage;
  if (planted::kNoGeneration && !lineage.empty() && lineage.back().term == term) return {};
  TRY(sync_log());
  auto mark = load<uint32_t>(io::SystemRandom().bytes(4).data());
  Generation next = TRY(next_generation(lineage, term, log_.written(), mark));
  return change_meta([&](Meta& meta) { meta.lineage = extended(std::move(meta.lineage), next); });
}

// --- the log as it is

LogState LocalNamespace::log_state() const {
  LogState state;
  std::lock_guard guard(meta_mutex_);
  // The end first: whatever is in the log was written under an entry that is there.
  state.end = log_.written();
  state.durable = log_.durable();
  state.id = id_of(meta_);
  state.first = meta_.first;
  state.baseline = meta_.baseline;
  state.front_at = meta_.front_at;
  state.complete_at = is_complete() ? 0 : meta_.complete_at;
  state.lineage = meta_.lineage;
  state.settings = meta_.settings;
  state.epoch = meta_.epoch;
  state.newest_ms = newest_ms_.load(std::memory_order_relaxed);
  return state;
}

Result<LogChunk> LocalNamespace::read_log(Position from, size_t bytes_max) const {
  TRY(is_usable());
  const Position written = log_.written();  // before the segments: what was written later may lie in one more
  std::shared_ptr<const Segments> all = log_.segments();
  if (from < all->front()->begin()) return make_error(Code::NotFound, "this part of the log is dropped");
  if (from >= written) return LogChunk{.position = from};
  size_t i = all->size();
  while ((*all)[i - 1]->begin() > from) --i;
  const Segment& segment = *(*all)[i - 1];
  Position end = i < all->size() ? std::min((*all)[i]->begin(), written) : written;
  {
    std::lock_guard guard(meta_mutex_);
    for (const Generation& entry : meta_.lineage) {
      if (entry.from > from) end = std::min(end, entry.from);
    }
  }
  LogChunk chunk{.position = from, .segment = segment.begin()};
  for (uint64_t size = bytes_max;; size *= 2) {
    size = std::min(size, end - from);
    chunk.bytes.resize(size);
    TRY(segment.read(from, chunk.bytes.data(), size));
    Sound sound = sound_prefix(chunk.bytes, from, salt_);
    if (sound.bytes > 0) {
      chunk.bytes.resize(sound.bytes);
      return chunk;
    }
    if (sound.is_damaged || size == end - from) break;
  }
  chunk.is_damaged = true;
  auto source = [&](uint64_t offset, char* to, size_t size) { return segment.file().read(offset, to, size); };
  RecordReader reader(source, segment.begin(), end - segment.begin(), salt_, from);
  RecordReader::Item item = TRY(reader.next());
  // Sound ones before it are of a transaction that is not whole.
  while (item.kind == RecordReader::Item::Kind::Record) item = TRY(reader.next());
  Position stop = item.kind == RecordReader::Item::Kind::End ? end : item.end;
  if (item.begin == from && !item.header) stop = std::min(stop, from + kDamageBytesMax);
  chunk.bytes.resize(stop - from);
  TRY(segment.read(from, chunk.bytes.data(), stop - from));
  return chunk;
}

// --- following

Result<std::unique_lock<std::mutex>> LocalNamespace::lock_to_copy() {
  TRY(is_usable());
  std::unique_lock lock(writing_);
  TRY(is_usable());
  if (parts_.leadership.reign.load(std::memory_order_acquire) == 0) return lock;
  return make_error(Code::Conflict, "this store leads: it copies no other");
}

Status LocalNamespace::take_lineage(const Lineage& lineage) {
  auto lock = TRY(lock_to_copy());
  return take_over(lineage);
}

// What we have is a part of theirs, so what theirs says of it is true. An entry is true only of a log that has
// everything before it, after a power cut too.
Status LocalNamespace::take_over(const Lineage& theirs) {
  Lineage wanted = trimmed(theirs, log_.written());
  if (wanted == meta().lineage) return {};
  TRY(sync_log());
  return change_meta([&](Meta& meta) { meta.lineage = wanted; });
}

Status LocalNamespace::fit_segment(Position segment) {
  Position active = log_.segments()->back()->begin();
  if (active == segment) return {};
  if (segment != log_.written()) return does_not_fit("its segments begin elsewhere");
  return roll_log();
}

Status LocalNamespace::roll_log() {
  Position sealed = log_.segments()->back()->begin();
  if (sealed == log_.written()) return {};
  TRY(log_.roll());
  ends_[sealed] = totals();
  unchecked_.push_back(sealed);
  on_rolled();
  return {};
}

// Puts one chunk into the log, in runs: each begins where the log must be durable before it may go on.
class RawAppend {
 public:
  RawAppend(LocalNamespace& space, const LogChunk& chunk)
      : space_(space), chunk_(chunk), begin_(chunk.position), whole_(chunk.position), mode_(space.settings().mode) {}

  Status run() {
    RecordReader reader = reader_of(chunk_.bytes, chunk_.position, space_.salt_);
    Position at = chunk_.position;
    while (true) {
      RecordReader::Item item = TRY(reader.next());
      if (item.kind == RecordReader::Item::Kind::End) break;
      bool is_gap = item.kind == RecordReader::Item::Kind::Gap;
      if (is_gap && !chunk_.is_damaged)
        return make_error(Code::Corrupt, "received: no sound record at " + std::to_string(item.begin));
      if (is_gap) ++space_.faults_;
      if (item.header) TRY(add(*item.header, item.key));
      at = item.end;
      if (is_gap || !item.header->continues) whole_ = at;
    }
    if (chunk_.is_damaged) whole_ = at;
    if (whole_ != chunk_.end()) return make_error(Code::Corrupt, "received: a part of a transaction");
    return flush();
  }
  uint64_t epoch() const { return epoch_; }

 private:
  struct Pointed {
    uint64_t hash;
    Header header;
    Bytes key;
  };

  // (What a record claims to be durable holds here too, before the record is there.)
  Status add(const Header& header, BytesView key) {
    if (header.durable() > space_.log_.durable() && !chunk_.is_damaged) {
      // All records of a transaction are written at once and claim the same.
      if (header.durable() > whole_ || header.position != whole_)
        return make_error(Code::Corrupt, "received: a record claims what nobody can know");
      TRY(flush());
      TRY(space_.sync_log());
    }
    uint64_t hash = hash_key(space_.hash_, key);
    pointed_.push_back({hash, header, Bytes(key)});
    has_transaction_ |= header.continues;
    sum_.add(header, key, mode_);
    epoch_ = std::max(epoch_, header.epoch);
    newest_ms_ = header.time_ms;
    return {};
  }

  // What is whole so far; a transaction that has begun stays.
  Status flush() {
    if (whole_ == begin_) return {};
    BytesView run = BytesView(chunk_.bytes).substr(begin_ - chunk_.position, whole_ - begin_);
    TRY(space_.log_.append(run));
    space_.publication_.begin(std::exchange(has_transaction_, false));
    for (const Pointed& one : pointed_) point(one);
    space_.publication_.end();
    for (const Pointed& one : pointed_) {
      if (one.header.expiry_ms) space_.sweeper_.add(one.header, one.hash);
    }
    pointed_.clear();
    space_.set_totals(std::exchange(sum_, {}).applied_to(space_.totals()));
    begin_ = whole_;
    if (newest_ms_ > 0) space_.newest_ms_.store(newest_ms_, std::memory_order_relaxed);
    return {};
  }

  // As recovery does it: where the version before was lost, an older one may hold the key's slot.
  void point(const Pointed& one) {
    const Header& header = one.header;
    Place place{header.position, header.is_deletion};
    if (header.previous && *header.previous >= space_.log_.begin()) {
      if (space_.index_.replace(one.hash, *header.previous, place)) return;
      Bytes head;
      auto older = space_.locate(one.hash, one.key, head);
      if (older.has_value() && *older && space_.index_.replace(one.hash, (*older)->position, place)) return;
    }
    space_.index_.put(one.hash, std::nullopt, place);
  }

  LocalNamespace& space_;
  const LogChunk& chunk_;
  Position begin_;  // of the run
  Position whole_;  // up to here transactions are whole
  KeyMode mode_;
  std::vector<Pointed> pointed_;
  Sum sum_;
  uint64_t epoch_ = 0;
  uint64_t newest_ms_ = 0;
  bool has_transaction_ = false;
};

Status LocalNamespace::append_log(const LogChunk& chunk, const Lineage& lineage) {
  auto lock = TRY(lock_to_copy());
  if (chunk.position != log_.written()) return does_not_fit("it goes on elsewhere");
  if (lineage.empty() || chunk.bytes.empty() || chunk.bytes.size() % 8 != 0) return does_not_fit("it has no whole record");
  for (const Generation& entry : lineage) {
    if (entry.from > chunk.position && entry.from < chunk.end()) return does_not_fit("it spans two generations");
  }
  TRY(take_over(lineage));
  TRY(fit_segment(chunk.segment));
  RawAppend append(*this, chunk);
  Status done = append.run();
  if (append.epoch() > 0) TRY(copy_epoch(append.epoch()));
  TRY(done);
  // A generation that begins here is true of this log too, even if it writes nothing.
  if (lineage.back().from == log_.written()) TRY(take_over(lineage));
  request_sync_after_write();
  return complete_if_due();
}

// A writer of an epoch that the log knows must stay refused when this copy leads.
Status LocalNamespace::copy_epoch(uint64_t epoch) {
  if (epoch <= meta().epoch) return {};
  return change_meta([&](Meta& meta) { meta.epoch = epoch; });
}

Status LocalNamespace::aim_at(Position complete_at) {
  auto lock = TRY(lock_to_copy());
  if (is_complete()) return {};
  if (meta().complete_at != complete_at) TRY(change_meta([&](Meta& meta) { meta.complete_at = complete_at; }));
  return complete_if_due();
}

Status LocalNamespace::complete_if_due() {
  if (is_complete() || log_.written() < meta().complete_at) return {};
  TRY(sync_log());
  TRY(change_meta([](Meta& meta) { meta.complete_at = 0; }));
  is_complete_.store(true, std::memory_order_release);
  return {};
}

Status LocalNamespace::drop_front(Position first, const Totals& baseline) {
  auto lock = TRY(lock_to_copy());
  const Position begin = log_.begin(), end = log_.written();
  if (first <= begin) return {};
  if (first > end) return does_not_fit("its begin lies behind our end");
  if (first == end) TRY(roll_log());
  std::shared_ptr<const Segments> all = log_.segments();
  size_t kept = 0;
  while (kept < all->size() && (*all)[kept]->begin() < first) ++kept;
  if (kept == all->size() || (*all)[kept]->begin() != first) return does_not_fit("its begin lies inside a segment");
  TRY(sync_log());
  // What the log adds up to goes on from the master's word.
  Totals then = ends_[(*all)[kept - 1]->begin()];
  auto shifted = [&](Totals totals) {
    totals.live_bytes += baseline.live_bytes - then.live_bytes;
    totals.next_id += baseline.next_id - then.next_id;
    totals.next_sequence = std::max(totals.next_sequence, baseline.next_sequence);
    return totals;
  };
  TRY(change_meta([&](Meta& meta) {
    meta.first = first;
    meta.baseline = baseline;
    meta.front_at = end;
  }));
  index_.erase_below(first);
  set_totals(shifted(totals()));
  std::erase_if(ends_, [&](const auto& sealed) { return sealed.first < first; });
  for (auto& [sealed, at_end] : ends_) at_end = shifted(at_end);
  return log_.drop_before(first);
}

Status LocalNamespace::copy_settings(const Settings& settings, uint64_t epoch) {
  auto lock = TRY(lock_to_copy());
  Meta now = meta();
  if (encode_settings(now.settings) == encode_settings(settings) && now.epoch >= epoch) return {};
  return change_meta([&](Meta& meta) {
    meta.settings = settings;
    meta.epoch = std::max(meta.epoch, epoch);
  });
}

Result<Position> LocalNamespace::make_durable() {
  TRY(is_usable());
  TRY(sync_log());
  serve_waiting();
  return log_.durable();
}

// --- the end of this object, not of its folder

void LocalNamespace::retire(Error why) {
  disable(std::move(why));
  std::lock_guard checkpoints(checkpointing_);
  std::lock_guard writer(writing_);
  std::lock_guard sync(syncing_);
  static_cast<void>(log_.end_spare());
}

Result<uint64_t> LocalNamespace::copy_to(File& file, Position from) const {
  std::shared_ptr<const Segments> all = log_.segments();
  Bytes buffer(1 << 20, '\0');
  const Position begin = std::max(from, all->front()->begin());
  for (size_t i = 0; i < all->size(); ++i) {
    Position end = i + 1 < all->size() ? (*all)[i + 1]->begin() : log_.written();
    Position segment = (*all)[i]->begin();
    for (Position at = std::max(begin, segment); at < end;) {
      size_t wanted = std::min<uint64_t>(buffer.size(), end - at);
      size_t got = TRY((*all)[i]->file().read(at - segment, buffer.data(), wanted));
      if (got == 0) return make_error(Code::Corrupt, "a segment ends before the log does");
      TRY(file.write(at - begin, BytesView(buffer).substr(0, got)));
      at += got;
    }
  }
  return log_.written() - std::min(begin, log_.written());
}

}  // namespace mcloud::kv
