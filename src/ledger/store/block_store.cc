#include "ledger/store/block_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/log.h"
#include "crypto/box.h"
#include "ledger/guarded.h"
#include "ledger/store/planted.h"
#include "ledger/store/segment.h"

namespace mcloud::ledger {
namespace {

constexpr size_t kSaltSize = 16;
constexpr uint64_t kIndexStep = 64;  // every 64th record's offset is kept, the rest is walked

// Where every kIndexStep-th record of a segment begins.
struct Index {
  std::vector<uint64_t> offsets;
  uint64_t count = 0;  // records
  uint64_t end = kSegmentHeaderSize;

  void add(const Record& record) {
    if (count % kIndexStep == 0) offsets.push_back(record.offset);
    ++count;
    end = record.end();
  }
};

struct Chain {
  std::map<uint64_t, std::string> segments;  // first height -> path
  Index last;                                // of the newest segment
  uint64_t other_first = 0;                  // one older segment's index is kept for those who read history
  Index other;
};

class SegmentedBlocks final : public BlockStore {
 public:
  SegmentedBlocks(std::string folder, const Options& options) : folder_(std::move(folder)), options_(options) {}

  Status load() {
    TRY(io::make_folders(folder_, 0700));
    Chain chain;
    for (const std::string& name : TRY(io::list_folder(folder_))) {
      std::optional<uint64_t> first = height_of_segment_name(name);
      if (!first.has_value()) return make_error(Code::Corrupt, folder_ + "/" + name + ": not a segment of blocks");
      chain.segments[*first] = folder_ + "/" + name;
    }
    if (!chain.segments.empty()) {
      const auto& [first, path] = *chain.segments.rbegin();
      writer_ = TRY(SegmentFile::open(path, first));
      chain.last = TRY(scan_newest(*writer_));
      if (chain.segments.size() > 1) TRY(check_seam(chain));
    }
    chain_.set(std::move(chain));
    return {};
  }

  std::optional<uint64_t> last_height() const override {
    return chain_.with([](Chain& chain) { return last_height(chain); });
  }

  Status append(uint64_t height, BytesView block) override {
    if (is_broken_) return make_error(Code::Unavailable, "blocks: an earlier append failed; restart the ledger");
    if (block.size() > kBlockBytesMax) return make_error(Code::Exhausted, "blocks: a block is larger than 32 MiB");
    std::optional<uint64_t> last = last_height();
    if (last.has_value() && height != *last + 1) {
      return make_error(Code::Internal, "blocks: block " + std::to_string(height) + " after " + std::to_string(*last));
    }
    Status done = append_durably(height, block);
    is_broken_ = !done.has_value();
    return done;
  }

  Result<Bytes> read(uint64_t height) const override;

 private:
  static std::optional<uint64_t> last_height(const Chain& chain) {
    if (chain.segments.empty()) return std::nullopt;
    uint64_t next = chain.segments.rbegin()->first + chain.last.count;
    if (next == 0) return std::nullopt;
    return chain.last.count == 0 && chain.segments.size() == 1 ? std::nullopt : std::optional(next - 1);
  }

  static Result<Index> scan_newest(const SegmentFile& file);
  static Result<Index> scan(const SegmentFile& file);
  static Status check_seam(const Chain& chain);
  Status append_durably(uint64_t height, BytesView block);
  Status start_segment(uint64_t first_height);

  const std::string folder_;
  const Options options_;
  std::optional<SegmentFile> writer_;
  bool is_broken_ = false;
  mutable Guarded<Chain> chain_;
};

// Reads everything, cuts off a torn end.
Result<Index> SegmentedBlocks::scan_newest(const SegmentFile& file) {
  Index index;
  uint64_t size = TRY(file.size());
  while (index.end < size) {
    uint64_t height = file.header().first_height + index.count;
    Result<Record> record = file.record_at(index.end, height, size);
    Status whole;
    if (record.has_value()) {
      Result<Bytes> block = file.block_of(*record);
      if (!block.has_value()) whole = block.error();
    } else {
      whole = record.error();
    }
    if (whole.has_value()) {
      index.add(*record);
      continue;
    }
    if (whole.error().code != Code::Corrupt || TRY(file.has_record_after(index.end, height, size))) {
      return whole.error();
    }
    log::warning(
        "ledger", "cut off the torn end of the block file",
        {{"path", file.path()}, {"bytes", std::to_string(size - index.end)}, {"at_height", std::to_string(height)}});
    if (::ftruncate(file.fd(), static_cast<off_t>(index.end)) != 0 || ::fsync(file.fd()) != 0) {
      return errno_error(errno, "cut off the torn end of " + file.path());
    }
    break;
  }
  return index;
}

// Of a segment that is complete: record headers only.
Result<Index> SegmentedBlocks::scan(const SegmentFile& file) {
  Index index;
  uint64_t size = TRY(file.size());
  while (index.end < size) {
    index.add(TRY(file.record_at(index.end, file.header().first_height + index.count, size)));
  }
  return index;
}

// The newest segment begins where the one before ends.
Status SegmentedBlocks::check_seam(const Chain& chain) {
  auto newest = chain.segments.rbegin();
  auto before = std::next(newest);
  SegmentFile file = TRY(SegmentFile::open(before->second, before->first));
  Index index = TRY(scan(file));
  if (before->first + index.count != newest->first) {
    return make_error(Code::Corrupt, before->second + ": ends before block " +
                                         std::to_string(before->first + index.count) +
                                         ", but the next segment begins with " + std::to_string(newest->first));
  }
  return {};
}

Status SegmentedBlocks::start_segment(uint64_t first_height) {
  SegmentHeader header{first_height, crypto::random_bytes(kSaltSize)};
  std::string path = folder_ + "/" + segment_name(first_height);
  TRY(io::write_file(path, encode_segment_header(header), io::Durability::Fsync, 0600));
  writer_ = TRY(SegmentFile::open(path, first_height));
  chain_.with([&](Chain& chain) {
    chain.segments[first_height] = path;
    chain.last = Index();
  });
  return {};
}

Status SegmentedBlocks::append_durably(uint64_t height, BytesView block) {
  Index last = chain_.with([](Chain& chain) { return Index{{}, chain.last.count, chain.last.end}; });
  bool is_full = last.count > 0 && last.end + kRecordHeaderSize + block.size() > options_.segment_bytes_max;
  if (!writer_.has_value() || is_full) {
    TRY(start_segment(height));
    last = Index();
  }
  Bytes record = encode_record(writer_->header(), height, block);
  size_t done = 0;
  while (done < record.size()) {
    ssize_t count =
        ::pwrite(writer_->fd(), record.data() + done, record.size() - done, static_cast<off_t>(last.end + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return errno_error(errno, "write " + writer_->path());
    done += static_cast<size_t>(count);
  }
  if (!planted::kNoSync) TRY(options_.sync(writer_->fd()).with_context(writer_->path()));
  chain_.with([&](Chain& chain) { chain.last.add({height, last.end, block.size(), {}}); });
  return {};
}

Result<Bytes> SegmentedBlocks::read(uint64_t height) const {
  struct Place {
    std::string path;
    uint64_t first = 0;
    std::optional<uint64_t> offset;  // of the indexed record at or before the block
  };
  auto offset_in = [&](const Index& index, uint64_t first) { return index.offsets[(height - first) / kIndexStep]; };
  std::optional<Place> place = chain_.with([&](Chain& chain) -> std::optional<Place> {
    auto next = chain.segments.upper_bound(height);
    std::optional<uint64_t> last = last_height(chain);
    if (next == chain.segments.begin() || !last.has_value() || height > *last) return std::nullopt;
    auto segment = std::prev(next);
    Place found{segment->second, segment->first, std::nullopt};
    if (next == chain.segments.end()) found.offset = offset_in(chain.last, found.first);
    if (next != chain.segments.end() && chain.other_first == found.first && chain.other.count > height - found.first) {
      found.offset = offset_in(chain.other, found.first);
    }
    return found;
  });
  if (!place.has_value()) return make_error(Code::NotFound, "there is no block " + std::to_string(height));
  SegmentFile file = TRY(SegmentFile::open(place->path, place->first));
  if (!place->offset.has_value()) {
    Index index = TRY(scan(file));
    if (height - place->first >= index.count) {
      return make_error(Code::Corrupt, place->path + ": lacks block " + std::to_string(height));
    }
    place->offset = offset_in(index, place->first);
    chain_.with([&](Chain& chain) {
      chain.other_first = place->first;
      chain.other = std::move(index);
    });
  }
  uint64_t size = TRY(file.size());
  uint64_t at = height - (height - place->first) % kIndexStep;
  Record record = TRY(file.record_at(*place->offset, at, size));
  for (++at; at <= height; ++at) record = TRY(file.record_at(record.end(), at, size));
  return file.block_of(record);
}

}  // namespace

Status sync_file(int fd) {
  if (::fdatasync(fd) != 0) return errno_error(errno, "sync");
  return {};
}

Result<std::unique_ptr<BlockStore>> BlockStore::open(const std::string& folder, const Options& options) {
  auto store = std::make_unique<SegmentedBlocks>(folder, options);
  TRY(store->load());
  return std::unique_ptr<BlockStore>(std::move(store));
}

}  // namespace mcloud::ledger
