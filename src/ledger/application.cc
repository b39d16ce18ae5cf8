#include "ledger/application.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "crypto/hash.h"
#include "ledger/guarded.h"
#include "ledger/state/keys.h"
#include "ledger/store/snapshot.h"
#include "ledger/tree/proof.h"
#include "ledger/tree/tree.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

constexpr int kCheckTries = 8;  // against blocks that are committed in between

TransactionResult refused(const Error& error) { return {false, error.code, error.message}; }

void add_hash(BytesView bytes, std::vector<Hash>& hashes) {
  Result<Hash> hash = Hash::from_bytes(bytes);
  if (hash.has_value()) hashes.push_back(*hash);
}

void add_contract_blobs(BytesView header_bytes, BytesView keyring_hash, std::vector<Hash>& hashes) {
  pb::ContractHeader header;
  if (header.ParseFromArray(header_bytes.data(), static_cast<int>(header_bytes.size()))) {
    add_hash(header.body_hash(), hashes);
  }
  add_hash(keyring_hash, hashes);
}

// Of a transaction that was executed, so it is well-formed.
void add_named_blobs(const pb::Transaction& transaction, std::vector<Hash>& hashes) {
  if (transaction.has_submit_contract()) {
    add_contract_blobs(transaction.submit_contract().header(), transaction.submit_contract().keyring_hash(), hashes);
  } else if (transaction.has_update_contract()) {
    add_contract_blobs(transaction.update_contract().header(), transaction.update_contract().keyring_hash(), hashes);
  } else if (transaction.has_reseal()) {
    add_hash(transaction.reseal().keyring_hash(), hashes);
  }
}

// The state before there is one.
class EmptyView final : public StateView {
 public:
  uint64_t height() const override { return 0; }
  const Hash& state_hash() const override { return none_; }
  Result<std::optional<Bytes>> get(BytesView) const override { return std::optional<Bytes>(); }
  Result<std::optional<Bytes>> get_node(BytesView) const override { return std::optional<Bytes>(); }
  Status each(BytesView, BytesView, const std::function<bool(BytesView, BytesView)>&) const override { return {}; }

 private:
  Hash none_;
};

// What was checked and waits for a block, with the state it was checked against: both change in one step at a
// commit, or a sender's next sequence number would be counted wrongly.
struct Waiting {
  std::shared_ptr<const StateView> view;
  std::map<PublicKey, uint64_t> by_sender;
  std::unordered_map<Hash, VerifiedTransaction> verified;
};

class MachineApplication final : public Application {
 public:
  MachineApplication(StateStore& store, const Clock& clock, std::string chain_id)
      : store_(store), clock_(clock), chain_id_(std::move(chain_id)) {
    waiting_.with([&](Waiting& waiting) { waiting.view = current_view(); });
  }

  Result<Hash> init_chain(const pb::Genesis& genesis) override;
  TransactionResult check(BytesView signed_transaction) override;
  Result<FinalizedBlock> finalize_block(uint64_t height, uint64_t time_ms,
                                        const std::vector<Bytes>& signed_transactions) override;
  Status commit() override;

  std::optional<uint64_t> committed_height() const override {
    auto view = store_.view();
    return view == nullptr ? std::nullopt : std::optional(view->height());
  }
  Result<std::optional<uint64_t>> next_due_ms() const override;

  Result<QueryAnswer> query(const std::vector<Bytes>& keys) override;
  Result<QueryAnswer> list(const ListRequest& request) override;

  Status snapshot(const std::string& path) override { return write_snapshot(*current_view(), path); }
  Status restore(const std::string& path) override;

 private:
  struct Executed {
    StateChanges changes;
    std::vector<std::pair<Hash, PublicKey>> included;  // no longer waiting
  };

  std::shared_ptr<const StateView> current_view() const {
    auto view = store_.view();
    return view == nullptr ? std::make_shared<EmptyView>() : std::move(view);
  }
  // The transactions that decode and are signed, in order; the others get their result here.
  std::vector<VerifiedTransaction> take_verified(const std::vector<Bytes>& signed_transactions, FinalizedBlock& block,
                                                 std::vector<size_t>& places);
  Result<Hash> keep_aside(uint64_t height, Overlay::Changes values);

  StateStore& store_;
  const Clock& clock_;
  const std::string chain_id_;
  Guarded<Waiting> waiting_;
  std::optional<Executed> executed_;
};

Result<Hash> MachineApplication::keep_aside(uint64_t height, Overlay::Changes values) {
  tree::NodeChanges nodes(store_.nodes());
  Hash state_hash = TRY(tree::update(nodes, values));
  executed_ = Executed{{height, state_hash, std::move(values), nodes.take_changes()}, {}};
  return state_hash;
}

Result<Hash> MachineApplication::init_chain(const pb::Genesis& genesis) {
  if (store_.view() != nullptr) return make_error(Code::AlreadyExists, "the chain has begun already");
  ViewReader empty(current_view());
  Overlay overlay(empty);
  TRY(initialize_state(genesis, overlay));
  return keep_aside(0, overlay.take_changes());
}

TransactionResult MachineApplication::check(BytesView signed_transaction) {
  Result<VerifiedTransaction> verified = verify_transaction(signed_transaction, chain_id_);
  if (!verified.has_value()) return refused(verified.error());
  const PublicKey& sender = verified->sender();
  for (int i = 0; i < kCheckTries; ++i) {
    auto [view, ahead] = waiting_.with([&](Waiting& waiting) {
      auto found = waiting.by_sender.find(sender);
      return std::pair(waiting.view, found == waiting.by_sender.end() ? 0 : found->second);
    });
    ViewReader state(view);
    Status status = check_transaction(*verified, state, clock_.wall_ms(), ahead);
    if (!state.failure().has_value()) return refused(state.failure().error());
    if (!status.has_value()) return refused(status.error());
    bool accepted = waiting_.with([&](Waiting& waiting) {
      uint64_t& count = waiting.by_sender[sender];
      if (waiting.view != view || count != ahead) return false;
      ++count;
      waiting.verified.emplace(verified->hash(), *verified);
      return true;
    });
    if (accepted) return {true, Code::Internal, ""};
  }
  return refused(make_error(Code::Conflict, "this sender's sequence changed while the transaction was checked; retry"));
}

std::vector<VerifiedTransaction> MachineApplication::take_verified(const std::vector<Bytes>& signed_transactions,
                                                                   FinalizedBlock& block, std::vector<size_t>& places) {
  std::vector<VerifiedTransaction> transactions;
  transactions.reserve(signed_transactions.size());
  for (const Bytes& bytes : signed_transactions) block.transaction_hashes.push_back(crypto::blake2b(bytes));
  block.results.resize(signed_transactions.size());
  for (size_t i = 0; i < signed_transactions.size(); ++i) {
    auto known = waiting_.with([&](Waiting& waiting) { return waiting.verified.extract(block.transaction_hashes[i]); });
    if (!known.empty()) {
      transactions.push_back(std::move(known.mapped()));
      places.push_back(i);
      continue;
    }
    Result<VerifiedTransaction> verified = verify_transaction(signed_transactions[i], chain_id_);
    if (verified.has_value()) {
      transactions.push_back(std::move(*verified));
      places.push_back(i);
    } else {
      block.results[i] = refused(verified.error());
    }
  }
  return transactions;
}

Result<Application::FinalizedBlock> MachineApplication::finalize_block(uint64_t height, uint64_t time_ms,
                                                                       const std::vector<Bytes>& signed_transactions) {
  FinalizedBlock block;
  std::vector<size_t> places;
  std::vector<VerifiedTransaction> transactions = take_verified(signed_transactions, block, places);

  ViewReader committed(current_view());
  TRY(check_logic(committed, height));
  TRY(Status(committed.failure()));
  Overlay overlay(committed);
  std::vector<TransactionResult> results = execute_block({height, time_ms, transactions}, overlay);
  TRY(Status(committed.failure()));
  for (size_t i = 0; i < places.size(); ++i) block.results[places[i]] = std::move(results[i]);

  auto parameters = TRY(wire::decode<pb::Parameters>(overlay.get(keys::parameters()).value_or(""), "parameters"));
  TRY(Status(committed.failure()));
  block.logic_version = parameters.logic_version();
  block.state_hash = TRY(keep_aside(height, overlay.take_changes()));
  for (size_t i = 0; i < transactions.size(); ++i) {
    executed_->included.emplace_back(block.transaction_hashes[places[i]], transactions[i].sender());
    if (block.results[places[i]].ok) add_named_blobs(transactions[i].transaction(), block.named_blobs);
  }
  return block;
}

Status MachineApplication::commit() {
  if (!executed_.has_value()) return make_error(Code::Internal, "commit without a finalized block");
  Executed executed = *std::exchange(executed_, std::nullopt);
  TRY(store_.commit(std::move(executed.changes)));
  waiting_.with([&](Waiting& waiting) {
    waiting.view = current_view();
    for (const auto& [hash, sender] : executed.included) {
      auto found = waiting.by_sender.find(sender);
      if (found == waiting.by_sender.end()) continue;
      if (--found->second == 0) waiting.by_sender.erase(found);
    }
  });
  return {};
}

Result<std::optional<uint64_t>> MachineApplication::next_due_ms() const {
  ViewReader state(current_view());
  uint64_t due_ms = 0;
  bool is_pending = has_pending_time_work(state, due_ms);
  TRY(Status(state.failure()));
  return is_pending ? std::optional(due_ms) : std::nullopt;
}

Result<QueryAnswer> MachineApplication::query(const std::vector<Bytes>& keys) {
  if (keys.size() > kQueryKeysMax) {
    return make_error(Code::Exhausted, std::to_string(keys.size()) + " keys were asked for, at most " +
                                           std::to_string(kQueryKeysMax) + " are allowed");
  }
  auto view = current_view();
  QueryAnswer answer{view->height(), view->state_hash(), {}, false};
  size_t bytes = 0;
  for (const Bytes& key : keys) {
    std::optional<Bytes> value = TRY(view->get(key));
    bytes += value.has_value() ? value->size() : 0;
    if (bytes > kQueryBytesMax) {
      return make_error(Code::Exhausted, "the values of these " + std::to_string(keys.size()) +
                                             " keys are larger than 32 MiB together; ask for fewer at once");
    }
    answer.entries.push_back({key, std::move(value), TRY(tree::prove(*view, key)).encode()});
  }
  return answer;
}

Result<QueryAnswer> MachineApplication::list(const ListRequest& request) {
  auto view = request.height.has_value() ? store_.view_at(*request.height) : current_view();
  if (view == nullptr) {
    return make_error(Code::NotFound,
                      "the state at height " + std::to_string(*request.height) + " is gone: begin the list again");
  }
  size_t limit = std::clamp<size_t>(request.limit, 1, kQueryKeysMax);
  QueryAnswer answer{view->height(), view->state_hash(), {}, false};
  size_t bytes = 0;
  TRY(view->each(request.prefix, request.after, [&](BytesView key, BytesView value) {
    answer.more = answer.entries.size() == limit || bytes >= kPageBytesMax;
    bytes += value.size();
    if (!answer.more) answer.entries.push_back({Bytes(key), Bytes(value), ""});
    return !answer.more;
  }));
  for (StateEntry& entry : answer.entries) entry.proof = TRY(tree::prove(*view, entry.key)).encode();
  return answer;
}

Status MachineApplication::restore(const std::string& path) {
  if (store_.view() != nullptr) return make_error(Code::AlreadyExists, "restore " + path + ": the state is not empty");
  SnapshotContent content = TRY(read_snapshot(path));
  Hash found = TRY(keep_aside(content.height, std::move(content.values)));
  if (found != content.state_hash) {
    executed_.reset();
    return make_error(Code::Corrupt, "restore " + path + ": it has the state hash " + found.hex() + ", not " +
                                         content.state_hash.hex() + " as it says");
  }
  return commit();
}

}  // namespace

uint8_t result_byte(const TransactionResult& result) {
  return result.ok ? 0 : static_cast<uint8_t>(1 + static_cast<int>(result.code));
}

std::optional<Code> refusal_of(uint8_t result_byte) {
  if (result_byte == 0) return std::nullopt;
  return result_byte <= 1 + static_cast<int>(Code::Internal) ? static_cast<Code>(result_byte - 1) : Code::Internal;
}

std::unique_ptr<Application> make_application(StateStore& store, const Clock& clock, const std::string& chain_id) {
  return std::make_unique<MachineApplication>(store, clock, chain_id);
}

}  // namespace mcloud::ledger
