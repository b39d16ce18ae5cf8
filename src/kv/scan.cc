// Walking over a LocalNamespace: pages of live entries in the order of the log, and the check of all records.
#include <chrono>

#include "kv/local_namespace.h"
#include "kv/log/reader.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kBackWindowBytes = 64 << 10;

class Deadline {
 public:
  explicit Deadline(uint64_t time_us)
      : end_(std::chrono::steady_clock::now() + std::chrono::microseconds(std::min<uint64_t>(time_us, 3'600'000'000))) {
  }
  bool has_passed() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace

std::optional<SegmentView> LocalNamespace::view_of(Position position) const {
  std::shared_ptr<const Segments> all = log_.segments();
  position = std::max(position, all->front()->begin());
  if (position >= log_.written()) return std::nullopt;
  size_t i = all->size();
  while (i > 1 && (*all)[i - 1]->begin() > position) --i;
  uint64_t end = i < all->size() ? (*all)[i]->begin() : log_.written();
  return SegmentView{(*all)[i - 1], position, end};
}

Result<bool> LocalNamespace::is_live(const Header& header, BytesView key) const {
  if (is_absent(header)) return false;
  return index_.is_live_at(hash_key(hash_, key), header.position);
}

Result<Namespace::Page> LocalNamespace::scan(Position from, size_t count, uint64_t time_us) const {
  TRY(is_readable());
  Page page;
  Deadline deadline(time_us);
  Bytes head;
  for (uint64_t looked = 0;; ++looked) {
    std::optional<SegmentView> view = view_of(from);
    if (!view) return page;
    from = view->from;
    if (page.entries.size() >= count || (looked > 0 && looked % 64 == 0 && deadline.has_passed())) {
      page.next = from;
      return page;
    }
    Result<Header> header = log_.read_head(from, head);
    if (!header.has_value()) {
      if (header.error().code != Code::Corrupt && header.error().code != Code::NotFound) return header.error();
      from = TRY(next_sound(*view));
      continue;
    }
    BytesView key = BytesView(head).substr(kHeaderBytes);
    if (TRY(is_live(*header, key))) page.entries.push_back(TRY(brief_of(*header, key)));
    from = header->end();
  }
}

// Backwards nothing points, but every record says its own position: a window is walked from its first sound record.
Result<Namespace::Page> LocalNamespace::scan_back(std::optional<Position> before, size_t count,
                                                  uint64_t time_us) const {
  TRY(is_readable());
  Page page;
  Deadline deadline(time_us);
  Position end = std::min(before.value_or(log_.written()), log_.written());
  uint64_t window = kBackWindowBytes;
  while (end > log_.begin()) {
    if (page.entries.size() >= count || (!page.entries.empty() && deadline.has_passed())) {
      page.next = end;
      return page;
    }
    std::optional<SegmentView> view = view_of(end - 8);
    if (!view) break;
    uint64_t begin = std::max(view->segment->begin(), end - std::min(end, window));
    std::vector<Entry> found;
    Position first = TRY(collect(*view, begin, end, found));
    if (first == end && begin > view->segment->begin()) {
      window *= 4;  // one record is larger than the window
      continue;
    }
    window = kBackWindowBytes;
    for (; !found.empty() && page.entries.size() < count; found.pop_back())
      page.entries.push_back(std::move(found.back()));
    end =
        found.empty() ? std::min(first, begin == view->segment->begin() ? begin : first) : page.entries.back().position;
    if (!found.empty()) break;
  }
  if (end > log_.begin()) page.next = end;
  return page;
}

Result<Position> LocalNamespace::collect(const SegmentView& view, Position begin, Position end,
                                         std::vector<Entry>& found) const {
  auto source = [&](uint64_t offset, char* to, size_t size) { return view.segment->file().read(offset, to, size); };
  RecordReader reader(source, view.segment->begin(), end - view.segment->begin(), salt_, begin);
  Position first = end;
  while (true) {
    RecordReader::Item item = TRY(reader.next());
    if (item.kind == RecordReader::Item::Kind::End) return first;
    if (!item.header) continue;
    first = std::min(first, item.begin);
    if (TRY(is_live(*item.header, item.key))) found.push_back(TRY(brief_of(*item.header, item.key)));
  }
}

Result<Position> LocalNamespace::next_sound(const SegmentView& view) const {
  auto source = [&](uint64_t offset, char* to, size_t size) { return view.segment->file().read(offset, to, size); };
  RecordReader reader(source, view.segment->begin(), view.end - view.segment->begin(), salt_, view.from);
  return TRY(reader.next()).end;
}

Result<Entry> LocalNamespace::brief_of(const Header& header, BytesView key) const {
  return Entry{.key = Bytes(key),
               .value = {},
               .value_size = header.value_bytes,
               .position = header.position,
               .previous = TRY(before(header)),
               .sequence = header.sequence,
               .time_ms = header.time_ms,
               .epoch = header.epoch,
               .is_deletion = header.is_deletion,
               .expiry_ms = header.expiry_ms};
}

Result<std::vector<Namespace::Fault>> LocalNamespace::verify(const std::function<bool(double)>& progress) const {
  TRY(is_readable());
  std::vector<Fault> faults;
  const Position first = log_.begin();
  const Position last = log_.written();
  for (Position from = first; from < last;) {
    std::optional<SegmentView> view = view_of(from);
    if (!view) break;
    Position end = std::min(view->end, last);
    auto source = [&](uint64_t offset, char* to, size_t size) { return view->segment->file().read(offset, to, size); };
    RecordReader reader(source, view->segment->begin(), end - view->segment->begin(), salt_, view->from);
    uint64_t told = 0;
    while (true) {
      RecordReader::Item item = TRY(reader.next());
      if (item.kind == RecordReader::Item::Kind::End) break;
      if (item.kind == RecordReader::Item::Kind::Gap) {
        faults.push_back({item.begin, item.header
                                          ? "the value's check fails"
                                          : "no sound record in " + std::to_string(item.end - item.begin) + " bytes"});
      }
      if (item.end - told < (1 << 20)) continue;
      told = item.end;
      double done = static_cast<double>(item.end - first) / static_cast<double>(last - first);
      if (progress && !progress(done)) return make_error(Code::Cancelled, "verify was stopped");
    }
    from = end;
  }
  return faults;
}

}  // namespace mcloud::kv
