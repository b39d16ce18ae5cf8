#include "ledger/engine/recovery.h"

#include <algorithm>

#include "base/log.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kTailBlocks = 16;  // checked for links and signatures at every start

Error mismatch(uint64_t height, std::string_view why) {
  return make_error(Code::Corrupt,
                    "the ledger does not fit together at block " + std::to_string(height) + ": " + std::string(why));
}

Result<OpenedBlock> load(const LedgerFolder& folder, const BlockStore& blocks, uint64_t height,
                         const ChainTip* previous) {
  Bytes bytes = TRY(blocks.read(height));
  return open_block(bytes, folder.trust, height, previous);
}

Result<ChainTip> begin_chain(const LedgerFolder& folder, Application& application, BlockStore& blocks) {
  Application::FinalizedBlock outcome;
  outcome.state_hash = TRY(application.init_chain(folder.genesis));
  outcome.logic_version = folder.genesis.parameters().logic_version();
  SealedBlock genesis =
      seal_block(folder.trust.chain_id, nullptr, folder.genesis.time_ms(), {}, outcome, folder.validator);
  TRY(blocks.append(0, genesis.stored));
  TRY(application.commit());
  return genesis.tip;
}

Status replay(const LedgerFolder& folder, Application& application, const OpenedBlock& block) {
  uint64_t height = block.tip.head.height;
  if (height == 0) {
    Hash state_hash = TRY(application.init_chain(folder.genesis));
    if (state_hash != block.tip.head.state_hash) return mismatch(0, "genesis.json is not that of this chain");
    return application.commit();
  }
  auto outcome = TRY(application.finalize_block(height, block.tip.head.time_ms, block.transactions));
  TRY(check_outcome(block, outcome));
  return application.commit();
}

}  // namespace

Result<ChainTip> recover_chain(const LedgerFolder& folder, Application& application, StateStore& state,
                               BlockStore& blocks) {
  std::optional<uint64_t> last = blocks.last_height();
  std::optional<uint64_t> executed = application.committed_height();
  if (!last.has_value() && !executed.has_value()) return begin_chain(folder, application, blocks);
  if (!last.has_value() || (executed.has_value() && *executed > *last)) {
    return mismatch(*executed, last.has_value() ? "the blocks end at " + std::to_string(*last) + ", before the state"
                                                : "there are no blocks");
  }
  uint64_t next = executed.has_value() ? *executed + 1 : 0;
  uint64_t height = std::min(*last - std::min(*last, kTailBlocks), next == 0 ? 0 : next - 1);
  std::optional<ChainTip> tip;
  if (height > 0) tip = TRY(load(folder, blocks, height - 1, nullptr)).tip;
  for (; height <= *last; ++height) {
    OpenedBlock block = TRY(load(folder, blocks, height, tip.has_value() ? &*tip : nullptr));
    if (height >= next) TRY(replay(folder, application, block));
    if (height + 1 == next && state.view()->state_hash() != block.tip.head.state_hash) {
      return mismatch(height, "its header has another state hash than the state");
    }
    tip = std::move(block.tip);
  }
  if (*last + 1 > next) {
    log::info("ledger", "executed blocks that the state had not seen",
              {{"blocks", std::to_string(*last + 1 - next)}, {"height", std::to_string(*last)}});
  }
  return *tip;
}

}  // namespace mcloud::ledger
