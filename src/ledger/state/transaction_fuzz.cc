// Any bytes as a transaction, and any well-formed transaction as an action on a small live ledger: nothing
// crashes, and what is refused changes nothing but a sequence.
#include <algorithm>
#include <memory>

#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

struct Start {
  MemoryState state;
  uint64_t height = 0;
  uint64_t time_ms = 0;
  pb::ContractHeader header;

  Start() {
    TestChain chain;
    chain.make_farm(3);
    pb::Facets web = test_facets("web", 2);
    web.add_claims("tcp/80");
    header = chain.deploy("web", {web});
    pb::ContractHeader next = header;
    next.set_version(2);
    chain.update(next);
    state = chain.state();
    height = chain.height();
    time_ms = chain.now();
  }
};

const Start& start() {
  static const Start started;
  return started;
}

// The fuzzer's transaction, but by somebody the ledger knows and in turn: so that its action is judged.
Bytes sign_for(pb::Transaction transaction, uint8_t who) {
  constexpr const char* kNames[] = {"ann", "bob", "n1", "n2", "validator0", "newcomer"};
  crypto::SigningKey key = test_key(kNames[who % std::size(kNames)]);
  auto record = load<pb::Sequence>(start().state, keys::sequence(key.public_key()));
  transaction.set_chain_id("test");
  transaction.set_sender(key.public_key().bytes());
  transaction.set_sequence((record ? record->last() : 0) + 1);
  return sign_transaction(transaction, key);
}

void check_refusal(const MemoryState& after) {
  size_t changed = 0;
  for (const auto& [key, value] : after.values()) {
    if (start().state.get(key) == value) continue;
    ++changed;
    if (!key.starts_with("sequence/")) __builtin_trap();
  }
  if (changed > 1 || after.values().size() < start().state.values().size()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  BytesView bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(verify_transaction(bytes, "test"));
  if (size < 1) return 0;
  pb::Transaction transaction;
  if (!transaction.ParseFromArray(data + 1, static_cast<int>(size - 1))) return 0;
  Result<VerifiedTransaction> verified = verify_transaction(sign_for(transaction, data[0]), "test");
  if (!verified) return 0;
  MemoryState state = start().state;
  static_cast<void>(check_transaction(*verified, state, start().time_ms, 0));
  auto results = execute_block({start().height + 1, start().time_ms, {&*verified, 1}}, state);
  if (!results[0].ok) check_refusal(state);
  // What it left behind does no harm later.
  execute_block({start().height + 2, start().time_ms + 4'000'000, {}}, state);
  return 0;
}
