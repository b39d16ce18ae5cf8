#include "kv/offline.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "kv/index/checkpoint.h"
#include "kv/local_store.h"
#include "kv/log/segment.h"

namespace mcloud::kv {
namespace {

constexpr uint64_t kRecordCost = 120;  // of one key in a pass's table, beside the key
constexpr uint64_t kTellBytes = 4 << 20;

using Item = RecordReader::Item;

// A place that is no sound record, and where the log ends if it ends there.
struct Gap {
  uint64_t begin, end, cut;
  bool is_zero, has_head;
};

constexpr size_t kGapsMax = 100'000;  // behind what is known to be durable

RecordReader reader_of(File& file, uint64_t begin, uint64_t end, uint32_t salt) {
  auto source = [&file](uint64_t offset, char* to, size_t size) { return file.read(offset, to, size); };
  return {source, begin, end - begin, salt, begin};
}

std::string reason_of(const Gap& gap) {
  if (gap.has_head) return "the value's check fails";
  if (gap.begin == gap.end) return "the log ends here, and more was on the disk once";
  return "no sound record in " + std::to_string(gap.end - gap.begin) + " bytes";
}

// Where the log ends and what is damaged before: as log/recovery.cc decides when a store is opened.
class Judge {
 public:
  Judge(Position first, OfflineFindings& findings) : findings_(findings), durable_(first) {}

  void knows_durable(uint64_t position) {
    durable_ = std::max(durable_, position);
    for (; !gaps_.empty() && gaps_.front().begin < durable_; gaps_.pop_front()) add_damage(gaps_.front());
  }
  void saw(const Item& item) {
    if (item.kind == Item::Kind::Gap) {
      add({item.begin, item.end, open_.value_or(item.begin), item.is_zero, item.header.has_value()});
      open_.reset();
    }
    if (!item.header) return;
    knows_durable(item.header->durable());
    if (item.kind != Item::Kind::Record) return;
    findings_.records++;
    findings_.key_bytes += item.key.size();
    if (item.header->continues && !open_) open_ = item.begin;
    if (!item.header->continues) open_.reset();
  }
  // `is_last`: no segment is behind.
  void segment_ended(uint64_t end, bool is_last) {
    // Durable once and nothing sound behind: the log ends where it was durable up to.
    bool is_lost = is_last && last_ && last_->end >= end && last_->begin < durable_;
    if ((is_last && !is_lost) || open_) add({end, end, open_.value_or(end), false, false});
    open_.reset();
  }
  // The log ends at the first place that is not sound and that nobody knew to be durable.
  void decide(uint64_t file_end) {
    if (gaps_.empty()) {
      findings_.end = durable_;
      findings_.torn_bytes = std::max(file_end, durable_) - durable_;
      return;
    }
    const Gap& gap = gaps_.front();
    findings_.end = gap.cut;
    findings_.torn_bytes = (gap.is_zero ? gap.begin : std::max(file_end, gap.cut)) - gap.cut;
  }

 private:
  void add(const Gap& gap) {
    last_ = gap;
    if (gap.begin < durable_)
      add_damage(gap);
    else if (gaps_.size() < kGapsMax)
      gaps_.push_back(gap);
  }
  void add_damage(const Gap& gap) {
    findings_.damaged++;
    if (findings_.faults.size() < OfflineFindings::kFaultsMax) findings_.faults.push_back({gap.begin, reason_of(gap)});
  }

  OfflineFindings& findings_;
  uint64_t durable_;
  std::deque<Gap> gaps_;  // that may yet turn out to be damage, or the end
  std::optional<Gap> last_;
  std::optional<uint64_t> open_;  // the begin of the transaction that goes on
};

}  // namespace

Result<std::unique_ptr<OfflineStore>> OfflineStore::open(Disk& disk, const std::string& folder) {
  auto folders = disk.list(folder + "/spaces");
  if (!folders) {
    bool is_absent = folders.error().code == Code::NotFound;
    return is_absent ? make_error(Code::NotFound, folder + ": no key-value store is there") : folders.error();
  }
  std::unique_ptr<OfflineStore> store(new OfflineStore(disk, folder));
  auto lock = disk.lock(folder + "/lock");
  if (!lock && lock.error().code == Code::Conflict)
    return make_error(Code::Conflict, folder + ": a running server has it open: stop it first, or ask it (VERIFY, SCAN)");
  store->lock_ = TRY(std::move(lock));
  for (const std::string& name : *folders) {
    if (auto space = name_of_folder(name); space && !name.starts_with('.')) store->names_.push_back(*space);
  }
  std::sort(store->names_.begin(), store->names_.end());
  return store;
}

// What a checkpoint that is sound says of its segment: it was durable up to there.
uint64_t OfflineStore::checkpointed(const Log& log, uint64_t begin) const {
  auto file = disk_.open(log.folder + "/" + checkpoint_name(begin), OpenMode::Read);
  if (!file) return 0;
  auto size = (*file)->size();
  Bytes bytes(kCheckpointHeadBytes, '\0');
  auto got = (*file)->read(0, bytes.data(), bytes.size());
  if (!size || !got) return 0;
  bytes.resize(*got);
  auto head = parse_checkpoint_head(bytes, begin, *size, log.meta.salt);
  return head ? head->end : 0;
}

Result<OfflineStore::Log> OfflineStore::open_log(const std::string& name) const {
  Log log;
  log.folder = folder_ + "/spaces/" + folder_name(name);
  log.meta = TRY(load_meta(disk_, log.folder));
  for (const std::string& file_name : TRY(disk_.list(log.folder))) {
    auto begin = begin_of_segment_name(file_name);
    if (!begin || *begin < log.meta.first) continue;
    auto file = TRY(disk_.open(log.folder + "/" + file_name, OpenMode::Read));
    uint64_t size = TRY(file->size());
    if (!log.stretches.empty()) log.stretches.back().limit = *begin;
    log.stretches.push_back({*begin, *begin + size, std::move(file), checkpointed(log, *begin)});
  }
  return log;
}

Result<Settings> OfflineStore::settings(const std::string& name) const {
  return TRY(load_meta(disk_, folder_ + "/spaces/" + folder_name(name))).settings;
}

Result<OfflineFindings> OfflineStore::verify(const std::string& name,
                                             const std::function<bool(double)>& progress) const {
  Log log = TRY(open_log(name));
  OfflineFindings findings{.begin = log.meta.first, .end = log.meta.first};
  if (log.stretches.empty()) return findings;
  findings.begin = log.stretches.front().begin;
  uint64_t file_end = log.stretches.back().limit;
  Judge judge(log.meta.first, findings);
  for (size_t i = 0; i < log.stretches.size(); i++) {
    Stretch& stretch = log.stretches[i];
    judge.knows_durable(stretch.durable);
    RecordReader reader = reader_of(*stretch.file, stretch.begin, stretch.limit, log.meta.salt);
    for (uint64_t told = stretch.begin;;) {
      Item item = TRY(reader.next());
      if (item.kind == Item::Kind::End) break;
      judge.saw(item);
      if (item.end - told < kTellBytes) continue;
      told = item.end;
      auto done = static_cast<double>(item.end - findings.begin) / static_cast<double>(file_end - findings.begin);
      if (progress && !progress(done)) return make_error(Code::Cancelled, "stopped");
    }
    judge.segment_ended(stretch.limit, i + 1 == log.stretches.size());
  }
  judge.decide(file_end);
  return findings;
}

Status OfflineStore::dump(const std::string& name, const OfflineFindings& findings, bool has_history,
                          const std::function<Status(const Version&)>& take) const {
  Log log = TRY(open_log(name));
  auto each = [&](const std::function<Status(const Item&)>& see) -> Status {
    for (Stretch& stretch : log.stretches) {
      uint64_t end = std::min(stretch.limit, findings.end);
      if (end <= stretch.begin) break;
      RecordReader reader = reader_of(*stretch.file, stretch.begin, end, log.meta.salt);
      for (Item item = TRY(reader.next()); item.kind != Item::Kind::End; item = TRY(reader.next())) {
        if (item.header) TRY(see(item));
      }
    }
    return {};
  };
  uint64_t parts = 1 + (findings.key_bytes + findings.records * kRecordCost) / kPassBytes;
  for (uint64_t part = 0; part < parts; part++) {
    // Where the newest copy is of each key, or of each version: compaction writes some again, further on.
    std::unordered_map<std::string, Position> last;
    auto id_of = [&](const Item& item) {
      std::string id(item.key);
      return has_history ? id + "/" + std::to_string(item.header->sequence) : id;
    };
    auto is_ours = [&](const Item& item) { return std::hash<std::string_view>()(item.key) % parts == part; };
    TRY(each([&](const Item& item) -> Status {
      if (is_ours(item)) last[id_of(item)] = item.begin;
      return {};
    }));
    TRY(each([&](const Item& item) -> Status {
      bool is_wanted = item.kind == Item::Kind::Record && is_ours(item) && (has_history || !item.header->is_deletion);
      if (!is_wanted || last[id_of(item)] != item.begin) return {};
      return take({item.key, item.value, &*item.header});
    }));
  }
  return {};
}

}  // namespace mcloud::kv
