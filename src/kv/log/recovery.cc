#include "kv/log/recovery.h"

#include <algorithm>

#include "kv/log/crc32c.h"
#include "kv/log/scan.h"
#include "kv/parallel.h"

namespace mcloud::kv {
namespace {

// One segment and what is known of it.
struct Stretch {
  SegmentPtr segment;
  uint64_t begin = 0;
  uint64_t limit = 0;  // the next segment's begin, or where the file ends
  std::unique_ptr<File> checkpoint_file;
  std::optional<CheckpointHead> checkpoint;
  Scan scan;  // of what the checkpoint does not cover
  uint64_t scanned_from() const { return checkpoint ? checkpoint->end : begin; }
};

class Recovery {
 public:
  Recovery(Disk& disk, const Log::Options& options, const Meta& meta, Index& index)
      : disk_(disk), options_(options), meta_(meta), index_(index) {}

  Result<Recovered> run() {
    TRY(find_segments());
    TRY(in_parallel(stretches_.size(), [&](size_t i) { return look_at(stretches_[i]); }));
    decide();
    TRY(cut());
    TRY(in_parallel(kShards, [&](size_t shard) { return fill(shard); }));
    for (Stretch& stretch : stretches_) {
      for (const auto& soonest : {stretch.scan.soonest_expiry_ms,
                                  stretch.checkpoint ? stretch.checkpoint->soonest_expiry_ms : std::nullopt}) {
        if (!soonest) continue;
        auto [known, is_new] = out_.expiring.emplace(stretch.begin, *soonest);
        known->second = std::min(known->second, *soonest);
      }
      out_.segments.push_back(std::move(stretch.segment));
      out_.scanned_bytes += stretch.limit - std::min(stretch.limit, stretch.scanned_from());
    }
    return std::move(out_);
  }

 private:
  std::string path(const std::string& name) const { return options_.folder + "/" + name; }

  Status find_segments() {
    bool has_removed = false;
    std::vector<uint64_t> begins;
    for (const std::string& name : TRY(disk_.list(options_.folder))) {
      if (auto begin = begin_of_segment_name(name); begin && *begin >= meta_.first) {
        begins.push_back(*begin);
      } else if (begin || begin_of_checkpoint_name(name).value_or(meta_.first) < meta_.first ||
                 name.ends_with(".new")) {
        TRY(disk_.remove(path(name)));
        has_removed = true;
      }
    }
    if (begins.empty()) {
      TRY(disk_.open(path(segment_name(meta_.first)), OpenMode::Create));
      begins.push_back(meta_.first);
      has_removed = true;
    }
    if (has_removed) TRY(disk_.sync_folder(options_.folder));
    for (size_t i = 0; i < begins.size(); ++i) {
      auto file = TRY(disk_.open(path(segment_name(begins[i])), OpenMode::Write));
      uint64_t size = TRY(file->size());
      bool is_last = i + 1 == begins.size();
      Stretch stretch{.begin = begins[i], .limit = is_last ? begins[i] + size : begins[i + 1]};
      uint64_t map_bytes = is_last ? std::max(size, options_.segment_bytes) : stretch.limit - stretch.begin;
      stretch.segment = TRY(Segment::make(std::move(file), begins[i], map_bytes));
      stretches_.push_back(std::move(stretch));
    }
    return {};
  }

  Status look_at(Stretch& stretch) {
    TRY(load_checkpoint(stretch));
    File& file = stretch.segment->file();
    auto source = [&](uint64_t offset, char* to, size_t size) { return file.read(offset, to, size); };
    uint64_t size = std::max(stretch.limit, stretch.scanned_from()) - stretch.begin;
    RecordReader reader(source, stretch.begin, size, options_.salt, stretch.scanned_from());
    stretch.scan = TRY(scan_segment(reader, meta_.hash, meta_.settings.mode));
    return {};
  }

  // A checkpoint that is not sound is no loss: the segment says the same.
  Status load_checkpoint(Stretch& stretch) {
    auto file = disk_.open(path(checkpoint_name(stretch.begin)), OpenMode::Read);
    if (!file.has_value()) return file.error().code == Code::NotFound ? Status() : Status(file.error());
    uint64_t size = TRY((*file)->size());
    Bytes bytes(kCheckpointHeadBytes, '\0');
    bytes.resize(TRY((*file)->read(0, bytes.data(), bytes.size())));
    Result<CheckpointHead> head = parse_checkpoint_head(bytes, stretch.begin, size, options_.salt);
    if (!head.has_value()) return {};
    for (size_t shard = 0; shard < kShards; ++shard) {
      if (crc32c(TRY(read_section(**file, *head, shard))) != head->sections[shard].check) return {};
    }
    stretch.checkpoint = *head;
    stretch.checkpoint_file = std::move(*file);
    return {};
  }

  static Result<Bytes> read_section(File& file, const CheckpointHead& head, size_t shard) {
    Bytes bytes(uint64_t{head.sections[shard].count} * kChangeBytes, '\0');
    bytes.resize(TRY(file.read(head.offset(shard), bytes.data(), bytes.size())));
    return bytes;
  }

  // Where does the log end? At the first place that is no record and that nobody knew to be durable.
  void decide() {
    uint64_t& durable = durable_ = meta_.first;
    for (const Stretch& stretch : stretches_) {
      // Checkpoints are written of what is durable.
      if (stretch.checkpoint) durable = std::max(durable, stretch.checkpoint->end);
      durable = std::max(durable, stretch.scan.durable);
    }
    Totals totals = meta_.baseline;
    const Stretch& newest = stretches_.back();
    if (newest.limit < newest.scanned_from()) out_.faults.push_back({newest.limit, newest.scanned_from()});
    for (size_t i = 0; i < stretches_.size(); ++i) {
      Stretch& stretch = stretches_[i];
      if (stretch.checkpoint) totals = stretch.checkpoint->totals;
      std::vector<Scan::Place> places = stretch.scan.gaps;
      if (i + 1 == stretches_.size() || stretch.scan.end.cut != stretch.scan.end.begin)
        places.push_back(stretch.scan.end);
      for (const Scan::Place& place : places) {
        if (place.begin >= durable) return end_at(i, place, totals, place.cut);
        out_.faults.push_back({place.begin, std::min(place.end, std::max(durable, place.begin))});
        // Durable once and nothing sound behind: positions that were given away are not given again.
        bool is_last = i + 1 == stretches_.size() && place.end >= stretch.limit;
        if (is_last) return end_at(i, place, stretch.scan.sum.applied_to(totals), std::max(durable, place.begin));
      }
      totals = stretch.scan.sum.applied_to(totals);
      out_.ends[stretch.begin] = totals;
      if (stretch.scanned_from() < stretch.limit) out_.without_checkpoint.push_back(stretch.begin);
    }
  }

  void end_at(size_t last, const Scan::Place& place, const Totals& before, uint64_t end) {
    out_.end = end;
    out_.totals = end == place.cut ? place.sum.applied_to(before) : before;
    uint64_t garbage_end = place.is_zero ? place.begin : std::max(stretches_.back().limit, end);
    out_.cut_bytes = garbage_end - std::min(end, garbage_end);
    keep_ = last + 1;
    for (auto& changes : stretches_[last].scan.changes) {
      while (!changes.empty() && changes.back().position >= end) changes.pop_back();
    }
  }

  // From the last segment back, so that a crash in between leaves a log that ends at the same place.
  Status cut() {
    while (stretches_.size() > keep_) {
      uint64_t begin = stretches_.back().begin;
      stretches_.pop_back();
      TRY(disk_.remove(path(checkpoint_name(begin))));
      TRY(disk_.remove(path(segment_name(begin))));
      TRY(disk_.sync_folder(options_.folder));
    }
    Stretch& last = stretches_.back();
    TRY(last.segment->file().truncate(out_.end - last.begin));
    last.limit = out_.end;
    for (Stretch& stretch : stretches_) {
      // Whoever wrote it may have died before a sync.
      bool is_scanned = stretch.limit > stretch.scanned_from();
      TRY(write_again(stretch));
      if (is_scanned || &stretch == &last) TRY(stretch.segment->file().sync());
    }
    return disk_.sync_folder(options_.folder);
  }

  // If a sync has failed before, the kernel may still show what never reached the disk and believe that it did: only a
  // write makes a later sync mean something for it.
  Status write_again(Stretch& stretch) {
    Bytes buffer(1 << 20, '\0');
    File& file = stretch.segment->file();
    for (uint64_t at = std::max(durable_, stretch.begin); at < stretch.limit;) {
      size_t got =
          TRY(file.read(at - stretch.begin, buffer.data(), std::min<uint64_t>(buffer.size(), stretch.limit - at)));
      if (got == 0) break;
      TRY(file.write(at - stretch.begin, BytesView(buffer).substr(0, got)));
      at += got;
    }
    return {};
  }

  Status fill(size_t shard) {
    for (const Stretch& stretch : stretches_) {
      if (stretch.checkpoint) {
        Bytes section = TRY(read_section(*stretch.checkpoint_file, *stretch.checkpoint, shard));
        for (const Change& change : TRY(parse_section(*stretch.checkpoint, shard, section))) TRY(apply(change));
      }
      for (const Change& change : stretch.scan.changes[shard]) TRY(apply(change));
    }
    return {};
  }

  Status apply(const Change& change) {
    Place place{change.position, change.is_deletion};
    if (change.previous && *change.previous >= meta_.first) {
      if (index_.replace(change.hash, *change.previous, place)) return {};
      // The version before was lost; an older one may hold the slot. Rare, so the keys themselves are compared.
      if (auto same = TRY(older_of(change))) {
        index_.replace(change.hash, *same, place);
        return {};
      }
    }
    index_.put(change.hash, std::nullopt, place);
    return {};
  }

  Result<std::optional<uint64_t>> older_of(const Change& change) {
    Index::Candidates candidates = index_.candidates(change.hash);
    if (candidates.count == 0) return std::optional<uint64_t>();
    Bytes key = TRY(key_at(change.position));
    for (const Place& candidate : candidates) {
      if (TRY(key_at(candidate.position)) == key) return std::optional<uint64_t>(candidate.position);
    }
    return std::optional<uint64_t>();
  }

  // Empty: its head is not sound.
  Result<Bytes> key_at(uint64_t position) {
    auto after = std::upper_bound(stretches_.begin(), stretches_.end(), position,
                                  [](uint64_t at, const Stretch& stretch) { return at < stretch.begin; });
    Bytes bytes(kHeadBytesMax, '\0');
    const Stretch& stretch = *std::prev(after);
    bytes.resize(TRY(stretch.segment->file().read(position - stretch.begin, bytes.data(), bytes.size())));
    std::optional<Header> header = parse_header(bytes, position);
    if (!header || !head_is_sound(*header, bytes, options_.salt)) return Bytes();
    return bytes.substr(kHeaderBytes, header->key_bytes);
  }

  Disk& disk_;
  const Log::Options& options_;
  const Meta& meta_;
  Index& index_;
  std::vector<Stretch> stretches_;
  size_t keep_ = 0;
  uint64_t durable_ = 0;  // somebody knew the log to be durable up to here
  Recovered out_;
};

}  // namespace

Result<Recovered> recover_log(Disk& disk, const Log::Options& options, const Meta& meta, Index& index) {
  return Recovery(disk, options, meta, index).run();
}

}  // namespace mcloud::kv
