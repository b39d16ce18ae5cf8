#include "kv/sweeper.h"

#include <bit>

#include "kv/local_writer.h"

namespace mcloud::kv {
namespace {

constexpr size_t kQueueItems = 1 << 16;      // 3 MiB at most
constexpr size_t kSliceDeletions = 512;      // how many are written while writers wait
constexpr size_t kSliceRecords = 8192;       // how many are looked at before others get the worker
constexpr uint64_t kSoonMs = 100;            // what expires together is removed together
constexpr uint64_t kPauseMs = 1'000;         // between two sweeps: a disk is not woken for each key
constexpr uint64_t kRefusedPauseMs = 10'000; // nobody may write here, or the disk is full

}  // namespace

Sweeper::Sweeper(LocalNamespace& space) : space_(space), queue_(kQueueItems) {}

bool Sweeper::is_live(const ExpiryQueue::Item& item) const {
  return space_.index_.is_live_at(item.hash, item.position);
}

void Sweeper::start(const std::map<uint64_t, uint64_t>& expiring) {
  if (expiring.empty()) return;
  {
    std::lock_guard guard(mutex_);
    for (auto [begin, soonest_ms] : expiring) {
      segments_.insert(begin);
      queue_.expect(soonest_ms);
    }
  }
  arm(kPauseMs);
}

void Sweeper::add(const Header& header, uint64_t hash) {
  SegmentPtr segment = space_.log_.segment_of(header.position);
  if (!segment) return;
  {
    std::lock_guard guard(mutex_);
    segments_.insert(segment->begin());
    queue_.add({*header.expiry_ms, header.position, hash}, [this](const auto& item) { return is_live(item); });
  }
  arm(kSoonMs);
}

void Sweeper::clear() {
  std::lock_guard guard(mutex_);
  queue_.clear();
  segments_.clear();
}

size_t Sweeper::waiting() const {
  std::lock_guard guard(mutex_);
  return queue_.size();
}

// --- when

// Wakes at the latest when something expires, at the earliest after half of that time: so few timers are ever set.
void Sweeper::arm(uint64_t least_ms) {
  uint64_t delay_ms = 0;
  {
    std::lock_guard guard(mutex_);
    std::optional<uint64_t> next_ms = queue_.next_ms();
    if (!next_ms) return;
    uint64_t now_ms = space_.now_ms();
    delay_ms = std::bit_floor(std::max(*next_ms - std::min(now_ms, *next_ms), least_ms));
    uint64_t due_ms = space_.parts_.clock.monotonic_ms() + delay_ms;
    if (!timers_.empty() && *timers_.begin() <= due_ms) return;
    timers_.insert(due_ms);
  }
  std::shared_ptr<LocalNamespace> self = space_.shared_from_this();
  space_.parts_.syncer.request_after(std::shared_ptr<Syncable>(self, this), delay_ms);
}

void Sweeper::sync_due() {
  {
    std::lock_guard guard(mutex_);
    timers_.erase(timers_.begin(), timers_.upper_bound(space_.parts_.clock.monotonic_ms()));
  }
  go_on();
}

// Slice by slice on the worker, so that others get their turn; where there is none, at once.
void Sweeper::go_on() {
  if (!space_.is_usable().has_value()) return;
  if (space_.parts_.workers == nullptr) return arm(sweep().has_value() ? kPauseMs : kRefusedPauseMs);
  bool is_taken = space_.parts_.workers->submit([weak = space_.weak_from_this(), this] {
    std::shared_ptr<LocalNamespace> self = weak.lock();
    if (self && self->is_usable().has_value()) run_slice();
  });
  if (!is_taken) arm(kPauseMs);
}

void Sweeper::run_slice() {
  Result<bool> has_more = false;
  {
    std::unique_lock one(sweeping_, std::try_to_lock);
    if (one.owns_lock()) has_more = sweep_slice();
  }
  if (has_more.has_value() && *has_more) return go_on();
  arm(has_more.has_value() ? kPauseMs : kRefusedPauseMs);
}

Status Sweeper::sweep() {
  std::lock_guard one(sweeping_);
  while (TRY(sweep_slice())) {
  }
  return {};
}

// --- what

Result<bool> Sweeper::sweep_slice() {
  uint64_t now_ms = space_.now_ms();
  std::vector<ExpiryQueue::Item> due;
  {
    std::lock_guard guard(mutex_);
    if (!walk_ && queue_.next_ms().value_or(~uint64_t{0}) > now_ms) return false;
  }
  // Where nobody may write nothing is read either.
  TRY(space_.writer(space_.meta().epoch));
  {
    std::lock_guard guard(mutex_);
    if (!walk_) due = queue_.take(now_ms, kSliceDeletions);
    if (!walk_ && due.empty() && queue_.is_incomplete_at(now_ms)) begin_walk();
  }
  if (walk_) {
    TRY(walk_slice());
    return true;
  }
  Status done = remove(due);
  if (done.has_value()) return true;
  std::lock_guard guard(mutex_);
  for (const ExpiryQueue::Item& item : due) queue_.add(item, [this](const auto& other) { return is_live(other); });
  return done.error();
}

Status Sweeper::remove(std::vector<ExpiryQueue::Item> due) {
  std::erase_if(due, [&](const ExpiryQueue::Item& item) { return !is_live(item); });
  if (due.empty()) return {};
  std::unique_ptr<Writer> writer = TRY(space_.writer(space_.meta().epoch));
  for (const ExpiryQueue::Item& item : due) TRY(static_cast<LocalWriter&>(*writer).expire(item.hash, item.position));
  return writer->flush();
}

// What is written behind the end of the walk comes to the queue by itself, and so does what is seen only now: a writer
// points the index to a record before it calls add().
void Sweeper::begin_walk() {
  queue_.clear();
  walk_ = Walk{.at = space_.log_.begin(), .end = space_.log_.written(), .segment = {}, .has_live = false};
}

Status Sweeper::walk_slice() {
  Bytes head;
  for (size_t looked = 0; looked < kSliceRecords; ++looked) {
    std::optional<SegmentView> view;
    if (walk_->at < walk_->end) view = space_.view_of(walk_->at);
    if (walk_->segment && (!view || view->segment->begin() != *walk_->segment)) end_segment();
    if (!view) {
      walk_.reset();
      return {};
    }
    walk_->at = view->from;
    if (!enter(view->segment->begin())) {
      walk_->at = view->end;
      continue;
    }
    Result<Header> header = space_.log_.read_head(view->from, head);
    if (header.has_value()) {
      look_at(*header, BytesView(head).substr(kHeaderBytes));
      walk_->at = header->end();
    } else if (header.error().code == Code::Corrupt || header.error().code == Code::NotFound) {
      walk_->at = TRY(space_.next_sound(*view));
    } else {
      return header.error();
    }
  }
  return {};
}

// False: nothing in the segment expires.
bool Sweeper::enter(uint64_t segment) {
  std::lock_guard guard(mutex_);
  if (!segments_.contains(segment)) return false;
  walk_->segment = segment;
  return true;
}

void Sweeper::look_at(const Header& header, BytesView key) {
  if (!header.expiry_ms) return;
  ExpiryQueue::Item item{*header.expiry_ms, header.position, hash_key(space_.hash_, key)};
  if (!is_live(item)) return;
  walk_->has_live = true;
  std::lock_guard guard(mutex_);
  queue_.add(item, [this](const auto& other) { return is_live(other); });
}

void Sweeper::end_segment() {
  uint64_t segment = *std::exchange(walk_->segment, std::nullopt);
  bool has_live = std::exchange(walk_->has_live, false);
  if (has_live || segment == space_.log_.segments()->back()->begin()) return;
  std::lock_guard guard(mutex_);
  segments_.erase(segment);
}

}  // namespace mcloud::kv
