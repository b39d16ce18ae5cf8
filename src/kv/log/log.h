// A namespace's log as an endless sequence of bytes over its segments: append, read, sync.
//
// One thread at a time appends and rolls (the namespace's writer); any thread reads; one thread at a time syncs.
#pragma once

#include <atomic>  // readers see the end without the writer's lock
#include <memory>
#include <mutex>  // guards the list of what a sync has to do
#include <optional>
#include <span>
#include <vector>

#include "kv/log/record.h"
#include "kv/log/segment.h"
#include "kv/spin_lock.h"

namespace mcloud::kv {

using Segments = std::vector<SegmentPtr>;  // by position; the last one is written to

class Log {
 public:
  struct Options {
    std::string folder;
    uint64_t segment_bytes = 0;
    uint32_t salt = 0;
  };
  Log(Disk& disk, Options options) : disk_(disk), options_(std::move(options)) {}

  // What recovery found: at least one segment; the log ends at `end`, and all of it is durable.
  void start(Segments segments, uint64_t end);

  uint64_t begin() const { return segments()->front()->begin(); }
  uint64_t written() const { return written_.load(std::memory_order_acquire); }
  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  std::shared_ptr<const Segments> segments() const;
  uint64_t bytes_on_disk() const { return written() - begin(); }
  const Options& options() const { return options_; }

  // --- the writer's
  // At written(). After an error nothing of it is in the log, and what is left of it on the disk is removed first.
  Status append(BytesView batch);
  // Should a new segment begin before `more` bytes are appended?
  bool is_full(uint64_t more) const;
  // Begins a new segment at written().
  Status roll();
  // The next segment is allocated and zeroed ahead, in step with the filling of this one: a sync into such space writes
  // no metadata, and the work comes in small pieces. True: extend_spare() has something to do.
  bool wants_spare() const;
  // Any thread, beside the writer.
  Status extend_spare();
  // Gives back what is allocated behind the end and ahead.
  Status trim();
  // Gives back what is allocated ahead, and nothing is any more.
  Status end_spare();

  // --- any thread's
  // The record at `position`; its head is checked. `buffer` gets header and key. NotFound: dropped.
  Result<Header> read_head(uint64_t position, Bytes& buffer) const;
  // Appends the value to `to`. Corrupt when its check fails.
  Status read_value(const Header& header, Bytes& to) const;
  // A hint that the records at `positions` are read soon.
  void prefetch(std::span<const uint64_t> positions) const;
  // nullptr: dropped, or never written.
  SegmentPtr segment_of(uint64_t position) const;

  // Makes what is written now durable. An error is final: what the disk forgot once cannot be believed again.
  Status sync();
  std::optional<Error> failure() const;

  // Drops all segments that end at or before `position`.
  Status drop_before(uint64_t position);

 private:
  Status clean_tail();
  Result<SegmentPtr> make_segment(const std::string& path, uint64_t begin);
  void fail(const Error& why);
  // The file of a new segment: the spare one if there is one. Its name is not yet durable.
  Result<std::unique_ptr<File>> take_file(const std::string& path);
  std::string spare_path() const { return options_.folder + "/spare.new"; }
  void publish(Segments segments);

  Disk& disk_;
  Options options_;
  mutable SpinLock segments_lock_;
  std::shared_ptr<const Segments> segments_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> durable_{0};
  bool is_tail_dirty_ = false;  // the writer's: an append failed, parts of it may be behind written()

  std::mutex spare_mutex_;
  std::unique_ptr<File> spare_;
  std::atomic<uint64_t> spare_bytes_{0};

  mutable std::mutex sync_mutex_;
  Segments unsynced_;  // sealed since the last sync
  bool is_folder_unsynced_ = false;
  std::optional<Error> failure_;
};

}  // namespace mcloud::kv
