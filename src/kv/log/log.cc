#include "kv/log/log.h"

#include <algorithm>

#include "kv/log/crc32c.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kSpareStepBytes = 2 << 20;
constexpr size_t kPrefetchBytes = 256;  // head, key and a small value; of a large one the processor sees what is next

constexpr size_t kCheckedBytes = 32 << 10;  // copied and then checked while they are in the processor's first cache

// As resize(), without zeros: what is new is written at once. (libstdc++ 12 offers more than was asked for.)
void grow(Bytes& bytes, size_t size) {
  bytes.resize_and_overwrite(size, [size](char*, size_t) { return size; });
}

// nullptr: dropped.
const SegmentPtr* find_segment(const Segments& all, uint64_t position) {
  auto after = std::upper_bound(all.begin(), all.end(), position,
                                [](uint64_t at, const SegmentPtr& segment) { return at < segment->begin(); });
  return after == all.begin() ? nullptr : &*std::prev(after);
}

Error gone(uint64_t position) {
  return make_error(Code::NotFound, "no record at " + std::to_string(position) + " of the log");
}

Error corrupt(uint64_t position, std::string_view what) {
  return make_error(Code::Corrupt, "record at " + std::to_string(position) + " of the log: " + std::string(what));
}

}  // namespace

void Log::start(Segments segments, uint64_t end) {
  written_ = end;
  durable_ = end;
  publish(std::move(segments));
}

std::shared_ptr<const Segments> Log::segments() const {
  std::lock_guard guard(segments_lock_);
  return segments_;
}

void Log::publish(Segments segments) {
  auto fresh = std::make_shared<const Segments>(std::move(segments));
  std::lock_guard guard(segments_lock_);
  segments_.swap(fresh);
}

SegmentPtr Log::segment_of(uint64_t position) const {
  std::shared_ptr<const Segments> all = segments();
  if (position >= written()) return nullptr;
  const SegmentPtr* found = find_segment(*all, position);
  return found == nullptr ? nullptr : *found;
}

void Log::prefetch(std::span<const uint64_t> positions) const {
  std::shared_ptr<const Segments> all = segments();
  for (uint64_t position : positions) {
    if (const SegmentPtr* segment = find_segment(*all, position)) (*segment)->prefetch(position, kPrefetchBytes);
  }
}

Status Log::append(BytesView batch) {
  if (auto failed = failure()) return *failed;
  if (is_tail_dirty_) TRY(clean_tail());
  SegmentPtr active = segments()->back();
  uint64_t at = written();
  if (at + batch.size() >= kPositionEnd) return make_error(Code::Exhausted, "the log is at its largest position");
  Status done = active->write(at, batch);
  if (!done.has_value()) {
    is_tail_dirty_ = true;
    // At once, so that who is told of the failure can rely on it; if the disk refuses this too, the next append tries
    // again.
    static_cast<void>(clean_tail());
    return done;
  }
  written_.store(at + batch.size(), std::memory_order_release);
  return {};
}

// What a failed append left may hold whole records at their right places: it must be gone from the disk before
// anything is written in front of it, else a crash could bring back writes that were refused.
Status Log::clean_tail() {
  SegmentPtr active = segments()->back();
  TRY(active->file().truncate(written() - active->begin()));
  TRY(active->file().sync());
  is_tail_dirty_ = false;
  return {};
}

bool Log::is_full(uint64_t more) const {
  uint64_t used = written() - segments()->back()->begin();
  return used > 0 && used + more > options_.segment_bytes;
}

Status Log::roll() {
  if (auto failed = failure()) return *failed;
  if (is_tail_dirty_) TRY(clean_tail());
  uint64_t at = written();
  const std::string path = options_.folder + "/" + segment_name(at);
  Result<SegmentPtr> fresh = make_segment(path, at);
  if (!fresh.has_value()) {
    // A segment that begins here must not come back after more has been written to the one before: it would hide that.
    Status removed = disk_.remove(path);
    if (removed.has_value()) removed = disk_.sync_folder(options_.folder);
    if (!removed.has_value()) fail(removed.error());
    return fresh.error();
  }
  std::lock_guard guard(sync_mutex_);
  Segments next = *segments();
  unsynced_.push_back(next.back());
  is_folder_unsynced_ = true;
  next.push_back(std::move(*fresh));
  publish(std::move(next));
  return {};
}

Result<SegmentPtr> Log::make_segment(const std::string& path, uint64_t begin) {
  auto file = TRY(take_file(path));
  return Segment::make(std::move(file), begin, options_.segment_bytes);
}

void Log::fail(const Error& why) {
  std::lock_guard guard(sync_mutex_);
  failure_ = make_error(Code::Unavailable,
                        "a sync failed, so writes are refused until the store is opened again: " + why.message);
}

Result<std::unique_ptr<File>> Log::take_file(const std::string& path) {
  std::lock_guard guard(spare_mutex_);
  TRY(disk_.remove(path));
  spare_bytes_ = 0;
  if (!spare_) return disk_.open(path, OpenMode::Create);
  std::unique_ptr<File> file = std::move(spare_);
  TRY(disk_.rename(spare_path(), path));
  return file;
}

bool Log::wants_spare() const {
  uint64_t used = written() - segments()->back()->begin();
  uint64_t wanted = std::min(used + kSpareStepBytes, options_.segment_bytes);
  return wanted >= spare_bytes_.load(std::memory_order_relaxed) + std::min(kSpareStepBytes, options_.segment_bytes);
}

Status Log::extend_spare() {
  std::lock_guard guard(spare_mutex_);
  if (!wants_spare()) return {};
  if (!spare_) {
    TRY(disk_.remove(spare_path()));
    spare_ = TRY(disk_.open(spare_path(), OpenMode::Create));
  }
  uint64_t size = std::min(spare_bytes_ + kSpareStepBytes, options_.segment_bytes);
  TRY(spare_->allocate(size));
  TRY(spare_->sync());  // else the first sync of the segment would have to write all the zeros
  spare_bytes_ = size;
  return {};
}

Status Log::trim() {
  {
    std::lock_guard guard(spare_mutex_);
    spare_.reset();
    spare_bytes_ = 0;
    TRY(disk_.remove(spare_path()));
  }
  SegmentPtr active = segments()->back();
  return active->file().truncate(written() - active->begin());
}

Status Log::end_spare() {
  std::lock_guard guard(spare_mutex_);
  spare_.reset();
  spare_bytes_ = kPositionEnd;
  return disk_.remove(spare_path());
}

Result<Header> Log::read_head(uint64_t position, Bytes& buffer) const {
  SegmentPtr segment = segment_of(position);
  if (!segment) return gone(position);
  size_t size = std::min<uint64_t>(kHeadBytesMax, written() - position);
  grow(buffer, size);
  // A head near the end of a sealed segment: the rest of the file may be cut off, so read what the head needs only.
  TRY(segment->read(position, buffer.data(), std::min(size, kHeaderBytes)));
  std::optional<Header> header = parse_header(buffer, position);
  if (!header) return corrupt(position, "no header stands there");
  size = header->head_bytes();
  if (size > buffer.size()) return corrupt(position, "it ends behind the log");
  TRY(segment->read(position + kHeaderBytes, buffer.data() + kHeaderBytes, size - kHeaderBytes));
  buffer.resize(size);
  if (!head_is_sound(*header, buffer, options_.salt)) return corrupt(position, "its check fails");
  if (header->expiry_ms) {
    read_expiry(*header, buffer);
    buffer.resize(size - kExpiryBytes);
  }
  return *header;
}

Status Log::read_value(const Header& header, Bytes& to) const {
  SegmentPtr segment = segment_of(header.position);
  if (!segment) return gone(header.position);
  if (header.end() > written()) return corrupt(header.position, "it ends behind the log");
  size_t before = to.size();
  grow(to, before + header.value_bytes);
  uint64_t from = header.position + header.head_bytes();
  uint32_t check = 0;
  Status done;
  for (size_t at = 0; at < header.value_bytes && done.has_value(); at += kCheckedBytes) {
    size_t size = std::min<size_t>(kCheckedBytes, header.value_bytes - at);
    done = segment->read(from + at, to.data() + before + at, size);
    check = crc32c(BytesView(to).substr(before + at, size), check);
  }
  if (done.has_value() && !value_is_sound(header, header.value_bytes, check)) {
    done = corrupt(header.position, "its value's check fails");
  }
  if (!done.has_value()) to.resize(before);
  return done;
}

Status Log::sync() {
  Segments waiting;
  uint64_t target = 0;
  bool is_folder_waiting = false;
  {
    std::lock_guard guard(sync_mutex_);
    if (failure_) return *failure_;
    // Read before the list: what is written later may lie in a segment that is not in it.
    target = written();
    waiting = unsynced_;
    waiting.push_back(segments()->back());
    is_folder_waiting = is_folder_unsynced_;
  }
  if (target == durable() && !is_folder_waiting) return {};
  Status done;
  if (!planted::kNoSync) {
    for (const SegmentPtr& segment : waiting) {
      if (done.has_value()) done = segment->file().sync();
    }
    if (done.has_value() && is_folder_waiting) done = disk_.sync_folder(options_.folder);
  }
  if (!done.has_value()) {
    fail(done.error());
    return *failure();
  }
  std::lock_guard guard(sync_mutex_);
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<ptrdiff_t>(waiting.size() - 1));
  if (unsynced_.empty()) is_folder_unsynced_ = false;
  durable_.store(target, std::memory_order_release);
  return {};
}

std::optional<Error> Log::failure() const {
  std::lock_guard guard(sync_mutex_);
  return failure_;
}

Status Log::drop_before(uint64_t position) {
  Segments kept;
  Segments dropped;
  std::shared_ptr<const Segments> all = segments();
  for (size_t i = 0; i < all->size(); ++i) {
    bool is_dropped = i + 1 < all->size() && (*all)[i + 1]->begin() <= position;
    (is_dropped ? dropped : kept).push_back((*all)[i]);
  }
  if (dropped.empty()) return {};
  publish(std::move(kept));
  for (const SegmentPtr& segment : dropped) {
    TRY(disk_.remove(options_.folder + "/" + checkpoint_name(segment->begin())));
    TRY(disk_.remove(options_.folder + "/" + segment_name(segment->begin())));
  }
  return disk_.sync_folder(options_.folder);
}

}  // namespace mcloud::kv
