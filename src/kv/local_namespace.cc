#include "kv/local_namespace.h"

#include <algorithm>

#include "base/log.h"
#include "kv/local_writer.h"
#include "kv/log/recovery.h"
#include "kv/log/scan.h"
#include "kv/planted.h"

namespace mcloud::kv {

LocalNamespace::LocalNamespace(const Parts& parts, std::string name, std::string folder, Meta meta)
    : parts_(parts),
      name_(std::move(name)),
      folder_(std::move(folder)),
      salt_(meta.salt),
      hash_(meta.hash),
      log_(parts.disk, {folder_, parts.segment_bytes, meta.salt}),
      meta_(std::move(meta)),
      sweeper_(*this) {
  durability_ = meta_.settings.durability;
  interval_ms_ = meta_.settings.interval_ms;
}

Result<std::shared_ptr<LocalNamespace>> LocalNamespace::open(const Parts& parts, std::string name, std::string folder) {
  Meta meta = TRY(load_meta(parts.disk, folder));
  std::shared_ptr<LocalNamespace> made(new LocalNamespace(parts, std::move(name), std::move(folder), std::move(meta)));
  Recovered found = TRY(recover_log(parts.disk, made->log_.options(), made->meta_, made->index_));
  for (const Recovered::Fault& fault : found.faults) {
    log::error("kv", "the log is damaged and this part of it is skipped",
               {{"namespace", made->name_}, {"from", std::to_string(fault.begin)}, {"to", std::to_string(fault.end)}});
  }
  if (found.cut_bytes > 0) {
    log::info(
        "kv", "a torn end of the log is cut off",
        {{"namespace", made->name_}, {"at", std::to_string(found.end)}, {"bytes", std::to_string(found.cut_bytes)}});
  }
  made->faults_ = found.faults.size();
  made->totals_ = found.totals;
  made->ends_ = std::move(found.ends);
  made->unchecked_ = std::move(found.without_checkpoint);
  made->log_.start(std::move(found.segments), found.end);
  made->meta_.front_at = found.end;
  // What the log has lost, its lineage must not say of what will stand there.
  if (Lineage true_now = trimmed(made->meta_.lineage, found.end); true_now != made->meta_.lineage) {
    made->meta_.lineage = std::move(true_now);
    TRY(save_meta(parts.disk, made->folder_, made->meta_));
  }
  made->is_complete_ = found.end >= made->meta_.complete_at;
  made->sweeper_.start(found.expiring);
  return made;
}

Status LocalNamespace::is_usable() const {
  if (!is_disabled_.load(std::memory_order_acquire)) return {};
  std::lock_guard guard(meta_mutex_);
  return *disabled_;
}

Status LocalNamespace::is_readable() const {
  TRY(is_usable());
  if (is_complete()) return {};
  return make_error(Code::Unavailable, std::string(kLoading));
}

void LocalNamespace::disable(Error why) {
  {
    std::lock_guard guard(meta_mutex_);
    disabled_ = std::move(why);
  }
  is_disabled_.store(true, std::memory_order_release);
  serve_waiting();
}

Meta LocalNamespace::meta() const {
  std::lock_guard guard(meta_mutex_);
  return meta_;
}

Settings LocalNamespace::settings() const { return meta().settings; }

// On the disk first, then in memory: what anybody has seen survives.
Status LocalNamespace::change_meta(const std::function<void(Meta&)>& change) {
  std::lock_guard one(changing_);
  TRY(is_usable());
  Meta changed = meta();
  change(changed);
  TRY(save_meta(parts_.disk, folder_, changed));
  std::lock_guard guard(meta_mutex_);
  meta_ = std::move(changed);
  changes_.fetch_add(1, std::memory_order_release);
  durability_ = meta_.settings.durability;
  interval_ms_ = meta_.settings.interval_ms;
  return {};
}

Status LocalNamespace::set_settings(const Settings& settings) {
  std::unique_lock writer = TRY(lock_to_lead());
  if (settings.mode != this->settings().mode && totals().next_sequence != 1) {
    return make_error(Code::Conflict, "the mode of a namespace that has been written to cannot change");
  }
  TRY(change_meta([&](Meta& meta) { meta.settings = settings; }));
  is_timer_running_ = false;  // the one that runs may be set to an interval that is longer
  return {};
}

Status LocalNamespace::see_epoch(uint64_t epoch) {
  // Behind the writer that lives: none with a lower epoch writes after this has returned.
  std::unique_lock writer = TRY(lock_to_lead());
  uint64_t seen = meta().epoch;
  if (epoch < seen)
    return make_error(Code::Denied,
                      "epoch " + std::to_string(epoch) + " is over: " + std::to_string(seen) + " has been seen");
  if (epoch == seen) return is_usable();
  return change_meta([&](Meta& meta) { meta.epoch = epoch; });
}

Result<std::unique_ptr<Writer>> LocalNamespace::writer(uint64_t epoch) {
  std::unique_lock lock = TRY(lock_to_write());
  LocalWriter::Rules rules;
  {
    std::lock_guard guard(meta_mutex_);
    rules = {meta_.epoch, meta_.settings.mode, meta_.settings.is_write_once, meta_.settings.bytes_max};
  }
  if (epoch < rules.epoch && !planted::kNoEpoch) {
    return make_error(Code::Denied,
                      "epoch " + std::to_string(epoch) + " is over: " + std::to_string(rules.epoch) + " has been seen");
  }
  if (epoch > rules.epoch) TRY(change_meta([&](Meta& meta) { meta.epoch = epoch; }));
  rules.epoch = epoch;
  return std::make_unique<LocalWriter>(*this, std::move(lock), rules);
}

Totals LocalNamespace::totals() const {
  std::lock_guard guard(totals_lock_);
  return totals_;
}

void LocalNamespace::set_totals(const Totals& totals) {
  std::lock_guard guard(totals_lock_);
  totals_ = totals;
}

Figures LocalNamespace::figures() const {
  Totals totals = this->totals();
  Figures figures{.keys = index_.keys(),
                  .live_bytes = totals.live_bytes,
                  .log_bytes = log_.bytes_on_disk(),
                  .index_bytes = index_.bytes(),
                  .next_sequence = totals.next_sequence,
                  .next_id = totals.next_id,
                  .end = log_.written(),
                  .durable = log_.durable(),
                  .epoch = meta().epoch,
                  .expired_keys = expired_keys_,
                  .expiring = sweeper_.waiting(),
                  .corrupt_records = faults_};
  if (auto failed = log_.failure()) figures.failure = failed->message;
  sync_times_.add_to(figures.syncs);
  return figures;
}

// --- durability

void LocalNamespace::request_sync_after_write() {
  Durability durability = durability_;
  if (durability == Durability::Always && log_.wants_spare()) extend_spare();
  if (durability == Durability::None || is_timer_running_.exchange(true)) return;
  // Three quarters: the sync itself takes time, and what it serves must not be older than the interval.
  parts_.syncer.request_after(weak_from_this(), std::max<uint64_t>(1, interval_ms_ * 3 / 4));
}

void LocalNamespace::when_durable(Position position, std::function<void(Status)> then) {
  bool is_first = false;
  {
    std::lock_guard guard(waiting_mutex_);
    waiting_.emplace(position, std::move(then));
    is_first = !std::exchange(is_sync_requested_, true);
  }
  if (is_first) parts_.syncer.request(weak_from_this());
}

void LocalNamespace::sync_due() {
  is_timer_running_ = false;
  sync_now();
}

void LocalNamespace::sync_now() {
  {
    std::lock_guard guard(waiting_mutex_);
    is_sync_requested_ = false;
  }
  // Its outcome is in the log's failure(), which everybody who waits is told.
  static_cast<void>(sync_log());
  serve_waiting();
}

Status LocalNamespace::sync_log() {
  std::lock_guard one(syncing_);
  bool is_needed = log_.written() != log_.durable();
  uint64_t begin_us = parts_.clock.monotonic_us();
  Status done = log_.sync();
  if (is_needed && done.has_value()) sync_times_.add(parts_.clock.monotonic_us() - begin_us);
  return done;
}

void LocalNamespace::serve_waiting() {
  std::vector<std::pair<std::function<void(Status)>, Status>> served;
  {
    std::lock_guard guard(waiting_mutex_);
    Status usable = is_usable();
    std::optional<Error> failed = log_.failure();
    Position durable = log_.durable();
    Position written = log_.written();
    for (auto next = waiting_.begin(); next != waiting_.end();) {
      Status outcome;
      if (next->first > durable) {
        if (failed)
          outcome = *failed;
        else if (!usable.has_value())
          outcome = usable;
        else if (next->first > written)
          outcome = make_error(Code::Invalid, "nothing was written there");
        else
          break;
      }
      served.emplace_back(std::move(next->second), std::move(outcome));
      next = waiting_.erase(next);
    }
    // Written while the disk was busy: the next sync is theirs.
    if (!waiting_.empty() && !is_sync_requested_) {
      is_sync_requested_ = true;
      parts_.syncer.request(weak_from_this());
    }
  }
  for (auto& [then, outcome] : served) then(std::move(outcome));
}

// --- checkpoints, the end

Status LocalNamespace::write_checkpoint(const SegmentPtr& segment, uint64_t end, const Totals& totals) {
  auto source = [&](uint64_t offset, char* to, size_t size) { return segment->file().read(offset, to, size); };
  RecordReader reader(source, segment->begin(), end - segment->begin(), salt_, segment->begin());
  Scan scan = TRY(scan_segment(reader, hash_, settings().mode));
  // A damaged segment is looked at again at each open, and reported each time.
  if (!scan.gaps.empty()) return {};
  std::vector<Change> changes;
  changes.reserve(scan.records);
  for (auto& part : scan.changes) changes.insert(changes.end(), part.begin(), part.end());
  return replace_file(parts_.disk, folder_, checkpoint_name(segment->begin()),
                      encode_checkpoint(segment->begin(), end, totals, changes, salt_, scan.soonest_expiry_ms));
}

// Without space for it the next segment does without.
void LocalNamespace::extend_spare() {
  if (parts_.workers == nullptr) return static_cast<void>(log_.extend_spare());
  if (is_spare_requested_.exchange(true)) return;
  bool is_taken = parts_.workers->submit([weak = weak_from_this()] {
    auto space = weak.lock();
    if (!space) return;
    static_cast<void>(space->log_.extend_spare());
    space->is_spare_requested_ = false;
  });
  if (!is_taken) is_spare_requested_ = false;
}

void LocalNamespace::on_rolled() {
  if (parts_.workers == nullptr) return;
  // Refused when too much waits already: close() writes what is missing, and opening does without.
  static_cast<void>(parts_.workers->submit([weak = weak_from_this()] {
    auto space = weak.lock();
    if (!space) return;
    Status done = space->write_checkpoints();
    if (!done.has_value()) {
      log::warning("kv", "no index checkpoint, so the next opening takes longer",
                   {{"namespace", space->name_}, {"error", done.error().message}});
    }
  }));
}

Status LocalNamespace::write_checkpoints() {
  std::lock_guard one(checkpointing_);
  TRY(is_usable());
  std::vector<uint64_t> unchecked;
  std::map<uint64_t, Totals> ends;
  {
    std::lock_guard writer(writing_);
    unchecked.swap(unchecked_);
    if (!unchecked.empty()) ends = ends_;
  }
  if (unchecked.empty()) return {};
  TRY(sync_log());
  std::shared_ptr<const Segments> all = log_.segments();
  for (size_t i = 0; i + 1 < all->size(); ++i) {
    uint64_t begin = (*all)[i]->begin();
    if (std::find(unchecked.begin(), unchecked.end(), begin) == unchecked.end() || !ends.contains(begin)) continue;
    TRY(write_checkpoint((*all)[i], (*all)[i + 1]->begin(), ends[begin]));
  }
  return {};
}

Status LocalNamespace::close() {
  TRY(write_checkpoints());
  std::lock_guard writer(writing_);
  TRY(sync_log());
  SegmentPtr active = log_.segments()->back();
  if (log_.written() > active->begin()) TRY(write_checkpoint(active, log_.written(), totals()));
  return log_.trim();
}

Status LocalNamespace::clear() {
  std::unique_lock writer = TRY(lock_to_write());
  Position end = log_.written();
  if (end == log_.begin()) return {};
  if (log_.segments()->back()->begin() != end) TRY(log_.roll());
  TRY(sync_log());
  Totals totals = this->totals();
  totals.live_bytes = 0;
  totals.next_id = 0;
  TRY(change_meta([&](Meta& meta) {
    meta.first = end;
    meta.baseline = totals;
    meta.front_at = end;
  }));
  index_.clear();
  sweeper_.clear();
  set_totals(totals);
  ends_.clear();
  unchecked_.clear();
  return log_.drop_before(end);
}

}  // namespace mcloud::kv
