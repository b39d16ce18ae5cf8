#include "sink/ring.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "crypto/hash.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::sink {
namespace {

constexpr size_t kHeadBytes = 4 + 8;
constexpr uint64_t kSegmentsInQuota = 8;
constexpr std::string_view kSuffix = ".seg";

Bytes record_of(const pb::StoredBatch& batch) {
  Bytes body = wire::encode(batch);
  Bytes record;
  append_u32_be(record, static_cast<uint32_t>(body.size()));
  record += crypto::blake2b(body).view().substr(0, 8);
  return record + body;
}

uint32_t read_u32_be(BytesView bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  return value;
}

// The record at the front of `bytes`, which it takes off; nullopt at the end or at damage.
std::optional<pb::StoredBatch> next_record(BytesView& bytes) {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  uint64_t length = read_u32_be(bytes);
  if (bytes.size() - kHeadBytes < length) return std::nullopt;
  BytesView body = bytes.substr(kHeadBytes, length);
  if (crypto::blake2b(body).view().substr(0, 8) != bytes.substr(4, 8)) return std::nullopt;
  auto batch = wire::decode<pb::StoredBatch>(body, "log record");
  if (!batch.has_value()) return std::nullopt;
  bytes.remove_prefix(kHeadBytes + length);
  return *batch;
}

}  // namespace

Result<Ring> Ring::open(std::string folder, uint64_t quota_bytes) {
  Ring ring;
  ring.folder_ = std::move(folder);
  ring.quota_bytes_ = quota_bytes;
  TRY(io::make_folders(ring.folder_, 0700));
  TRY(ring.load());
  return ring;
}

std::string Ring::path_of(const Segment& segment) const {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(segment.first));
  return folder_ + "/" + name + std::string(kSuffix);
}

Status Ring::load() {
  for (const std::string& name : TRY(io::list_folder(folder_))) {
    if (!name.ends_with(kSuffix)) continue;
    Segment segment;
    std::string_view digits = std::string_view(name).substr(0, name.size() - kSuffix.size());
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), segment.first, 16);
    if (error == std::errc() && end == digits.data() + digits.size()) segments_.push_back(segment);
  }
  std::sort(segments_.begin(), segments_.end(), [](const Segment& a, const Segment& b) { return a.first < b.first; });
  for (Segment& segment : segments_) TRY(scan(segment));
  return {};
}

Status Ring::scan(Segment& segment) {
  Bytes content = TRY(io::read_file(path_of(segment)));
  BytesView rest = content;
  next_ = std::max(next_, segment.first);
  while (auto batch = next_record(rest)) {
    next_ = std::max(next_, batch->number() + 1);
    newest_ms_ = std::max(newest_ms_, batch->received_ms());
  }
  segment.bytes = content.size() - rest.size();
  if (rest.empty()) return {};
  if (::truncate(path_of(segment).c_str(), static_cast<off_t>(segment.bytes)) != 0)
    return errno_error(errno, path_of(segment));
  return {};
}

Result<uint64_t> Ring::append(pb::StoredBatch batch) {
  batch.set_number(next_);
  newest_ms_ = std::max(newest_ms_, batch.received_ms());
  Bytes record = record_of(batch);
  uint64_t segment_bytes_max = quota_bytes_ / kSegmentsInQuota;
  if (record.size() > segment_bytes_max) {
    return make_error(Code::Exhausted, "a batch of " + std::to_string(record.size()) + " bytes; at most " +
                                           std::to_string(segment_bytes_max) + " are kept at once");
  }
  bool is_new = segments_.empty() || segments_.back().bytes + record.size() > segment_bytes_max;
  Segment last = is_new ? Segment{.first = next_} : segments_.back();
  TRY(write_record(last, record));
  // Only what is written is there: a disk that is full costs this batch and nothing else.
  last.bytes += record.size();
  if (is_new) segments_.push_back(last);
  segments_.back() = last;
  uint64_t number = next_++;
  while (bytes() > quota_bytes_) TRY(drop_oldest());
  return number;
}

Status Ring::write_record(const Segment& segment, BytesView record) const {
  io::Fd fd(::open(path_of(segment).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open()) return errno_error(errno, path_of(segment));
  // At the place we know, not at the end: a torn write before us is overwritten.
  for (size_t done = 0; done < record.size();) {
    ssize_t wrote =
        ::pwrite(fd.get(), record.data() + done, record.size() - done, static_cast<off_t>(segment.bytes + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return errno_error(wrote < 0 ? errno : ENOSPC, path_of(segment));
    done += static_cast<size_t>(wrote);
  }
  return {};
}

Status Ring::drop_oldest() {
  TRY(io::remove_tree(path_of(segments_.front())));
  segments_.erase(segments_.begin());
  return {};
}

// The newest segment stays: where numbers go on is read from it.
bool Ring::drop_segment() { return segments_.size() > 1 && drop_oldest().has_value(); }

uint64_t Ring::bytes() const {
  uint64_t all = 0;
  for (const Segment& segment : segments_) all += segment.bytes;
  return all;
}

Status Ring::each(uint64_t after, const std::function<bool(const pb::StoredBatch&)>& visit) const {
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (i + 1 < segments_.size() && segments_[i + 1].first <= after + 1) continue;  // all of it is older
    Bytes content = TRY(io::read_file(path_of(segments_[i])));
    BytesView rest = BytesView(content).substr(0, segments_[i].bytes);
    while (auto batch = next_record(rest)) {
      if (batch->number() > after && !visit(*batch)) return {};
    }
  }
  return {};
}

}  // namespace mcloud::sink
