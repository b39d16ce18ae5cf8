// How many transactions a second the state machine alone executes: verified beforehand, state in memory,
// blocks of 1,000 from 1,000 identities. Prints one line per kind of transaction.
#include <chrono>
#include <cstdio>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr size_t kPeople = 1000;
constexpr size_t kRounds = 20;

class Bench {
 public:
  Bench() {
    pb::Genesis genesis = TestChain().make_genesis({1});
    for (size_t i = 0; i < kPeople; ++i) {
      keys_.push_back(test_key("p" + std::to_string(i)));
      pb::Identity* member = genesis.add_members();
      member->set_key(keys_.back().public_key().bytes());
      member->set_name("p" + std::to_string(i));
    }
    initialize_state(genesis, state_).value();
  }

  using Fill = std::function<void(pb::Transaction&, size_t person, size_t round)>;
  void run(const char* what, const Fill& fill) {
    double seconds = 0;
    size_t refused = 0;
    for (size_t round = 0; round < kRounds; ++round) {
      ++sequence_;
      std::vector<VerifiedTransaction> block;
      for (size_t person = 0; person < kPeople; ++person) {
        pb::Transaction transaction;
        transaction.set_chain_id("test");
        transaction.set_sender(keys_[person].public_key().bytes());
        transaction.set_sequence(sequence_);
        fill(transaction, person, round);
        block.push_back(verify_transaction(sign_transaction(transaction, keys_[person]), "test").value());
      }
      auto begin = std::chrono::steady_clock::now();
      Overlay overlay(state_);
      auto results = execute_block({sequence_, kTestStartMs + sequence_, block}, overlay);
      overlay.apply_to(state_);
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      for (const TransactionResult& result : results) refused += result.ok ? 0 : 1;
    }
    std::printf("metric=machine_%s ours=%.0f unit=tx/s refused=%zu\n", what, kRounds * kPeople / seconds, refused);
  }

 private:
  std::vector<crypto::SigningKey> keys_;
  MemoryState state_;
  uint64_t sequence_ = 0;
};

}  // namespace

int main() {
  Bench bench;
  bench.run("create_farm", [](pb::Transaction& transaction, size_t person, size_t round) {
    transaction.mutable_create_farm()->set_name("f" + std::to_string(person) + "-" + std::to_string(round));
    transaction.mutable_create_farm()->set_country("BE");
  });
  bench.run("revoke_token", [](pb::Transaction& transaction, size_t person, size_t round) {
    pb::RevokeToken& action = *transaction.mutable_revoke_token();
    action.set_farm("f" + std::to_string(person) + "-0");
    action.set_nonce(crypto::blake2b(std::to_string(round)).bytes().substr(0, 16));
    action.set_expires_ms(kTestStartMs + 1'000'000);
  });
  TestChain chain;
  bench.run("submit_contract", [&](pb::Transaction& transaction, size_t person, size_t round) {
    pb::ContractHeader header = chain.make_header("c" + std::to_string(round), {test_facets("web", 2)});
    header.set_owner(transaction.sender());
    header.set_nonce(crypto::blake2b(std::to_string(person) + "/" + std::to_string(round)).bytes().substr(0, 16));
    transaction.mutable_submit_contract()->set_header(wire::encode(header));
  });
}
