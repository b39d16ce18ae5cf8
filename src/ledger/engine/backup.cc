#include "ledger/engine/backup.h"

#include <fcntl.h>

#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/store/block_scan.h"
#include "ledger/store/block_store.h"

namespace mcloud::ledger {
namespace {

constexpr std::string_view kGenesis = "/genesis.json", kKey = "/validator.key", kBlocks = "/blocks", kBlobs = "/blobs/kept";
constexpr uint64_t kBlocksBetweenSyncs = 1'000;

std::string in(const std::string& folder, std::string_view name) { return folder + std::string(name); }

// A small file that never changes.
Status copy_file(const BackupOptions& options, std::string_view name, unsigned mode) {
  Bytes bytes = TRY(io::read_file(in(options.data_folder, name), 1 << 20));
  std::string path = in(options.backup_folder, name);
  if (io::exists(path)) {
    Bytes there = TRY(io::read_file(path, 1 << 20));
    if (there == bytes) return {};
    return make_error(Code::Conflict, path + " is another ledger's: choose another folder");
  }
  return io::write_file(path, bytes, io::Durability::Fsync, mode);
}

// What is appended to a chain that is synced now and then.
class Copy {
 public:
  static Result<std::unique_ptr<Copy>> open(const std::string& folder) {
    auto copy = std::make_unique<Copy>();
    BlockStore::Options options;
    options.sync = [raw = copy.get()](int fd) -> Status {
      if (++raw->unsynced_ < kBlocksBetweenSyncs) return {};
      raw->unsynced_ = 0;
      return sync_file(fd);
    };
    copy->folder_ = folder;
    copy->blocks_ = TRY(BlockStore::open(folder, options));
    return copy;
  }

  std::optional<uint64_t> last_height() const { return blocks_->last_height(); }

  Status take(uint64_t height, const Bytes& stored) {
    std::optional<uint64_t> last = last_height();
    if (last.has_value() && height < *last) return {};
    if (!last.has_value() || height > *last) return blocks_->append(height, stored);
    Bytes there = TRY(blocks_->read(height));
    if (there == stored) return {};
    return make_error(Code::Conflict, folder_ + " has another block " + std::to_string(height) + ": it is of another history");
  }

  // All files, as a new one may have begun between two syncs.
  Status sync() {
    for (const std::string& name : TRY(io::list_folder(folder_))) {
      io::Fd file(::open((folder_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.is_open()) return errno_error(errno, "open " + folder_ + "/" + name);
      TRY(sync_file(file.get()));
    }
    return {};
  }

 private:
  std::string folder_;
  std::unique_ptr<BlockStore> blocks_;
  uint64_t unsynced_ = 0;
};

Status copy_blocks(const BackupOptions& options, BackupReport& report) {
  BlockScan scan = TRY(BlockScan::open(in(options.data_folder, kBlocks)));
  std::unique_ptr<Copy> copy = TRY(Copy::open(in(options.backup_folder, kBlocks)));
  std::optional<uint64_t> before = copy->last_height();
  Status damage;
  for (;;) {
    std::optional<ScannedBlock> block = TRY(scan.next());
    if (!block.has_value()) break;
    if (block->is_torn_end) break;  // what the server appends just now
    if (!block->damage.empty()) {
      damage = make_error(Code::Corrupt, "block " + std::to_string(block->height) + ": " + block->damage + "; see: mcloud ledger verify");
      break;
    }
    TRY(copy->take(block->height, block->stored));
    report.height = block->height;
    if (!before.has_value() || block->height > *before) ++report.new_blocks;
    options.progress(block->height);
  }
  TRY(copy->sync());
  if (!damage.has_value()) return damage;
  if (!before.has_value() || report.height >= *before) return {};
  return make_error(Code::Conflict, "the ledger ends at block " + std::to_string(report.height) + ", its backup at " + std::to_string(*before) +
                                        ": is the backup the one to go on with?");
}

Status copy_blobs(const BackupOptions& options, BackupReport& report) {
  std::string from = in(options.data_folder, kBlobs), to = in(options.backup_folder, kBlobs);
  if (!io::exists(from)) return {};
  TRY(io::make_folders(to, 0700));
  for (const std::string& name : TRY(io::list_folder(from))) {
    if (io::exists(to + "/" + name)) continue;
    Bytes bytes = TRY(io::read_file(from + "/" + name));
    if (crypto::blake2b(bytes).hex() != name) return make_error(Code::Corrupt, from + "/" + name + ": its content does not have the hash that is its name");
    TRY(io::write_file(to + "/" + name, bytes, io::Durability::Fsync, 0600));
    ++report.new_blobs;
  }
  return {};
}

}  // namespace

Result<BackupReport> back_up(const BackupOptions& options) {
  BackupReport report;
  if (!io::exists(in(options.data_folder, kGenesis))) return make_error(Code::NotFound, options.data_folder + " is no ledger's folder: it has no genesis.json");
  TRY(io::make_folders(options.backup_folder, 0700));
  TRY(copy_file(options, kGenesis, 0644));
  if (options.with_key) TRY(copy_file(options, kKey, 0600));
  TRY(copy_blocks(options, report));
  TRY(copy_blobs(options, report));
  return report;
}

}  // namespace mcloud::ledger
