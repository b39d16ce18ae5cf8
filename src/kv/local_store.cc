#include "kv/local_store.h"

#include "base/log.h"
#include "io/clock.h"
#include "kv/log/bytes.h"
#include "kv/parallel.h"
#include "kv/replication/role.h"

namespace mcloud::kv {
namespace {

constexpr size_t kWorkersQueueMax = 4096;
constexpr size_t kFolderNameBytesMax = 240;  // file systems end at 255

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

std::string parent_of(const std::string& path) {
  size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A folder with files, and nothing deeper.
Status remove_folder(Disk& disk, const std::string& path) {
  for (const std::string& file : TRY(disk.list(path))) TRY(disk.remove(path + "/" + file));
  return disk.remove(path);
}

}  // namespace

std::string folder_name(std::string_view name) {
  std::string folder;
  for (char c : name) {
    if (is_plain(c)) {
      folder += c;
    } else {
      folder += "%" + to_hex(BytesView(&c, 1));
    }
  }
  return folder;
}

std::optional<std::string> name_of_folder(std::string_view folder) {
  std::string name;
  for (size_t i = 0; i < folder.size(); ++i) {
    if (folder[i] != '%') {
      name += folder[i];
      continue;
    }
    auto byte = from_hex(folder.substr(i + 1, 2));
    if (!byte.has_value() || byte->size() != 1) return std::nullopt;
    name += *byte;
    i += 2;
  }
  if (name.empty() || folder_name(name) != folder) return std::nullopt;
  return name;
}

Result<std::unique_ptr<Store>> Store::open(Disk& disk, Clock& clock, const Options& options) {
  return std::unique_ptr<Store>(TRY(LocalStore::open(disk, clock, options, LocalStore::Threads::Own)));
}

LocalStore::LocalStore(Disk& disk, Clock& clock, const Options& options, Threads threads)
    : disk_(disk),
      options_(options),
      syncer_(clock, threads == Threads::Own),
      time_(clock),
      workers_(threads == Threads::Own ? std::make_unique<io::Pool>(1, kWorkersQueueMax) : nullptr),
      parts_{leadership_, disk, clock, time_, syncer_, workers_.get(), options.segment_bytes,
             options.compact_bytes_per_s} {}

Result<std::unique_ptr<LocalStore>> LocalStore::open(Disk& disk, Clock& clock, const Options& options,
                                                     Threads threads) {
  if (options.segment_bytes < 4096 || options.segment_bytes > (uint64_t{1} << 35)) {
    return make_error(Code::Invalid, "segment_bytes: 4 KiB to 32 GiB are allowed");
  }
  std::unique_ptr<LocalStore> store(new LocalStore(disk, clock, options, threads));
  TRY(disk.make_folder(options.folder));
  store->lock_ = TRY(disk.lock(options.folder + "/lock"));
  store->promised_ = TRY(load_term(disk, options.folder));
  RoleRecord role = TRY(load_role(disk, options.folder));
  if (role.role == Role::Master && !role.is_managed) store->lead();
  TRY(store->open_all());
  return store;
}

LocalStore::~LocalStore() {
  Status closed = close();
  if (!closed.has_value()) log::warning("kv", "closing the store", {{"error", closed.error().message}});
}

Status LocalStore::open_all() {
  bool is_new = !disk_.list(spaces()).has_value();
  TRY(disk_.make_folder(spaces()));
  if (is_new) {
    TRY(disk_.sync_folder(options_.folder));
    TRY(disk_.sync_folder(parent_of(options_.folder)));
  }
  std::vector<std::string> names;
  for (const std::string& folder : TRY(disk_.list(spaces()))) {
    if (folder.starts_with('.')) {
      TRY(remove_folder(disk_, spaces() + "/" + folder));
    } else if (auto name = name_of_folder(folder)) {
      names.push_back(*name);
    }
  }
  std::vector<std::shared_ptr<LocalNamespace>> opened(names.size());
  TRY(in_parallel(names.size(), [&](size_t i) -> Status {
    opened[i] = TRY(open_one(names[i]).with_context("open namespace " + names[i]));
    return {};
  }));
  for (size_t i = 0; i < names.size(); ++i) by_name_[names[i]] = opened[i];
  if (!find("default")) TRY(create("default", options_.defaults));
  return {};
}

Result<std::shared_ptr<LocalNamespace>> LocalStore::open_one(const std::string& name) {
  return LocalNamespace::open(parts_, name, spaces() + "/" + folder_name(name));
}

Result<NamespacePtr> LocalStore::create(std::string_view name, const Settings& settings) {
  std::string folder = folder_name(name);
  if (name.empty() || name.size() > kNameBytesMax || folder.size() > kFolderNameBytesMax) {
    return make_error(Code::Invalid, "the name of a namespace has 1 to 128 bytes, mostly letters and digits");
  }
  std::lock_guard one(changing_);
  if (find(name)) return make_error(Code::AlreadyExists, "there is a namespace of this name");
  {
    std::lock_guard guard(mutex_);
    if (is_closed_) return make_error(Code::Unavailable, "the store is closed");
  }
  Bytes secret = io::SystemRandom().bytes(20);
  Meta meta{.salt = load<uint32_t>(secret.data()),
            .hash = {load<uint64_t>(secret.data() + 4), load<uint64_t>(secret.data() + 12)},
            .settings = settings};
  TRY(make_folder_of(folder, meta));
  auto made = TRY(open_one(std::string(name)));
  std::lock_guard guard(mutex_);
  by_name_[std::string(name)] = made;
  return NamespacePtr(made);
}

Status LocalStore::make_folder_of(const std::string& folder, const Meta& meta) {
  const std::string beside = spaces() + "/." + folder + ".new";
  TRY(disk_.make_folder(beside));
  TRY(save_meta(disk_, beside, meta));
  TRY(disk_.rename(beside, spaces() + "/" + folder));
  return disk_.sync_folder(spaces());
}

std::shared_ptr<LocalNamespace> LocalStore::local(std::string_view name) const {
  std::lock_guard guard(mutex_);
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

NamespacePtr LocalStore::find(std::string_view name) const { return local(name); }

std::vector<std::string> LocalStore::names() const {
  std::lock_guard guard(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, space] : by_name_) names.push_back(name);
  return names;
}

std::vector<std::shared_ptr<LocalNamespace>> LocalStore::all() const {
  std::lock_guard guard(mutex_);
  std::vector<std::shared_ptr<LocalNamespace>> all;
  for (const auto& [name, space] : by_name_) all.push_back(space);
  return all;
}

Status LocalStore::remove(std::string_view name) {
  std::lock_guard one(changing_);
  return remove_one(name);
}

// Where its folder is now: it is gone, durably; what is left of it is swept.
Result<std::string> LocalStore::move_away(const LocalNamespace& space) {
  std::string gone = spaces() + "/." + std::to_string(removed_++) + ".gone";
  TRY(disk_.rename(space.folder(), gone));
  TRY(disk_.sync_folder(spaces()));
  return gone;
}

Status LocalStore::remove_one(std::string_view name) {
  auto space = local(name);
  if (!space) return make_error(Code::NotFound, "there is no namespace of this name");
  const std::string gone = TRY(move_away(*space));
  space->disable(make_error(Code::NotFound, "the namespace has been removed"));
  {
    std::lock_guard guard(mutex_);
    by_name_.erase(by_name_.find(name));
  }
  sweep(gone);
  return {};
}

// What stays is swept at the next opening.
void LocalStore::sweep(const std::string& gone) {
  Status swept = remove_folder(disk_, gone);
  if (!swept.has_value()) log::warning("kv", "sweeping a removed namespace", {{"error", swept.error().message}});
}

Status LocalStore::clear(std::string_view name) {
  auto space = local(name);
  if (!space) return make_error(Code::NotFound, "there is no namespace of this name");
  return space->clear();
}

Status LocalStore::close() {
  {
    std::lock_guard guard(mutex_);
    if (std::exchange(is_closed_, true)) return {};
  }
  std::vector<std::shared_ptr<LocalNamespace>> all = this->all();
  Status done = in_parallel(all.size(), [&](size_t i) {
    Status closed = all[i]->close();
    all[i]->disable(make_error(Code::Unavailable, "the store is closed"));
    return std::move(closed).with_context("close namespace " + all[i]->name());
  });
  // What still runs in them uses the namespaces, and those use the disk. Timers give work to the workers.
  syncer_.stop();
  workers_.reset();
  return done;
}

}  // namespace mcloud::kv
