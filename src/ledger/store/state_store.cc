#include "ledger/store/state_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <unordered_map>

#include "ledger/guarded.h"
#include "ledger/tree/tree.h"

namespace mcloud::ledger {
namespace {

constexpr char kMetaKey = 'm';  // u64be height | state hash
constexpr char kNodePrefix = 'n';
constexpr char kValuePrefix = 'v';
constexpr size_t kMetaSize = 8 + Hash::kSize;

// Idle memory counts more than cached data here: the upper tree levels have a cache of their own.
constexpr size_t kWriteBufferBytes = 8 << 20;
constexpr size_t kBlockCacheBytes = 4 << 20;
constexpr size_t kCachedDepthMax = 3;  // 4369 nodes, about 2.5 MB when full

Error store_error(const rocksdb::Status& status, std::string_view doing) {
  Code code = Code::Internal;
  if (status.IsCorruption()) code = Code::Corrupt;
  if (status.IsNoSpace()) code = Code::Exhausted;
  if (status.IsBusy() || status.ToString().find("lock") != std::string::npos) code = Code::Conflict;
  return make_error(code, "state: " + std::string(doing) + ": " + status.ToString());
}

Bytes stored_key(char prefix, BytesView key) {
  Bytes stored;
  stored.reserve(1 + key.size());
  stored += prefix;
  stored += key;
  return stored;
}

BytesView view_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class RocksView final : public StateView {
 public:
  RocksView(std::shared_ptr<rocksdb::DB> db, uint64_t height, const Hash& state_hash)
      : db_(std::move(db)), snapshot_(db_->GetSnapshot()), height_(height), state_hash_(state_hash) {}
  ~RocksView() override { db_->ReleaseSnapshot(snapshot_); }

  uint64_t height() const override { return height_; }
  const Hash& state_hash() const override { return state_hash_; }

  Result<std::optional<Bytes>> get(BytesView key) const override { return read(kValuePrefix, key); }
  Result<std::optional<Bytes>> get_node(BytesView path) const override { return read(kNodePrefix, path); }

  Status each(BytesView prefix, BytesView after,
              const std::function<bool(BytesView, BytesView)>& visit) const override {
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options()));
    Bytes wanted = stored_key(kValuePrefix, prefix);
    Bytes start = stored_key(kValuePrefix, std::max(prefix, after));
    for (at->Seek(start); at->Valid() && at->key().starts_with(wanted); at->Next()) {
      BytesView key = view_of(at->key()).substr(1);
      if (!after.empty() && key <= after) continue;
      if (!visit(key, view_of(at->value()))) break;
    }
    if (!at->status().ok()) return store_error(at->status(), "list");
    return {};
  }

 private:
  rocksdb::ReadOptions options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    return options;
  }

  Result<std::optional<Bytes>> read(char prefix, BytesView key) const {
    Bytes value;
    rocksdb::Status status = db_->Get(options(), stored_key(prefix, key), &value);
    if (status.IsNotFound()) return std::optional<Bytes>();
    if (!status.ok()) return store_error(status, "read");
    return std::optional<Bytes>(std::move(value));
  }

  std::shared_ptr<rocksdb::DB> db_;
  const rocksdb::Snapshot* snapshot_;
  const uint64_t height_;
  const Hash state_hash_;
};

// Every change touches the upper levels, so they are kept as they are on disk.
class CachedNodes final : public tree::NodeReader {
 public:
  void set_view(std::shared_ptr<const StateView> view) { view_ = std::move(view); }

  Result<std::optional<Bytes>> get_node(BytesView path) const override {
    if (view_ == nullptr) return std::optional<Bytes>();
    if (!is_cached(path)) return view_->get_node(path);
    auto found = cache_.find(Bytes(path));
    if (found != cache_.end()) return std::optional<Bytes>(found->second);
    std::optional<Bytes> node = TRY(view_->get_node(path));
    if (node.has_value()) cache_.emplace(path, *node);
    return node;
  }

  void apply(tree::NodeChanges::Changes changes) {
    for (auto& [path, node] : changes) {
      if (!is_cached(path)) continue;
      if (node.has_value()) {
        cache_.insert_or_assign(path, std::move(*node));
      } else {
        cache_.erase(path);
      }
    }
  }

 private:
  static bool is_cached(BytesView path) { return static_cast<uint8_t>(path[0]) <= kCachedDepthMax; }

  std::shared_ptr<const StateView> view_;
  mutable std::unordered_map<Bytes, Bytes> cache_;
};

rocksdb::Options database_options() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.05;  // most keys asked for are in no memtable
  options.max_open_files = 256;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kNoCompression;  // most bytes are hashes
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

class RocksStateStore final : public StateStore {
  using Recent = std::map<uint64_t, std::shared_ptr<const StateView>>;

 public:
  explicit RocksStateStore(std::shared_ptr<rocksdb::DB> db) : db_(std::move(db)) {}
  ~RocksStateStore() override {
    nodes_.set_view(nullptr);
    recent_.set({});
  }

  Status load() {
    Bytes meta;
    rocksdb::Status status = db_->Get({}, Bytes(1, kMetaKey), &meta);
    if (status.IsNotFound()) return {};
    if (!status.ok()) return store_error(status, "read the height");
    if (meta.size() != kMetaSize) return make_error(Code::Corrupt, "state: the record of its height is damaged");
    publish(read_u64_be(BytesView(meta).substr(0, 8)), TRY(Hash::from_bytes(BytesView(meta).substr(8))));
    Hash found = TRY(tree::root(nodes_));
    if (found != view()->state_hash()) {
      return make_error(Code::Corrupt, "state: its tree has the hash " + found.hex() + ", not " +
                                           view()->state_hash().hex() + " as recorded");
    }
    return {};
  }

  std::shared_ptr<const StateView> view() const override {
    return recent_.with([](Recent& recent) { return recent.empty() ? nullptr : recent.rbegin()->second; });
  }
  std::shared_ptr<const StateView> view_at(uint64_t height) const override {
    return recent_.with([&](Recent& recent) {
      auto found = recent.find(height);
      return found == recent.end() ? nullptr : found->second;
    });
  }
  const tree::NodeReader& nodes() const override { return nodes_; }

  Status commit(StateChanges changes) override {
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : changes.values) put_or_erase(batch, kValuePrefix, key, value);
    for (const auto& [path, node] : changes.nodes) put_or_erase(batch, kNodePrefix, path, node);
    Bytes meta;
    append_u64_be(meta, changes.height);
    meta += changes.state_hash.view();
    batch.Put(Bytes(1, kMetaKey), meta);
    rocksdb::Status status = db_->Write({}, &batch);
    if (!status.ok()) return store_error(status, "write block " + std::to_string(changes.height));
    nodes_.apply(std::move(changes.nodes));
    publish(changes.height, changes.state_hash);
    return {};
  }

 private:
  static void put_or_erase(rocksdb::WriteBatch& batch, char prefix, BytesView key, const std::optional<Bytes>& value) {
    rocksdb::Slice parts[2] = {{&prefix, 1}, {key.data(), key.size()}};
    if (!value.has_value()) {
      batch.Delete(rocksdb::SliceParts(parts, 2));
      return;
    }
    rocksdb::Slice content(*value);
    batch.Put(rocksdb::SliceParts(parts, 2), rocksdb::SliceParts(&content, 1));
  }

  void publish(uint64_t height, const Hash& state_hash) {
    auto view = std::make_shared<RocksView>(db_, height, state_hash);
    nodes_.set_view(view);
    std::shared_ptr<const StateView> oldest;  // let go of outside the lock
    recent_.with([&](Recent& recent) {
      recent[height] = std::move(view);
      if (recent.size() > kRecentViews) oldest = recent.extract(recent.begin()).mapped();
    });
  }

  std::shared_ptr<rocksdb::DB> db_;
  CachedNodes nodes_;
  mutable Guarded<Recent> recent_;
};

}  // namespace

std::optional<Bytes> ViewReader::get(BytesView key) const {
  Result<std::optional<Bytes>> value = view_->get(key);
  if (value.has_value()) return std::move(*value);
  if (failure_.has_value()) failure_ = value.error();
  return std::nullopt;
}

void ViewReader::each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const {
  Status done = view_->each(prefix, "", visit);
  if (!done.has_value() && failure_.has_value()) failure_ = std::move(done);
}

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& folder) {
  rocksdb::DB* raw = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(database_options(), folder, &raw);
  if (!status.ok()) return store_error(status, "open " + folder);
  auto store = std::make_unique<RocksStateStore>(std::shared_ptr<rocksdb::DB>(raw));
  TRY(store->load());
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace mcloud::ledger
