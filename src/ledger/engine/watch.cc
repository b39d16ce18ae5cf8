#include "ledger/engine/watch.h"

#include "base/log.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

constexpr size_t kHeartbeatBytesMax = 1024;
constexpr size_t kAccusationsMax = 100;  // in one submission

}  // namespace

Result<pb::Heartbeat> verify_heartbeat(BytesView bytes, std::string_view chain_id) {
  auto signed_beat = TRY(wire::decode<pb::SignedHeartbeat>(bytes, "signed heartbeat", kHeartbeatBytesMax));
  auto beat = TRY(wire::decode<pb::Heartbeat>(signed_beat.heartbeat(), "heartbeat", kHeartbeatBytesMax));
  if (beat.chain_id() != chain_id) return make_error(Code::Denied, "heartbeat: of another chain");
  NodeId node = TRY(NodeId::from_bytes(beat.node()));
  if (!crypto::verify(node, "mcloud/heartbeat", signed_beat.heartbeat(), signed_beat.signature())) {
    return make_error(Code::Denied, "heartbeat: the signature is not that of node " + node.short_hex());
  }
  return beat;
}

Watch::Watch(io::Loop& loop, StateStore& state, Solo& engine, const Clock& clock, const LedgerFolder& folder)
    : loop_(loop),
      state_(state),
      engine_(engine),
      clock_(clock),
      folder_(folder),
      liveness_(folder.genesis.parameters().fence_after_ms(), clock.monotonic_ms()) {}

void Watch::start() {
  timer_ = loop_.after(liveness_.tick_ms(), [this] {
    tick();
    start();
  });
}

void Watch::heartbeat(const NodeId& node, uint64_t counter) {
  liveness_.heartbeat(node, counter, clock_.monotonic_ms());
}

void Watch::tick() {
  Status refreshed = refresh();
  if (!refreshed.has_value()) {
    log::error("ledger", "cannot read the nodes", {{"error", refreshed.error().message}});
    return;
  }
  for (const WatchedNode& node : liveness_.tick(clock_.monotonic_ms())) silent_.push_back(node);
  accuse();
}

Status Watch::refresh() {
  auto view = state_.view();
  if (view->height() == seen_height_) return {};
  std::vector<WatchedNode> online;
  Status damaged;
  constexpr std::string_view prefix = "node/";
  TRY(view->each(prefix, "", [&](BytesView key, BytesView value) {
    Result<NodeId> id = NodeId::from_bytes(key.substr(prefix.size()));
    auto node = wire::decode<pb::Node>(value, "node");
    if (!id.has_value() || !node.has_value()) {
      damaged = id.has_value() ? node.error() : id.error();
      return false;
    }
    if (node->state() == pb::NODE_ONLINE) online.push_back({*id, node->epoch()});
    return true;
  }));
  TRY(std::move(damaged));
  Bytes record = TRY(view->get(keys::parameters())).value_or("");
  auto parameters = TRY(wire::decode<pb::Parameters>(record, "parameters"));
  liveness_.set_fence_after(parameters.fence_after_ms());
  liveness_.set_nodes(online, clock_.monotonic_ms());
  seen_height_ = view->height();
  return {};
}

Result<Bytes> Watch::accusation(const WatchedNode& node, uint64_t sequence) const {
  pb::Transaction transaction;
  transaction.set_chain_id(folder_.trust.chain_id);
  transaction.set_sender(folder_.validator.public_key().bytes());
  transaction.set_sequence(sequence);
  transaction.mutable_suspect()->set_node(node.node.bytes());
  transaction.mutable_suspect()->set_node_epoch(node.epoch);
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_transaction(wire::encode(transaction));
  signed_transaction.set_signature(folder_.validator.sign("mcloud/transaction", signed_transaction.transaction()));
  return wire::encode(signed_transaction);
}

void Watch::accuse() {
  if (silent_.empty() || is_accusing_) return;
  auto prepare = [&]() -> Result<std::vector<Bytes>> {
    Bytes record = TRY(state_.view()->get(keys::sequence(folder_.validator.public_key()))).value_or("");
    auto sequence = TRY(wire::decode<pb::Sequence>(record, "sequence"));
    std::vector<Bytes> transactions;
    for (const WatchedNode& node : silent_) {
      if (transactions.size() == kAccusationsMax) break;
      transactions.push_back(TRY(accusation(node, sequence.last() + 1 + transactions.size())));
      log::warning("ledger", "a node is silent: suspect it",
                   {{"node", node.node.short_hex()}, {"epoch", std::to_string(node.epoch)}});
    }
    return transactions;
  };
  Result<std::vector<Bytes>> transactions = prepare();
  silent_.clear();  // what this does not reach is named again by the timers
  if (!transactions.has_value()) {
    return log::error("ledger", "cannot suspect", {{"error", transactions.error().message}});
  }
  suspicions_ += transactions->size();
  auto submitted = engine_.submit(std::move(*transactions), [this](const Submission& submission) {
    is_accusing_ = false;
    for (const Outcome& outcome : submission.outcomes) {
      if (outcome.result.ok) continue;
      log::info("ledger", "a suspicion was refused", {{"reason", outcome.result.message}});
    }
  });
  is_accusing_ = submitted.has_value();
  if (!submitted.has_value()) log::warning("ledger", "cannot suspect", {{"error", submitted.error().message}});
}

}  // namespace mcloud::ledger
