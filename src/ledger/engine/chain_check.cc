#include "ledger/engine/chain_check.h"

#include "crypto/hash.h"
#include "io/clock.h"
#include "io/file.h"
#include "ledger/engine/block.h"
#include "ledger/engine/genesis.h"
#include "ledger/store/block_scan.h"

namespace mcloud::ledger {
namespace {

class ChainCheck {
 public:
  ChainCheck(const ChainCheckOptions& options, Trust trust, std::optional<pb::Genesis> genesis)
      : options_(options), trust_(std::move(trust)), genesis_(std::move(genesis)) {}

  Status run() {
    state_ = TRY(StateStore::open(options_.scratch_folder));
    application_ = make_application(*state_, clock_, trust_.chain_id);
    BlockScan scan = TRY(BlockScan::open(options_.data_folder + "/blocks"));
    while (report_.damage.size() < kDamageMax) {
      std::optional<ScannedBlock> scanned = TRY(scan.next());
      if (!scanned.has_value()) break;
      TRY(check(*scanned));
      options_.progress(scanned->last_height);
    }
    for (std::string_view place : {"kept", "new"}) TRY(check_blobs(options_.data_folder + "/blobs/" + std::string(place)));
    return {};
  }

  void note(std::optional<uint64_t> height, const std::string& what) {
    if (report_.damage.size() < kDamageMax) report_.damage.push_back({height, what});
  }

  ChainReport take() { return std::move(report_); }

 private:
  Status check(const ScannedBlock& scanned);
  Result<std::string> execute(const OpenedBlock& block);
  Status check_blobs(const std::string& folder);

  const ChainCheckOptions& options_;
  const Trust trust_;
  const std::optional<pb::Genesis> genesis_;  // nullopt: it could not be read
  io::SystemClock clock_;
  std::unique_ptr<StateStore> state_;
  std::unique_ptr<Application> application_;
  std::optional<ChainTip> tip_;  // of the block before; nullopt: there is none, or it is damaged
  bool is_whole_ = true;         // so far, so that the next block can be executed
  ChainReport report_;
};

std::string range_text(const ScannedBlock& scanned) {
  if (scanned.last_height == scanned.height) return "";
  return " (and up to " + std::to_string(scanned.last_height) + ")";
}

Status ChainCheck::check(const ScannedBlock& scanned) {
  std::string damage = scanned.damage;
  Result<OpenedBlock> block = make_error(Code::Corrupt, damage + range_text(scanned));
  if (!scanned.stored.empty() || damage.empty()) {
    block = open_block(scanned.stored, trust_, scanned.height, tip_.has_value() ? &*tip_ : nullptr);
  }
  if (!block.has_value()) {
    note(scanned.height, (damage.empty() || scanned.stored.empty() ? "" : damage + "; ") + block.error().message);
    is_whole_ = false;
    tip_.reset();
    return {};
  }
  if (!damage.empty()) note(scanned.height, damage + ", though its content is what its validators signed");
  ++report_.blocks;
  report_.transactions += block->transactions.size();
  if (is_whole_) {
    std::string difference = TRY(execute(*block));
    if (!difference.empty()) note(scanned.height, difference);
    is_whole_ = difference.empty();
    if (is_whole_) report_.executed_to = scanned.height;
  }
  tip_ = std::move(block->tip);
  report_.head = tip_->head;
  return {};
}

// What differs; "" when nothing does. Errors are those of the scratch folder.
Result<std::string> ChainCheck::execute(const OpenedBlock& block) {
  uint64_t height = block.tip.head.height;
  if (height == 0) {
    if (!genesis_.has_value()) return std::string("not executed: genesis.json cannot be read");
    Result<Hash> state_hash = application_->init_chain(*genesis_);
    if (!state_hash.has_value()) return "genesis.json: " + state_hash.error().message;
    bool is_same = *state_hash == block.tip.head.state_hash && genesis_->time_ms() == block.tip.head.time_ms;
    if (!is_same) return std::string("genesis.json is not that of this chain");
  } else {
    if (!report_.executed_to.has_value()) return "the chain begins with block " + std::to_string(height);
    auto outcome = application_->finalize_block(height, block.tip.head.time_ms, block.transactions);
    if (!outcome.has_value()) return outcome.error().message;
    Status same = check_outcome(block, *outcome);
    if (!same.has_value()) return same.error().message;
  }
  TRY(application_->commit());
  return std::string();
}

Status ChainCheck::check_blobs(const std::string& folder) {
  if (!io::exists(folder)) return {};
  for (const std::string& name : TRY(io::list_folder(folder))) {
    Result<Hash> hash = Hash::from_hex(name);
    Result<Bytes> bytes = io::read_file(folder + "/" + name);
    if (!bytes.has_value() && bytes.error().code == Code::NotFound) continue;  // uploads come and go
    ++report_.blobs;
    bool is_same = hash.has_value() && bytes.has_value() && crypto::blake2b(*bytes) == *hash;
    if (!is_same) note(std::nullopt, folder + "/" + name + ": its content does not have the hash that is its name");
  }
  return {};
}

}  // namespace

Result<ChainReport> check_chain(const ChainCheckOptions& options) {
  Bytes text = TRY(io::read_file(options.data_folder + "/genesis.json"));
  Result<pb::Genesis> genesis = parse_genesis(text);
  Result<Trust> own = Trust::parse(text);
  if (!options.trust.has_value() && !own.has_value()) {
    return own.error().code == Code::Invalid ? make_error(Code::Corrupt, options.data_folder + "/genesis.json: " + own.error().message) : own.error();
  }
  ChainCheck check(options, options.trust.has_value() ? *options.trust : *own,
                   genesis.has_value() ? std::optional(*genesis) : std::nullopt);
  if (!genesis.has_value()) check.note(0, "genesis.json: " + genesis.error().message);
  TRY(check.run());
  return check.take();
}

}  // namespace mcloud::ledger
