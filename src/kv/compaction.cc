// The compacting half of LocalNamespace.
//
// Always the oldest segment goes: what the history policy keeps of it is copied to the head of the log, then the
// segment is dropped, so the log stays one stretch and nothing older can be behind what is dropped. Of a key, all
// versions that are kept are copied together, oldest first, as one transaction: the first copy's `previous` is the
// newest record that the key had, so whoever replays the log replaces the right one, and whoever follows `previous`
// leaves out what does not get older (LocalNamespace::before).
#include <chrono>
#include <thread>  // the throttle: sleeps between slices, on the caller's thread

#include "base/log.h"
#include "kv/local_namespace.h"
#include "kv/local_writer.h"
#include "kv/log/reader.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kChainBytesMax = 64 << 20;
constexpr uint64_t kSliceBytes = 256 << 10;  // how much is looked at while writers wait

}  // namespace

class Compaction {
 public:
  Compaction(LocalNamespace& space, const std::function<bool(double)>& progress)
      : space_(space), history_(space.settings().history), progress_(progress) {}

  Status run() {
    // What has expired counts as deleted from now on.
    TRY(space_.sweeper_.sweep());
    size_t victims = TRY(count_victims());
    for (size_t i = 0; i < victims; ++i) {
      TRY(space_.is_usable());
      std::shared_ptr<const Segments> all = space_.log_.segments();
      if (all->size() < 2) TRY(seal());
      all = space_.log_.segments();
      TRY(move_out((*all)[0], (*all)[1]->begin()));
      TRY(drop((*all)[0]->begin(), (*all)[1]->begin()));
      TRY(tell(static_cast<double>(i + 1) / static_cast<double>(victims)));
    }
    return {};
  }

 private:
  Status tell(double done) {
    if (progress_ && !progress_(done)) return make_error(Code::Cancelled, "compaction was stopped");
    return {};
  }

  RecordReader reader_of(const SegmentPtr& segment, Position end) const {
    auto source = [segment](uint64_t offset, char* to, size_t size) { return segment->file().read(offset, to, size); };
    return {source, segment->begin(), end - segment->begin(), space_.salt_, segment->begin()};
  }

  // Segments from the oldest to the newest that has something to drop; with all of it kept, copying gains nothing.
  Result<size_t> count_victims() {
    std::shared_ptr<const Segments> all = space_.log_.segments();
    for (size_t i = all->size(); i > 0; --i) {
      Position end = i < all->size() ? (*all)[i]->begin() : space_.log_.written();
      RecordReader reader = reader_of((*all)[i - 1], end);
      while (true) {
        RecordReader::Item item = TRY(reader.next());
        if (item.kind == RecordReader::Item::Kind::End) break;
        TRY(throttle(item.end - item.begin));
        if (!item.header) return i;
        Bytes key(item.key);
        if (!TRY(is_kept(*item.header, key))) return i;
      }
    }
    return size_t{0};
  }

  Result<bool> is_kept(const Header& header, BytesView key) {
    for (const Header& kept : TRY(kept_versions(key))) {
      if (kept.position == header.position) return true;
    }
    return false;
  }

  // Newest first.
  Result<std::vector<Header>> kept_versions(BytesView key) {
    std::vector<Header> kept;
    Bytes head;
    std::optional<Header> version = TRY(space_.locate(hash_key(space_.hash_, key), key, head));
    uint64_t now = space_.parts_.clock.wall_ms();
    uint64_t since = now - std::min(now, history_.amount);
    while (version) {
      kept.push_back(*version);
      bool is_enough =
          history_.keep == History::Keep::LastVersions ? kept.size() >= history_.amount : version->time_ms < since;
      if (is_enough) break;
      std::optional<Position> older = TRY(space_.before(*version));
      if (!older) break;
      version = TRY(space_.log_.read_head(*older, head));
    }
    // A deletion with nothing behind it says what no record says as well, and so does what had expired by then.
    bool is_by_time = history_.keep == History::Keep::NewerThan;
    while (!kept.empty()) {
      bool is_over = kept.size() > 1 && is_by_time && kept.back().is_expired(since);
      if (!kept.back().is_deletion && !is_over) break;
      kept.pop_back();
    }
    return kept;
  }

  Status move_out(const SegmentPtr& segment, Position end) {
    forgotten_.clear();
    RecordReader reader = reader_of(segment, end);
    bool is_done = false;
    while (!is_done) {
      uint64_t looked = 0;
      {
        LocalWriter writer(space_, TRY(space_.lock_to_write()), {});
        while (!is_done && looked < kSliceBytes) {
          RecordReader::Item item = TRY(reader.next());
          is_done = item.kind == RecordReader::Item::Kind::End;
          looked += item.end - item.begin;
          if (is_done || !item.header) continue;  // what is no record was reported when it was found
          TRY(move_chain(writer, *item.header, Bytes(item.key), end));
        }
        TRY(writer.flush());
      }
      TRY(throttle(looked));
    }
    return space_.sync_log();
  }

  Status move_chain(LocalWriter& writer, const Header& record, const Bytes& key, Position end) {
    uint64_t hash = hash_key(space_.hash_, key);
    // What the writer holds back is not in the log yet, and the log is what versions are read from.
    if (writer.has_unwritten(hash, key)) TRY(writer.flush());
    std::vector<Header> kept = TRY(kept_versions(key));
    if (kept.empty()) {
      forgotten_.push_back({hash, record.position});
      return {};
    }
    bool is_touched = false;
    uint64_t bytes = 0;
    for (const Header& version : kept) {
      is_touched |= version.position < end;
      bytes += version.record_bytes();
    }
    if (!is_touched) return {};
    if (bytes > kChainBytesMax) {
      return make_error(Code::Exhausted, "the versions of one key that are to be kept have more than 64 MiB together");
    }
    Bytes head;
    std::optional<Header> newest = TRY(space_.locate(hash, key, head));
    return writer.move(kept, key, *newest);
  }

  // From here on the log begins behind the segment, in this life and in every later one.
  Status drop(Position begin, Position end) {
    std::unique_lock writer = TRY(space_.lock_to_write());
    Totals baseline = space_.ends_[begin];
    TRY(space_.change_meta([&](Meta& meta) {
      meta.first = end;
      meta.baseline = baseline;
      meta.front_at = space_.log_.written();
    }));
    for (auto [hash, position] : forgotten_) space_.index_.erase(hash, position);
    TRY(space_.log_.drop_before(end));
    space_.ends_.erase(begin);
    return {};
  }

  Status seal() {
    LocalWriter writer(space_, TRY(space_.lock_to_write()), {});
    return writer.roll();
  }

  Status throttle(uint64_t bytes) {
    owed_bytes_ += bytes;
    uint64_t rate = space_.parts_.compact_bytes_per_s;
    if (rate == 0 || owed_bytes_ < std::max<uint64_t>(rate / 50, kSliceBytes)) return {};
    auto pause = std::chrono::microseconds(owed_bytes_ * 1'000'000 / rate);
    owed_bytes_ = 0;
    if (pause.count() > 100) std::this_thread::sleep_for(pause);
    return tell(0);
  }

  LocalNamespace& space_;
  History history_;
  const std::function<bool(double)>& progress_;
  uint64_t owed_bytes_ = 0;
  std::vector<std::pair<uint64_t, Position>> forgotten_;  // deletions that nothing needs any more
};

Status LocalNamespace::compact(const std::function<bool(double)>& progress) {
  TRY(is_usable());
  std::unique_lock one(compacting_, std::try_to_lock);
  if (!one.owns_lock()) return make_error(Code::Conflict, "the namespace is being compacted already");
  if (settings().history.keep == History::Keep::Forever) return {};
  return Compaction(*this, progress).run();
}

}  // namespace mcloud::kv
