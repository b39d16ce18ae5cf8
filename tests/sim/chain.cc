#include "sim/chain.h"

#include <map>

#include "crypto/hash.h"
#include "ledger/state/records.h"
#include "ledger/state/statements.h"

namespace mcloud::sim {
namespace {

constexpr uint64_t kBlockMs = 100;
constexpr size_t kMempoolMax = 1000;

}  // namespace

const crypto::SigningKey& key_named(const std::string& name) {
  static std::map<std::string, crypto::SigningKey> keys;
  auto found = keys.find(name);
  if (found == keys.end()) {
    found = keys.emplace(name, crypto::SigningKey::from_seed(crypto::blake2b(name).view()).value()).first;
  }
  return found->second;
}

Bytes sign(const std::string& sender, uint64_t sequence, const Fill& fill) {
  pb::Transaction transaction;
  transaction.set_chain_id(kChainId);
  transaction.set_sender(id_named(sender).bytes());
  transaction.set_sequence(sequence);
  fill(transaction);
  return ledger::sign_transaction(transaction, key_named(sender));
}

Chain::Chain(Clockwork& clock, const Scenario& scenario, Judge& judge)
    : clock_(clock), scenario_(scenario), judge_(judge) {}

pb::Genesis Chain::make_genesis() const {
  pb::Genesis genesis;
  genesis.set_chain_id(kChainId);
  genesis.set_time_ms(Clockwork().now());
  for (int i = 0; i < scenario_.validators; ++i) {
    pb::Validator* validator = genesis.add_validators();
    validator->set_key(id_named("v" + std::to_string(i)).bytes());
    validator->set_power(1);
  }
  for (const char* name : {"ann", "bob", "cyd", "dan"}) {
    pb::Identity* member = genesis.add_members();
    member->set_key(id_named(name).bytes());
    member->set_name(name);
  }
  pb::Parameters& parameters = *genesis.mutable_parameters();
  parameters.set_fence_after_ms(scenario_.fence_after_ms);
  parameters.set_mass_loss_window_ms(5000);
  parameters.set_tries_max(4);
  parameters.set_exclusion_ms(500);
  parameters.set_logic_version(ledger::kLogicVersion);
  return genesis;
}

void Chain::set_up() {
  ledger::initialize_state(make_genesis(), state_).value();
  submit(sign("ann", 1, [](pb::Transaction& transaction) {
    transaction.mutable_create_farm()->set_name("farm");
    transaction.mutable_create_farm()->set_country("BE");
  }));
  for (int i = 0; i < scenario_.nodes; ++i) {
    std::string name = "n" + std::to_string(i);
    pb::JoinToken token;
    token.set_chain_id(kChainId);
    token.set_farm("farm");
    token.set_nonce(crypto::blake2b(name).bytes().substr(0, 16));
    token.set_expires_ms(clock_.now() + 60'000);
    submit(sign(name, 1, [&](pb::Transaction& transaction) {
      pb::AdmitNode& admit = *transaction.mutable_admit_node();
      *admit.mutable_token() = ledger::sign_join_token(token, key_named("ann"));
      admit.set_name(name);
      admit.mutable_capacity()->set_cpu_milli(4000);
      admit.mutable_capacity()->set_memory_bytes(4ull << 30);
      admit.mutable_capacity()->set_disk_bytes(1ull << 40);
      admit.mutable_capacity()->set_pids(100'000);
      admit.mutable_addresses()->set_backplane("10.251.0." + std::to_string(i + 1));
    }));
  }
  make_block();
}

void Chain::start() {
  for (int i = 0; i < scenario_.validators; ++i) {
    validators_.push_back(std::make_unique<ledger::Liveness>(scenario_.fence_after_ms, clock_.now()));
  }
  tick();
}

void Chain::come_up(bool is_restarted) {
  is_up_ = true;
  // Who was only suspended, and not for long, goes on counting.
  if (is_restarted || clock_.now() - down_ms_ > scenario_.fence_after_ms) judge_.ledger_is_back();
  if (!is_restarted) return;
  mempool_.clear();
  for (size_t i = 0; i < validators_.size(); ++i) restart_validator(i);
}

void Chain::restart_validator(size_t validator) {
  validators_[validator] = std::make_unique<ledger::Liveness>(scenario_.fence_after_ms, clock_.now());
}

uint64_t Chain::last_sequence(const PublicKey& sender) const {
  auto record = ledger::load<pb::Sequence>(state_, ledger::keys::sequence(sender));
  return record ? record->last() : 0;
}

void Chain::submit(const Bytes& signed_transaction) {
  if (!is_up_ || mempool_.size() >= kMempoolMax) return;
  mempool_.push_back(ledger::verify_transaction(signed_transaction, kChainId).value());
}

void Chain::heartbeat(int validator, const std::string& node, uint64_t counter) {
  if (is_up_) validators_[static_cast<size_t>(validator)]->heartbeat(id_named(node), counter, clock_.now());
}

// Only a block changes who is online.
void Chain::read_online() {
  online_height_ = height();
  online_.clear();
  state_.each("node/", [&](BytesView key, BytesView value) {
    pb::Node node;
    ledger::parse_record(node, value, key);
    if (node.state() == pb::NODE_ONLINE) online_.push_back({ledger::node_id_of(node), node.epoch()});
    return true;
  });
}

void Chain::suspect_silent() {
  if (online_height_ != height()) read_online();
  for (size_t i = 0; i < validators_.size(); ++i) {
    std::string name = "v" + std::to_string(i);
    uint64_t sequence = last_sequence(id_named(name));
    validators_[i]->set_nodes(online_, clock_.now());
    for (const ledger::WatchedNode& silent : validators_[i]->tick(clock_.now())) {
      submit(sign(name, ++sequence, [&](pb::Transaction& transaction) {
        transaction.mutable_suspect()->set_node(silent.node.bytes());
        transaction.mutable_suspect()->set_node_epoch(silent.epoch);
      }));
    }
  }
}

void Chain::tick() {
  clock_.after(kBlockMs, [this] { tick(); });
  if (!is_up_) return;
  suspect_silent();
  uint64_t due_ms = 0;
  bool is_due = ledger::has_pending_time_work(state_, due_ms) && due_ms <= clock_.now();
  if (is_due || !mempool_.empty()) make_block();
}

void Chain::make_block() {
  Block& block = blocks_.emplace_back(Block{clock_.now(), std::move(mempool_)});
  mempool_.clear();
  ledger::Overlay overlay(state_);
  auto results = ledger::execute_block({height(), block.time_ms, block.transactions}, overlay);
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok) judge_.accepted(block.transactions[i].transaction());
  }
  judge_.block(overlay.changes());
  overlay.apply_to(state_);
}

void Chain::replay() const {
  ledger::MemoryState again;
  ledger::initialize_state(make_genesis(), again).value();
  uint64_t height = 0;
  for (const Block& block : blocks_) {
    ledger::execute_block({++height, block.time_ms, block.transactions}, again);
  }
  if (again.values() != state_.values()) throw Violation("a replay of the blocks gives another state");
}

}  // namespace mcloud::sim
