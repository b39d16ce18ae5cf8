// A ledger in a test's hand: people, nodes and validators with their keys, blocks of signed transactions,
// records read back. For the tests of this room and for tests/sim.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contract/approval.h"
#include "contract/header.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/state/machine.h"
#include "ledger/state/records.h"
#include "ledger/state/statements.h"
#include "wire/canonical.h"

namespace mcloud::ledger {

inline constexpr uint64_t kTestStartMs = 1'700'000'000'000;

// The same name gives the same key, always.
inline crypto::SigningKey test_key(std::string_view name) {
  return crypto::SigningKey::from_seed(crypto::blake2b(name).view()).value();
}

inline pb::Demand test_demand(uint64_t cpu_milli, uint64_t memory_bytes) {
  pb::Demand demand;
  demand.set_cpu_milli(cpu_milli);
  demand.set_memory_bytes(memory_bytes);
  demand.set_disk_bytes(1 << 20);
  demand.set_pids(64);
  return demand;
}

inline pb::Facets test_facets(std::string_view name, uint32_t replicas) {
  pb::Facets facets;
  facets.set_name(Bytes(name));
  facets.set_kind("container");
  facets.set_replicas(replicas);
  *facets.mutable_demand() = test_demand(500, 512 << 20);
  facets.mutable_placement()->set_spread(pb::SPREAD_PREFER);
  facets.set_on_node_loss(pb::NODE_LOSS_MOVE);
  facets.set_on_isolation(pb::ISOLATION_RUN);
  facets.set_on_mass_loss(pb::MASS_LOSS_HOLD);
  facets.mutable_update()->set_max_unavailable(1);
  return facets;
}

class TestChain {
 public:
  explicit TestChain(std::string chain_id = "test", std::vector<uint64_t> powers = {1}, uint64_t logic = kLogicVersion)
      : chain_id_(std::move(chain_id)), logic_(logic) {
    pb::Genesis genesis = make_genesis(powers);
    initialize_state(genesis, state_).value();
  }

  pb::Genesis make_genesis(const std::vector<uint64_t>& powers) const {
    pb::Genesis genesis;
    genesis.set_chain_id(chain_id_);
    genesis.set_time_ms(kTestStartMs);
    for (size_t i = 0; i < powers.size(); ++i) {
      pb::Validator* validator = genesis.add_validators();
      validator->set_key(test_key("validator" + std::to_string(i)).public_key().bytes());
      validator->set_power(powers[i]);
    }
    for (const char* name : {"ann", "bob", "cyd", "dan"}) {
      pb::Identity* member = genesis.add_members();
      member->set_key(test_key(name).public_key().bytes());
      member->set_name(name);
    }
    pb::Parameters& parameters = *genesis.mutable_parameters();
    parameters.set_fence_after_ms(5000);
    parameters.set_mass_loss_window_ms(10'000);
    parameters.set_tries_max(3);
    parameters.set_exclusion_ms(1000);
    parameters.set_logic_version(logic_);
    parameters.add_governors(test_key("ann").public_key().bytes());
    return genesis;
  }

  const std::string& chain_id() const { return chain_id_; }
  MemoryState& state() { return state_; }
  uint64_t now() const { return time_ms_; }
  uint64_t height() const { return height_; }

  // ---- transactions and blocks -------------------------------------------------------------------

  using Fill = std::function<void(pb::Transaction&)>;
  // Signed bytes with the sender's next sequence number.
  Bytes sign(std::string_view sender, const Fill& fill) {
    crypto::SigningKey key = test_key(sender);
    pb::Transaction transaction;
    transaction.set_chain_id(chain_id_);
    transaction.set_sender(key.public_key().bytes());
    transaction.set_sequence(last_sequence(key.public_key()) + 1);
    fill(transaction);
    return sign_transaction(transaction, key);
  }
  uint64_t last_sequence(const PublicKey& key) const {
    auto record = load<pb::Sequence>(state_, keys::sequence(key));
    return record ? record->last() : 0;
  }

  std::vector<TransactionResult> block(const std::vector<Bytes>& transactions, uint64_t step_ms = 1000) {
    time_ms_ += step_ms;
    ++height_;
    std::vector<VerifiedTransaction> verified;
    for (const Bytes& bytes : transactions) verified.push_back(verify_transaction(bytes, chain_id_).value());
    if (record_) record_(height_, time_ms_, transactions);
    return execute_block({height_, time_ms_, verified}, state_);
  }
  TransactionResult run(std::string_view sender, const Fill& fill, uint64_t step_ms = 1000) {
    return block({sign(sender, fill)}, step_ms).front();
  }
  void pass(uint64_t ms) { block({}, ms); }
  // Blocks until nothing is pending at once.
  void settle() {
    uint64_t due = 1;
    while (has_pending_time_work(state_, due) && due <= time_ms_) block({}, 1);
  }

  using Record = std::function<void(uint64_t height, uint64_t time_ms, const std::vector<Bytes>& transactions)>;
  void set_record(Record record) { record_ = std::move(record); }

  // ---- people, farms, nodes ----------------------------------------------------------------------

  TransactionResult create_farm(std::string_view owner, std::string_view farm, std::string_view country = "BE") {
    return run(owner, [&](pb::Transaction& transaction) {
      transaction.mutable_create_farm()->set_name(Bytes(farm));
      transaction.mutable_create_farm()->set_country(Bytes(country));
    });
  }

  pb::JoinToken make_token(std::string_view farm, std::string_view nonce_seed) const {
    pb::JoinToken token;
    token.set_chain_id(chain_id_);
    token.set_farm(Bytes(farm));
    token.set_nonce(crypto::blake2b(nonce_seed).bytes().substr(0, 16));
    token.set_expires_ms(time_ms_ + 3'600'000);
    return token;
  }

  pb::AdmitNode make_admission(std::string_view owner, std::string_view farm, std::string_view node) const {
    pb::AdmitNode admit;
    *admit.mutable_token() = sign_join_token(make_token(farm, node), test_key(owner));
    admit.set_name(Bytes(node));
    *admit.mutable_capacity() = test_capacity();
    admit.mutable_addresses()->set_backplane("10.251.0.1");
    return admit;
  }
  static pb::Demand test_capacity() {
    pb::Demand capacity = test_demand(4000, 4ull << 30);
    capacity.set_disk_bytes(100ull << 30);
    capacity.set_pids(10'000);
    return capacity;
  }

  TransactionResult admit(std::string_view owner, std::string_view farm, std::string_view node,
                          const std::function<void(pb::AdmitNode&)>& change = {}) {
    pb::AdmitNode admit = make_admission(owner, farm, node);
    if (change) change(admit);
    return run(node, [&](pb::Transaction& transaction) { *transaction.mutable_admit_node() = admit; });
  }

  // Farm "farm" of ann with nodes "n1", "n2", ...
  void make_farm(int nodes) {
    create_farm("ann", "farm");
    for (int i = 1; i <= nodes; ++i) admit("ann", "farm", "n" + std::to_string(i));
  }

  TransactionResult suspect(std::string_view node, std::string_view validator = "validator0", uint64_t step_ms = 1000) {
    uint64_t epoch = this->node(node).epoch();
    return run(validator, [&](pb::Transaction& transaction) {
      transaction.mutable_suspect()->set_node(test_key(node).public_key().bytes());
      transaction.mutable_suspect()->set_node_epoch(epoch);
    }, step_ms);
  }
  TransactionResult rejoin(std::string_view node) {
    pb::Node record = this->node(node);
    return run(node, [&](pb::Transaction& transaction) {
      pb::RejoinNode& rejoin = *transaction.mutable_rejoin_node();
      rejoin.set_node_epoch(record.epoch());
      *rejoin.mutable_capacity() = record.capacity();
      *rejoin.mutable_addresses() = record.addresses();
    });
  }
  TransactionResult drain(std::string_view node, std::string_view owner = "ann") {
    return run(owner, [&](pb::Transaction& transaction) {
      transaction.mutable_drain_node()->set_node(test_key(node).public_key().bytes());
    });
  }
  TransactionResult resume(std::string_view node, std::string_view owner = "ann") {
    return run(owner, [&](pb::Transaction& transaction) {
      transaction.mutable_resume_node()->set_node(test_key(node).public_key().bytes());
    });
  }

  // ---- contracts ---------------------------------------------------------------------------------

  // Owner ann; bob signs alone.
  pb::ContractHeader make_header(std::string_view name, std::vector<pb::Facets> workloads) const {
    pb::ContractHeader header;
    header.set_format(1);
    header.set_name(Bytes(name));
    header.set_owner(test_key("ann").public_key().bytes());
    header.set_nonce(crypto::blake2b(name).bytes().substr(0, 16));
    header.set_version(1);
    header.set_body_hash(crypto::blake2b("body").bytes());
    header.set_expires_ms(time_ms_ + 3'600'000);
    set_signers(header, {"bob"}, 1);
    for (pb::Facets& facets : workloads) *header.add_workloads() = std::move(facets);
    return header;
  }
  static void set_signers(pb::ContractHeader& header, const std::vector<std::string>& names, uint32_t threshold) {
    std::map<Bytes, std::string> sorted;
    for (const std::string& name : names) sorted[test_key(name).public_key().bytes()] = name;
    header.mutable_approvals()->clear_signers();
    header.mutable_approvals()->set_threshold(threshold);
    for (const auto& [key, name] : sorted) {
      pb::Signer* signer = header.mutable_approvals()->add_signers();
      signer->set_key(key);
      signer->set_role("it");
      signer->set_weight(1);
    }
  }

  TransactionResult submit(const pb::ContractHeader& header, std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) {
      transaction.mutable_submit_contract()->set_header(wire::encode(header));
    });
  }
  TransactionResult update(const pb::ContractHeader& header, std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) {
      transaction.mutable_update_contract()->set_header(wire::encode(header));
    });
  }
  TransactionResult cancel(const pb::ContractHeader& header, bool erase_volumes = false, std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) {
      transaction.mutable_cancel_contract()->set_contract(contract::contract_id(header).bytes());
      transaction.mutable_cancel_contract()->set_erase_volumes(erase_volumes);
    });
  }

  // The fields of Approve, Reject and Accept.
  template <typename Action>
  Action make_decision(const pb::ContractHeader& header, std::string_view signer, pb::Decision decision) const {
    Bytes bytes = wire::encode(header);
    auto subject = contract::approval_subject(chain_id_, header, bytes);
    Action action;
    action.set_contract(contract::contract_id(header).bytes());
    action.set_version(header.version());
    action.set_header_hash(contract::header_hash(bytes).bytes());
    action.set_signature(contract::sign_decision(test_key(signer), subject, decision));
    return action;
  }
  TransactionResult approve(const pb::ContractHeader& header, std::string_view signer) {
    auto action = make_decision<pb::Approve>(header, signer, pb::DECISION_APPROVE);
    return run(signer, [&](pb::Transaction& transaction) { *transaction.mutable_approve() = action; });
  }
  TransactionResult reject(const pb::ContractHeader& header, std::string_view signer) {
    auto action = make_decision<pb::Reject>(header, signer, pb::DECISION_REJECT);
    return run(signer, [&](pb::Transaction& transaction) { *transaction.mutable_reject() = action; });
  }
  TransactionResult accept(const pb::ContractHeader& header, std::string_view signer) {
    auto action = make_decision<pb::Accept>(header, signer, pb::DECISION_ACCEPT);
    return run(signer, [&](pb::Transaction& transaction) { *transaction.mutable_accept() = action; });
  }
  // Submitted and approved by bob.
  pb::ContractHeader deploy(std::string_view name, std::vector<pb::Facets> workloads) {
    pb::ContractHeader header = make_header(name, std::move(workloads));
    submit(header);
    approve(header, "bob");
    return header;
  }
  // The next version, approved by bob.
  pb::ContractHeader upgrade(pb::ContractHeader header, const std::function<void(pb::ContractHeader&)>& change) {
    header.set_version(header.version() + 1);
    header.set_expires_ms(time_ms_ + 3'600'000);
    change(header);
    update(header);
    approve(header, "bob");
    return header;
  }

  // ---- results -----------------------------------------------------------------------------------

  // The node that holds it reports this state of it, with the right epoch and version.
  TransactionResult report(const pb::ContractHeader& header, std::string_view workload, uint32_t index,
                           pb::ReplicaState state, std::string_view message = "") {
    pb::Replica record = replica(header, workload, index);
    pb::Result result;
    result.set_contract(contract::contract_id(header).bytes());
    result.set_workload(Bytes(workload));
    result.set_index(index);
    result.set_epoch(record.epoch());
    result.set_version(record.version());
    result.set_state(state);
    result.set_message(Bytes(message));
    return report(node_name(record.node()), {result});
  }
  TransactionResult report(std::string_view node, const std::vector<pb::Result>& results) {
    return run(node, [&](pb::Transaction& transaction) {
      pb::ReportResults& action = *transaction.mutable_report_results();
      for (const pb::Result& result : results) *action.add_results() = result;
    });
  }

  // ---- networks and names ------------------------------------------------------------------------

  static pb::MeshKey mesh_key(uint32_t vni, uint32_t slot, std::string_view seed, uint32_t port) {
    pb::MeshKey key;
    key.set_vni(vni);
    key.set_slot(slot);
    key.set_key(crypto::blake2b(seed).bytes());
    key.set_port(port);
    return key;
  }
  struct KeyWish {
    uint32_t vni, slot;
    std::string seed;
    uint32_t port;
  };
  TransactionResult publish(std::string_view node, const std::vector<KeyWish>& keys, uint64_t step_ms = 1000) {
    return run(node, [&](pb::Transaction& transaction) {
      pb::PublishKeys& action = *transaction.mutable_publish_keys();
      for (const KeyWish& wish : keys) {
        *action.add_keys() = mesh_key(wish.vni, wish.slot, wish.seed, wish.port);
      }
    }, step_ms);
  }
  TransactionResult join(const pb::ContractHeader& header, std::string_view space, std::string_view device,
                         std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) {
      pb::JoinNetwork& action = *transaction.mutable_join_network();
      action.set_contract(contract::contract_id(header).bytes());
      action.set_space(Bytes(space));
      action.set_name(Bytes(device));
      action.set_key(crypto::blake2b(device).bytes());
    });
  }
  TransactionResult leave(const pb::ContractHeader& header, std::string_view space, std::string_view device,
                          std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) {
      pb::LeaveNetwork& action = *transaction.mutable_leave_network();
      action.set_contract(contract::contract_id(header).bytes());
      action.set_space(Bytes(space));
      action.set_name(Bytes(device));
    });
  }
  TransactionResult buy(std::string_view name, std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) { transaction.mutable_buy_name()->set_name(Bytes(name)); });
  }
  TransactionResult give(std::string_view name, std::string_view sender, std::string_view to) {
    return run(sender, [&](pb::Transaction& transaction) {
      transaction.mutable_transfer_name()->set_name(Bytes(name));
      transaction.mutable_transfer_name()->set_to(test_key(to).public_key().bytes());
    });
  }
  TransactionResult release(std::string_view name, std::string_view sender = "ann") {
    return run(sender, [&](pb::Transaction& transaction) { transaction.mutable_release_name()->set_name(Bytes(name)); });
  }
  pb::NamedRecord name(std::string_view name) const {
    return load<pb::NamedRecord>(state_, keys::name(name)).value_or(pb::NamedRecord());
  }
  pb::Relays relays() const { return load<pb::Relays>(state_, keys::relays()).value_or(pb::Relays()); }

  // ---- records -----------------------------------------------------------------------------------

  pb::Node node(std::string_view name) const {
    return load<pb::Node>(state_, keys::node(test_key(name).public_key())).value_or(pb::Node());
  }
  pb::Assignment assignment(std::string_view node) const {
    return load<pb::Assignment>(state_, keys::assignment(test_key(node).public_key())).value_or(pb::Assignment());
  }
  pb::Contract contract(const pb::ContractHeader& header) const {
    return load<pb::Contract>(state_, keys::contract(contract::contract_id(header))).value_or(pb::Contract());
  }
  pb::Workload workload(const pb::ContractHeader& header, std::string_view name) const {
    return load<pb::Workload>(state_, keys::workload(contract::contract_id(header), name)).value_or(pb::Workload());
  }
  pb::Replica replica(const pb::ContractHeader& header, std::string_view name, uint32_t index) const {
    pb::Workload record = workload(header, name);
    return static_cast<int>(index) < record.replicas_size() ? record.replicas(static_cast<int>(index)) : pb::Replica();
  }
  // "" when it stands nowhere.
  std::string place_of(const pb::ContractHeader& header, std::string_view name, uint32_t index) const {
    return node_name(replica(header, name, index).node());
  }
  std::string node_name(const Bytes& key) const {
    if (key.empty()) return "";
    return load<pb::Node>(state_, keys::node(NodeId::from_bytes(key).value())).value_or(pb::Node()).name();
  }

  // Of all keys and values.
  static Hash digest(const MemoryState& state) {
    Bytes all;
    for (const auto& [key, value] : state.values()) {
      append_u64_be(all, key.size());
      all += key;
      append_u64_be(all, value.size());
      all += value;
    }
    return crypto::blake2b(all);
  }

 private:
  std::string chain_id_;
  uint64_t logic_;  // of the genesis
  MemoryState state_;
  uint64_t time_ms_ = kTestStartMs;
  uint64_t height_ = 0;
  Record record_;
};

}  // namespace mcloud::ledger
