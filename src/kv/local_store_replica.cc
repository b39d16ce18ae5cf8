// The replicated half of LocalStore: who leads, and copies of other stores' logs.
#include <algorithm>

#include "base/log.h"
#include "kv/local_store.h"
#include "kv/log/bytes.h"
#include "kv/replication/role.h"

namespace mcloud::kv {

// --- who leads

Status LocalStore::promise(uint64_t term) {
  {
    std::lock_guard one(leading_);
    if (term < promised_) {
      return make_error(Code::Denied, "term " + std::to_string(term) + " is over: " + std::to_string(promised_) +
                                          " has been promised");
    }
    if (term == promised_) return {};
  }
  // Before it is promised: what is written from now on would be of a term that is over.
  stop_leading();
  std::lock_guard one(leading_);
  if (term <= promised_) return {};
  TRY(save_term(disk_, options_.folder, term));
  promised_ = term;
  return {};
}

void LocalStore::lead() {
  std::lock_guard one(leading_);
  leadership_.term = promised_.load();
  leadership_.reign = ++reigns_;
}

void LocalStore::stop_leading() {
  std::lock_guard one(leading_);
  leadership_.reign = 0;
  for (const auto& space : all()) space->wait_for_writer();
}

// --- copies

Result<std::shared_ptr<LocalNamespace>> LocalStore::open_again(const std::string& name) {
  auto opened = TRY(open_one(name).with_context("open namespace " + name));
  std::lock_guard guard(mutex_);
  by_name_[name] = opened;
  return opened;
}

Result<NamespacePtr> LocalStore::make_copy(const LogCopy& copy, std::optional<Position> keep_from) {
  std::string folder = folder_name(copy.name);
  bool is_right = !copy.name.empty() && copy.name.size() <= kNameBytesMax && copy.id.size() == kLogIdBytes;
  if (!is_right) return make_error(Code::Invalid, "no name of a namespace, or no log id");
  std::lock_guard one(changing_);
  std::string gone;
  // It stays under its name, retired, until the new one takes its place: there is always one.
  if (auto old = local(copy.name)) {
    old->retire(make_error(Code::Unavailable, "LOADING the namespace is being copied anew"));
    if (keep_from) TRY(keep_aside(*old, *keep_from));
    Result<std::string> moved = move_away(*old);
    bool was_moved = !moved.has_value() && moved.error().code == Code::NotFound;  // by a try that failed later
    if (!was_moved) gone = TRY(std::move(moved));
  }
  Meta meta{.salt = load<uint32_t>(copy.id.data()),
            .hash = {load<uint64_t>(copy.id.data() + 4), load<uint64_t>(copy.id.data() + 12)},
            .first = copy.first,
            .baseline = copy.baseline,
            .lineage = trimmed(copy.lineage, copy.first),
            .complete_at = copy.complete_at,
            .epoch = copy.epoch,
            .settings = copy.settings};
  TRY(make_folder_of(folder, meta));
  auto made = TRY(open_again(copy.name));
  if (!gone.empty()) sweep(gone);
  return NamespacePtr(made);
}

Result<NamespacePtr> LocalStore::cut(std::string_view name, Position end) {
  std::lock_guard one(changing_);
  auto old = local(name);
  if (!old) return make_error(Code::NotFound, "there is no namespace of this name");
  old->retire(make_error(Code::Unavailable, "LOADING the end of the namespace's log is being cut off"));
  TRY(keep_aside(*old, end));
  TRY(cut_files(old->folder(), end));
  return NamespacePtr(TRY(open_again(std::string(name))));
}

// What says more than the log does goes first, then the log from its end back, so that a crash in between leaves a
// shorter log and nothing that contradicts it.
Status LocalStore::cut_files(const std::string& folder, Position end) {
  std::vector<Position> begins;
  for (const std::string& file : TRY(disk_.list(folder))) {
    if (auto begin = begin_of_segment_name(file)) begins.push_back(*begin);
  }
  // The segment that ends at the cut goes on: an empty one behind it would be another log's.
  auto keeps = [&](Position begin) { return begin < end || begin == begins.front(); };
  Position last = begins.front();
  for (Position begin : begins) {
    if (keeps(begin)) last = begin;
  }
  for (auto begin = begins.rbegin(); begin != begins.rend(); ++begin) {
    if (*begin < last) break;
    TRY(disk_.remove(folder + "/" + checkpoint_name(*begin)));
    TRY(disk_.sync_folder(folder));
    if (*begin == last) break;
    TRY(disk_.remove(folder + "/" + segment_name(*begin)));
    TRY(disk_.sync_folder(folder));
  }
  auto file = TRY(disk_.open(folder + "/" + segment_name(last), OpenMode::Write));
  uint64_t size = TRY(file->size());
  if (size > end - last) TRY(file->truncate(end - last));
  return file->sync();
}

Status LocalStore::put_aside(std::string_view name) {
  std::lock_guard one(changing_);
  auto space = local(name);
  if (!space) return make_error(Code::NotFound, "there is no namespace of this name");
  space->retire(make_error(Code::NotFound, "the namespace has been removed"));
  TRY(keep_aside(*space, 0));
  return remove_one(name);
}

Status LocalStore::keep_aside(const LocalNamespace& space, Position from) {
  LogState state = space.log_state();
  from = std::max(from, state.first);
  if (state.end <= from) return {};
  const std::string folder = options_.folder + "/aside";
  bool is_new = !disk_.list(folder).has_value();
  TRY(disk_.make_folder(folder));
  if (is_new) TRY(disk_.sync_folder(options_.folder));
  std::string name = folder_name(space.name()) + "." + std::to_string(from) + "." + std::to_string(state.rank().term);
  std::vector<std::string> kept = TRY(disk_.list(folder));
  // Another end of the same term: both stay.
  for (int number = 2; std::ranges::binary_search(kept, name + ".log"); ++number)
    name = name.substr(0, name.find('+')) + "+" + std::to_string(number);
  TRY(replace_file(disk_, folder, name + ".meta", encode_meta(space.meta())));
  const std::string beside = folder + "/" + name + ".new";
  TRY(disk_.remove(beside));
  uint64_t bytes = 0;
  {
    auto file = TRY(disk_.open(beside, OpenMode::Create));
    bytes = TRY(space.copy_to(*file, from));
    TRY(file->sync());
  }
  TRY(disk_.rename(beside, folder + "/" + name + ".log"));
  TRY(disk_.sync_folder(folder));
  log::warning("kv", "what another master does not have is kept aside",
               {{"namespace", space.name()},
                {"from", std::to_string(from)},
                {"bytes", std::to_string(bytes)},
                {"file", folder + "/" + name + ".log"}});
  return {};
}

Aside LocalStore::aside() const {
  Aside found;
  auto files = disk_.list(options_.folder + "/aside");
  if (!files.has_value()) return found;
  for (const std::string& name : *files) {
    if (!name.ends_with(".log")) continue;
    ++found.files;
    auto file = disk_.open(options_.folder + "/aside/" + name, OpenMode::Read);
    if (!file.has_value()) continue;
    auto size = (*file)->size();
    if (size.has_value()) found.bytes += *size;
  }
  return found;
}

}  // namespace mcloud::kv
