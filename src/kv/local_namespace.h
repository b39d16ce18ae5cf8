// A namespace on this machine's disk: log, index, settings, and who waits for what to be durable.
#pragma once

#include <atomic>  // flags that readers see without a lock
#include <map>
#include <mutex>  // one writer at a time; settings; who waits

#include "io/loop.h"
#include "kv/batch.h"
#include "kv/index/index.h"
#include "kv/log/log.h"
#include "kv/meta.h"
#include "kv/publication.h"
#include "kv/replica.h"
#include "kv/sweeper.h"
#include "kv/syncer.h"
#include "kv/wall_time.h"

namespace mcloud::kv {

// A part of one segment.
struct SegmentView {
  SegmentPtr segment;
  Position from = 0;
  Position end = 0;  // of the segment's records
};

// Whether the store's namespaces may be written to, and under which term. Shared by all of them.
struct Leadership {
  std::atomic<uint64_t> term{0};
  std::atomic<uint64_t> reign{0};  // another number each time that leading begins; 0: it does not lead
};

class LocalNamespace final : public Namespace,
                             public ReplicaLog,
                             public Syncable,
                             public std::enable_shared_from_this<LocalNamespace> {
 public:
  struct Parts {
    Leadership& leadership;
    Disk& disk;
    Clock& clock;
    WallTime& time;
    Syncer& syncer;
    io::Pool* workers = nullptr;  // for checkpoints; nullptr: they are written by close() only
    uint64_t segment_bytes = 0;
    uint64_t compact_bytes_per_s = 0;
  };
  // Of a folder that has a meta file.
  static Result<std::shared_ptr<LocalNamespace>> open(const Parts& parts, std::string name, std::string folder);

  const std::string& name() const override { return name_; }
  Settings settings() const override;
  Status set_settings(const Settings& settings) override;
  uint64_t now_ms() const override { return parts_.time.now_ms(); }
  Result<std::optional<Entry>> find(std::string_view key) const override;
  Result<std::optional<Entry>> find_brief(std::string_view key) const override;
  bool contains(std::string_view key) const override;
  Result<std::optional<size_t>> read_value(std::string_view key, std::string& to) const override;
  std::optional<uint64_t> quiet_moment() const override { return publication_.quiet_moment(); }
  void prefetch(std::span<const std::string_view> keys) const override;
  Result<Entry> at(Position position) const override;
  Result<std::optional<Entry>> find_version(std::string_view key, uint64_t sequence) const override;
  Result<std::optional<Entry>> find_at_time(std::string_view key, uint64_t time_ms) const override;
  Result<Page> scan(Position from, size_t count, uint64_t time_us) const override;
  Result<Page> scan_back(std::optional<Position> before, size_t count, uint64_t time_us) const override;
  Result<std::unique_ptr<Writer>> writer(uint64_t epoch) override;
  Status see_epoch(uint64_t epoch) override;
  Position durable_position() const override { return log_.durable(); }
  void when_durable(Position position, std::function<void(Status)> then) override;
  Status compact(const std::function<bool(double)>& progress) override;
  Result<std::vector<Fault>> verify(const std::function<bool(double)>& progress) const override;
  Figures figures() const override;
  ReplicaLog& replica() override { return *this; }

  LogState log_state() const override;
  bool is_complete() const override { return is_complete_.load(std::memory_order_acquire); }
  uint64_t changes() const override { return changes_.load(std::memory_order_acquire); }
  Result<LogChunk> read_log(Position from, size_t bytes_max) const override;
  Status take_lineage(const Lineage& lineage) override;
  Status aim_at(Position complete_at) override;
  Status append_log(const LogChunk& chunk, const Lineage& lineage) override;
  Status drop_front(Position first, const Totals& baseline) override;
  Status copy_settings(const Settings& settings, uint64_t epoch) override;
  Result<Position> make_durable() override;

  void sync_now() override;
  void sync_due() override;

  const std::string& folder() const { return folder_; }
  // Everything durable and the checkpoint of the active segment written; nothing is accepted afterwards.
  Status close();
  // Everybody who still holds it gets `why` from every call.
  void disable(Error why);
  // disable(), and nothing of it touches the folder when it returns: it may be opened as another one.
  void retire(Error why);
  // Appends the log from `from` on to `file`; the bytes. Also of one that is retired.
  Result<uint64_t> copy_to(File& file, Position from) const;
  Meta meta() const;
  void wait_for_writer() { std::lock_guard writer(writing_); }
  // All keys and all history.
  Status clear();
  // Writes the checkpoints that sealed and durable segments lack; off the writers' path.
  Status write_checkpoints();

 private:
  friend class LocalWriter;
  friend class Compaction;
  friend class Sweeper;
  friend class RawAppend;

  LocalNamespace(const Parts& parts, std::string name, std::string folder, Meta meta);
  Status is_usable() const;
  Status is_readable() const;  // usable, and a complete copy
  // The writer's lock of a store that leads.
  Result<std::unique_lock<std::mutex>> lock_to_lead();
  // The same, and a generation has begun: what is written now is its.
  Result<std::unique_lock<std::mutex>> lock_to_write();
  Status begin_generation(uint64_t term);
  // The writer's lock of a store that does not lead.
  Result<std::unique_lock<std::mutex>> lock_to_copy();
  Status take_over(const Lineage& lineage);
  Status fit_segment(Position segment);
  Status roll_log();
  Status copy_epoch(uint64_t epoch);
  Status complete_if_due();
  // The record that the index has for `key`, a deletion too; its head is in `head`. Corrupt: `*bad` says where.
  Result<std::optional<Header>> locate(uint64_t hash, std::string_view key, Bytes& head,
                                       std::optional<Position>* bad = nullptr) const;
  // A deletion, or expired by now.
  bool is_absent(const Header& header) const {
    return header.is_deletion || (header.expiry_ms && *header.expiry_ms <= now_ms());
  }
  // find() as of `at_ms`; nullopt: as of now.
  Result<std::optional<Entry>> find_as_of(std::string_view key, std::optional<uint64_t> at_ms) const;
  // Where the version before `header`'s is.
  Result<std::optional<Position>> before(const Header& header) const;
  // From `position`, or from the log's begin if that is later; nullopt: at the log's end.
  std::optional<SegmentView> view_of(Position position) const;
  Result<bool> is_live(const Header& header, BytesView key) const;
  Result<Entry> brief_of(const Header& header, BytesView key) const;  // without the value
  // Live entries of [begin, end), where a record may have begun before `begin`. The first record's place, or `end`.
  Result<Position> collect(const SegmentView& view, Position begin, Position end, std::vector<Entry>& found) const;
  Result<Position> next_sound(const SegmentView& view) const;

  void request_sync_after_write();
  void on_rolled();
  void extend_spare();
  Result<std::optional<Entry>> walk_once(std::string_view key, const std::function<bool(const Header&)>& is_it) const;
  Status sync_log();
  Result<Entry> entry_of(const Header& header, BytesView key) const;
  // Newest first, until `is_it`.
  Result<std::optional<Entry>> walk(std::string_view key, const std::function<bool(const Header&)>& is_it) const;
  void serve_waiting();
  Status change_meta(const std::function<void(Meta&)>& change);
  Status write_checkpoint(const SegmentPtr& segment, uint64_t end, const Totals& totals);
  Totals totals() const;
  void set_totals(const Totals& totals);

  Parts parts_;
  std::string name_;
  std::string folder_;
  uint32_t salt_;
  HashKey hash_;
  Log log_;
  Index index_;
  Publication publication_;

  std::mutex writing_;               // held by the Writer that lives
  Batch batch_;                      // its
  std::map<uint64_t, Totals> ends_;  // its: a sealed segment's begin -> the totals at its end
  std::vector<uint64_t> unchecked_;  // its: sealed segments without checkpoint
  uint64_t begun_ = 0;               // its: the reign in which the last generation was begun
  mutable SpinLock totals_lock_;
  Totals totals_;
  std::atomic<uint64_t> faults_{0};
  std::atomic<uint64_t> expired_keys_{0};

  std::mutex compacting_;     // one compaction at a time
  std::mutex checkpointing_;  // checkpoints are written one after the other
  std::mutex changing_;    // one change of the meta file at a time
  mutable std::mutex meta_mutex_;
  Meta meta_;
  std::optional<Error> disabled_;
  std::atomic<bool> is_disabled_{false};
  std::atomic<Durability> durability_{Durability::Interval};
  std::atomic<uint64_t> interval_ms_{0};
  std::atomic<bool> is_complete_{true};
  std::atomic<uint64_t> changes_{0};
  std::atomic<uint64_t> newest_ms_{0};

  std::mutex syncing_;  // one sync at a time
  Times sync_times_;    // counted under it
  std::mutex waiting_mutex_;
  std::multimap<Position, std::function<void(Status)>> waiting_;
  bool is_sync_requested_ = false;
  std::atomic<bool> is_timer_running_{false};
  std::atomic<bool> is_spare_requested_{false};
  Sweeper sweeper_;
};

}  // namespace mcloud::kv
