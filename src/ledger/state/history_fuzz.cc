// Any bytes as the history of a small ledger: people, nodes and validators do in turn what the bytes say, well-formed
// but wild. After each block the books add up, no epoch is given twice, and at the end the same blocks give the same
// state. transaction_fuzz.cc has the malformed ones.
#include <algorithm>

#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr int kStepsMax = 48;
constexpr size_t kContractsMax = 5;

class Dice {
 public:
  explicit Dice(BytesView bytes) : bytes_(bytes) {}
  bool is_empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    auto value = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  uint32_t below(uint32_t count) { return byte() % count; }
  bool coin() { return below(2) == 1; }

 private:
  BytesView bytes_;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

class History {
 public:
  explicit History(BytesView bytes) : dice_(bytes), chain_("test", {1, 1, 1}) {
    chain_.set_record([this](uint64_t height, uint64_t time_ms, const std::vector<Bytes>& transactions) {
      blocks_.push_back({height, time_ms, transactions});
    });
    chain_.make_farm(3);
    for (const char* name : {"namea", "nameb"}) chain_.buy(name);
  }

  void run() {
    const bool replays = dice_.below(4) == 0;  // costs as much as the rest
    for (int i = 0; i < kStepsMax && !dice_.is_empty(); ++i) {
      step();
      check();
    }
    if (replays) replay();
  }

 private:
  struct Block {
    uint64_t height = 0;
    uint64_t time_ms = 0;
    std::vector<Bytes> transactions;
  };

  void step() {
    uint32_t what = dice_.below(20);
    if (headers_.empty() || (what == 0 && headers_.size() < kContractsMax)) return submit();
    pb::ContractHeader& header = headers_[dice_.below(static_cast<uint32_t>(headers_.size()))];
    switch (what) {
      case 1:
      case 2: return update(header);
      case 3: static_cast<void>(chain_.reject(header, signer())); return;
      case 4: static_cast<void>(chain_.accept(header, signer())); return;
      case 5: return cancel(header);
      case 6:
      case 7: return report(header);
      case 8: return suspect();
      case 9: return rejoin();
      case 10: static_cast<void>(dice_.coin() ? chain_.drain(node()) : chain_.resume(node())); return;
      case 11: return chain_.pass(uint64_t{dice_.byte()} * uint64_t{dice_.byte()});
      case 12: return retry(header);
      case 13: return reseal(header);
      case 15:
      case 16: return change_names(header);
      case 17: return change_devices(header);
      case 18: return publish();
      case 14: static_cast<void>(chain_.admit("ann", "farm", "n" + std::to_string(1 + dice_.below(6)))); return;
      default: static_cast<void>(chain_.approve(header, signer()));
    }
  }

  std::string signer() { return std::array{"bob", "cyd", "dan"}[dice_.below(3)]; }
  std::string node() { return "n" + std::to_string(1 + dice_.below(4)); }
  bool is_admitted(const std::string& name) { return !chain_.node(name).key().empty(); }

  // ---- contracts -------------------------------------------------------------------------------

  void add_claims_and_spaces(pb::Facets& facets) {
    uint8_t bits = dice_.byte();
    for (int i = 0; i < 2; ++i) {
      if ((bits >> i & 1) != 0) facets.add_claims("tcp/" + std::to_string(i + 1));
      if ((bits >> (i + 2) & 1) != 0) facets.add_spaces("net" + std::to_string(i + 1));
    }
    facets.set_has_health((bits >> 4 & 1) != 0);
    if ((bits >> 5 & 1) != 0) *facets.mutable_demand() = pb::Demand();
    facets.mutable_demand()->set_memory_bytes(uint64_t{dice_.byte()} << 24);
  }

  pb::Facets some_leader(const std::string& name) {
    pb::Facets facets = test_facets(name, dice_.below(5));
    uint8_t bits = dice_.byte();
    facets.set_exclusive((bits & 1) != 0);
    facets.set_on_mass_loss((bits & 2) != 0 ? pb::MASS_LOSS_MOVE : pb::MASS_LOSS_HOLD);
    facets.mutable_placement()->set_spread(static_cast<pb::Spread>(1 + dice_.below(3)));
    facets.mutable_update()->set_max_unavailable(1 + dice_.below(std::max(1u, facets.replicas())));
    facets.mutable_update()->set_healthy_after_ms((bits & 4) != 0 ? 3000 : 0);
    if ((bits & 16) != 0 && facets.replicas() > 0) {
      facets.mutable_set()->set_copies(1 + dice_.below(facets.replicas()));
    }
    if ((bits & 8) != 0) facets.mutable_placement()->set_pin(test_key(node()).public_key().bytes());
    return facets;
  }

  // Up to three bundles of up to three workloads; what one version leads another may not.
  void set_workloads(pb::ContractHeader& header) {
    std::map<std::string, pb::Facets> all;
    for (char letter = 'a'; letter < 'd'; ++letter) {
      std::string name = std::string("w") + letter;
      if (all.contains(name)) continue;
      pb::Facets leader = some_leader(name);
      uint32_t followers = leader.has_set() ? 0 : dice_.below(3);
      if (followers > 0) leader.set_on_node_loss(dice_.coin() ? pb::NODE_LOSS_WAIT : pb::NODE_LOSS_START_EMPTY);
      for (uint32_t i = 0; i < followers; ++i) {
        pb::Facets follower = leader;
        follower.clear_with();
        follower.set_name(std::string("w") + static_cast<char>('b' + dice_.below(5)));
        if (follower.name() <= name || all.contains(follower.name())) continue;
        add_claims_and_spaces(follower);
        all[follower.name()] = follower;
        leader.add_with(follower.name());
      }
      std::sort(leader.mutable_with()->begin(), leader.mutable_with()->end());
      if (leader.with().empty() && leader.on_node_loss() == pb::NODE_LOSS_START_EMPTY) {
        leader.set_on_node_loss(pb::NODE_LOSS_WAIT);
      }
      add_claims_and_spaces(leader);
      all[name] = leader;
    }
    header.clear_workloads();
    for (auto& [name, facets] : all) *header.add_workloads() = facets;
    header.clear_spaces();
    for (int i = 1; i <= 2; ++i) {
      header.add_spaces()->set_name("net" + std::to_string(i));
      header.mutable_spaces(i - 1)->set_range("10.7." + std::to_string(16 * i) + "." +
                                              (dice_.coin() ? "0/28" : "16/28"));
      header.mutable_spaces(i - 1)->set_devices(dice_.below(3) > 0);
      if (header.spaces(i - 1).devices() && dice_.coin()) {
        header.mutable_spaces(i - 1)->add_members(test_key("bob").public_key().bytes());
      }
    }
  }

  void submit() {
    pb::ContractHeader header = chain_.make_header("c" + std::to_string(dice_.below(4)), {});
    header.set_nonce(crypto::blake2b(std::to_string(++nonces_)).bytes().substr(0, 16));
    set_workloads(header);
    TestChain::set_signers(header, {"bob", "cyd", "dan"}, 1 + dice_.below(2));
    header.mutable_approvals()->set_acceptance_threshold(dice_.below(2));
    if (dice_.below(4) == 0) header.set_expires_ms(chain_.now() + 5000);
    if (dice_.below(3) == 0) header.mutable_workloads(0)->add_names(name());
    if (!chain_.submit(header).ok) return;
    headers_.push_back(header);
    if (dice_.coin()) chain_.approve(header, "bob"), chain_.approve(header, "cyd");
  }

  void update(pb::ContractHeader& header) {
    pb::ContractHeader next = header;
    next.set_version(header.version() + 1);
    next.set_expires_ms(chain_.now() + 3'600'000);
    switch (dice_.below(4)) {
      case 0: set_workloads(next); break;
      case 1: next.set_body_hash(crypto::blake2b(next.body_hash()).bytes()); break;
      default:  // the same bundles, but what they take is given out anew
        for (pb::Facets& facets : *next.mutable_workloads()) {
          facets.clear_claims();
          facets.clear_spaces();
          add_claims_and_spaces(facets);
        }
    }
    if (!chain_.update(next).ok) return;
    header = next;
    if (dice_.coin()) chain_.approve(header, "bob"), chain_.approve(header, "dan");
  }

  void cancel(const pb::ContractHeader& header) {
    if (dice_.coin()) return;  // seldom: what lives is more telling
    chain_.cancel(header, dice_.coin());
  }

  void retry(const pb::ContractHeader& header) {
    chain_.run("ann", [&](pb::Transaction& transaction) {
      transaction.mutable_retry()->set_contract(contract::contract_id(header).bytes());
      transaction.mutable_retry()->set_workload(std::string("w") + static_cast<char>('a' + dice_.below(6)));
    });
  }

  void reseal(const pb::ContractHeader& header) {
    chain_.run("ann", [&](pb::Transaction& transaction) {
      transaction.mutable_reseal()->set_contract(contract::contract_id(header).bytes());
      transaction.mutable_reseal()->set_keyring_hash(Bytes(32, 'k'));
    });
  }

  // ---- names and networks ----------------------------------------------------------------------

  std::string name() { return std::string("name") + static_cast<char>('a' + dice_.below(3)); }
  std::string person() { return std::array{"ann", "ann", "bob"}[dice_.below(3)]; }

  void change_names(pb::ContractHeader& header) {
    switch (dice_.below(6)) {
      case 0: static_cast<void>(chain_.give(name(), person(), person())); return;
      case 1: static_cast<void>(chain_.release(name(), person())); return;
      case 2:
      case 3: {  // several may wait for one name
        pb::ContractHeader next = header;
        next.set_version(header.version() + 1);
        next.set_expires_ms(chain_.now() + 3'600'000);
        for (pb::Facets& facets : *next.mutable_workloads()) facets.clear_names();
        next.mutable_workloads(0)->add_names(name());
        if (!chain_.update(next).ok) return;
        header = next;
        if (dice_.coin()) chain_.approve(header, "bob"), chain_.approve(header, "cyd");
        return;
      }
      default: static_cast<void>(chain_.buy(name(), person()));
    }
  }

  void change_devices(const pb::ContractHeader& header) {
    const std::string space = dice_.coin() ? "net1" : "net2", device = "device" + std::to_string(dice_.below(20));
    static_cast<void>(dice_.below(3) > 0 ? chain_.join(header, space, device, person())
                                         : chain_.leave(header, space, device, person()));
  }

  void publish() {
    const std::string name = node();
    if (!is_admitted(name)) return;
    std::vector<TestChain::KeyWish> keys;
    const uint8_t bits = dice_.byte();
    for (uint32_t slot = 0; slot < 3; ++slot) {
      if ((bits >> slot & 1) != 0) keys.push_back({0, slot, name + std::to_string(bits >> 6) + std::to_string(slot), 1 + slot});
    }
    if ((bits >> 3 & 1) != 0) keys.push_back({4096, 0, std::to_string(bits >> 6), 9});
    static_cast<void>(chain_.run(name, [&](pb::Transaction& transaction) {
      pb::PublishKeys& action = *transaction.mutable_publish_keys();
      for (const TestChain::KeyWish& key : keys) *action.add_keys() = TestChain::mesh_key(key.vni, key.slot, key.seed, key.port);
      if ((bits >> 4 & 1) == 0) return;
      *action.mutable_addresses() = chain_.node(name).addresses();
      action.mutable_addresses()->set_uplink((bits >> 5 & 1) == 0 ? "192.0.2.1" : "192.0.2.2");
    }, 1 + dice_.byte() * 40u));
  }

  // ---- nodes -----------------------------------------------------------------------------------

  void suspect() {
    std::string name = node();
    if (is_admitted(name)) chain_.suspect(name, "validator" + std::to_string(dice_.below(3)), 1 + dice_.byte() * 20u);
  }

  void rejoin() {
    std::string name = node();
    if (!is_admitted(name)) return;
    pb::Node record = chain_.node(name);
    chain_.run(name, [&](pb::Transaction& transaction) {
      pb::RejoinNode& action = *transaction.mutable_rejoin_node();
      action.set_node_epoch(record.epoch());
      *action.mutable_capacity() = TestChain::test_capacity();
      if (dice_.coin()) action.mutable_capacity()->set_memory_bytes(1ull << 30);
      *action.mutable_addresses() = record.addresses();
      action.mutable_addresses()->set_relay(dice_.coin());
      action.mutable_addresses()->set_hidden(!action.addresses().relay() && record.epoch() % 4 == 0);
    });
  }

  // Mostly of a replica by its holder, at its epoch; sometimes not.
  void report(const pb::ContractHeader& header) {
    std::string name = node();
    if (!is_admitted(name)) return;
    std::vector<pb::Result> results;
    pb::Assignment assignment = chain_.assignment(name);
    for (const pb::AssignedContract& contract : assignment.contracts()) {
      pb::Result result;
      result.set_contract(contract.contract());
      if (contract.replicas().empty()) {
        result.set_state(pb::REPLICA_STOPPED);
        results.push_back(result);
      }
      for (const pb::AssignedReplica& replica : contract.replicas()) {
        uint8_t bits = dice_.byte();
        if ((bits & 1) != 0) continue;
        result.set_workload(replica.workload());
        result.set_index(replica.index());
        result.set_epoch(replica.epoch() - ((bits & 0xe0) == 0xe0 ? 1 : 0));
        result.set_version(replica.version());
        result.set_state(static_cast<pb::ReplicaState>((bits >> 1 & 15) % 12));
        add_set_report(contract.contract(), result);
        results.push_back(result);
      }
    }
    if (results.empty()) results.emplace_back().set_contract(contract::contract_id(header).bytes());
    chain_.report(name, results);
  }

  // Mostly at the term and revision that are recorded; a proposal of some of its replicas.
  void add_set_report(const Bytes& contract, pb::Result& result) {
    result.clear_set();
    pb::Workload workload =
        load<pb::Workload>(chain_.state(), keys::workload(contract_id_of(contract), result.workload()))
            .value_or(pb::Workload());
    if (!workload.has_set()) return;
    uint8_t bits = dice_.byte();
    if ((bits & 1) != 0) result.set_state(pb::REPLICA_HEALTHY);
    pb::SetReport& report = *result.mutable_set();
    report.set_term(workload.set().term() + ((bits & 6) == 6 ? 1 : 0) - ((bits & 6) == 4 ? 1 : 0));
    report.mutable_rank()->set_term(bits >> 3 & 1);
    report.mutable_rank()->set_position(bits >> 4 & 3);
    report.set_complete((bits & 0xc0) != 0);
    report.set_voters_revision(workload.set().voters_revision());
    uint8_t proposed = dice_.byte();
    for (const pb::Replica& replica : workload.replicas()) {
      if ((proposed >> replica.index() & 1) == 0) continue;
      pb::SetMember& member = *report.add_proposed_voters();
      member.set_index(replica.index());
      member.set_epoch(replica.epoch());
    }
  }

  // ---- judging ---------------------------------------------------------------------------------

  void check() {
    Books books(chain_.state());
    if (!books.error().empty()) fail(books.error());
    chain_.state().each("workload/", [&](BytesView key, BytesView value) {
      pb::Workload workload;
      parse_record(workload, value, key);
      for (const pb::Replica& replica : workload.replicas()) check_epoch(Bytes(key), replica);
      return true;
    });
  }

  void check_epoch(const Bytes& workload, const pb::Replica& replica) {
    auto& [epoch, node] = epochs_[{workload, replica.index()}];
    if (replica.epoch() < epoch) fail("an epoch goes back");
    if (!replica.node().empty() && replica.epoch() == epoch && !node.empty() && node != replica.node()) {
      fail("an epoch is given to two nodes");
    }
    if (replica.epoch() > epoch) node.clear();
    if (!replica.node().empty()) node = replica.node();
    epoch = replica.epoch();
  }

  void replay() {
    MemoryState again;
    initialize_state(TestChain("test", {1, 1, 1}).make_genesis({1, 1, 1}), again).value();
    for (const Block& block : blocks_) {
      std::vector<VerifiedTransaction> transactions;
      for (const Bytes& bytes : block.transactions) transactions.push_back(verify_transaction(bytes, "test").value());
      Overlay overlay(again);
      execute_block({block.height, block.time_ms, transactions}, overlay);
      overlay.apply_to(again);
    }
    if (again.values() != chain_.state().values()) fail("a replay of the blocks gives another state");
  }

  Dice dice_;
  TestChain chain_;
  std::vector<pb::ContractHeader> headers_;
  std::vector<Block> blocks_;
  std::map<std::pair<Bytes, uint32_t>, std::pair<uint64_t, Bytes>> epochs_;  // and who had the highest
  uint64_t nonces_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  History(BytesView(reinterpret_cast<const char*>(data), size)).run();
  return 0;
}
