// How long placing takes: W workloads of one replica on N nodes. "choose" is the pure function alone, "blocks" the ledger's
// state machine with all its books, in blocks of as many contracts as one may look at. Sizes beside the wanted one show how
// it grows.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ledger/state/placement.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr uint32_t kWorkloadsPerContract = 10;

double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

// As various as people's are.
pb::Facets workload(uint32_t number) {
  pb::Facets facets = test_facets("w" + std::to_string(100 + number % kWorkloadsPerContract), 1);
  *facets.mutable_demand() = test_demand(50 + number * 37 % 250, (64 + number * 53 % 256) << 20);
  if (number % 7 == 0) facets.mutable_placement()->set_spread(pb::SPREAD_PACK);
  if (number % 11 == 0) facets.add_claims("tcp/" + std::to_string(8000 + number % 5));
  if (number % 5 == 0) facets.mutable_placement()->add_farms("farm");
  return facets;
}

void fail(const char* what) {
  std::printf("not so: %s\n", what);
  std::exit(1);
}

double choose(uint32_t workloads, uint32_t count) {
  Nodes nodes;
  Crowds crowds;
  for (uint32_t i = 0; i < count; ++i) {
    Bytes key = crypto::blake2b("n" + std::to_string(i)).bytes();
    pb::Node& node = nodes[key];
    node.set_key(key);
    node.set_name("n" + std::to_string(i));
    node.set_farm("farm");
    node.set_country("BE");
    node.set_state(pb::NODE_ONLINE);
    *node.mutable_capacity() = TestChain::test_capacity();
  }
  std::vector<pb::Facets> all;
  for (uint32_t i = 0; i < workloads; ++i) all.push_back(workload(i));
  auto begin = std::chrono::steady_clock::now();
  for (uint32_t i = 0; i < workloads; ++i) {
    Bytes contract = std::to_string(i / kWorkloadsPerContract);
    Ask ask;
    ask.contract = contract;
    ask.members = {&all[i]};
    ask.crowds = &crowds;
    Choice choice = choose_node(ask, nodes);
    if (choice.node.empty()) fail("everything has a place");
    pb::Node& node = nodes[choice.node];
    pb::Demand& used = *node.mutable_used();
    used.set_cpu_milli(used.cpu_milli() + all[i].demand().cpu_milli());
    used.set_memory_bytes(used.memory_bytes() + all[i].demand().memory_bytes());
    for (const std::string& name : all[i].claims()) {
      pb::NodeClaim& claim = *node.add_claims();
      claim.set_name(name);
      claim.set_contract(contract);
      claim.set_workload(all[i].name());
    }
    ++crowds[choice.node];
  }
  return ms_since(begin);
}

double in_blocks(uint32_t workloads, uint32_t nodes) {
  TestChain chain;
  chain.make_farm(static_cast<int>(nodes));
  std::vector<VerifiedTransaction> approvals;
  uint64_t sequence = chain.last_sequence(test_key("bob").public_key());
  for (uint32_t first = 0; first < workloads; first += kWorkloadsPerContract) {
    std::vector<pb::Facets> own;
    for (uint32_t i = first; i < first + kWorkloadsPerContract; ++i) own.push_back(workload(i));
    pb::ContractHeader header = chain.make_header("c" + std::to_string(first), own);
    if (!chain.submit(header).ok) fail("the contract is taken");
    pb::Transaction transaction;
    transaction.set_chain_id(chain.chain_id());
    transaction.set_sender(test_key("bob").public_key().bytes());
    transaction.set_sequence(++sequence);
    *transaction.mutable_approve() = chain.make_decision<pb::Approve>(header, "bob", pb::DECISION_APPROVE);
    approvals.push_back(verify_transaction(sign_transaction(transaction, test_key("bob")), chain.chain_id()).value());
  }
  // Nothing is placed before all is approved: what is timed is placing.
  Overlay overlay(chain.state());
  uint64_t height = chain.height();
  double took = 0;
  auto block = [&](const std::vector<VerifiedTransaction>& transactions) {
    auto begin = std::chrono::steady_clock::now();
    ++height;
    auto results = execute_block({height, chain.now() + height, transactions}, overlay);
    took += ms_since(begin);
    for (const TransactionResult& result : results) {
      if (!result.ok) fail(result.message.c_str());
    }
  };
  block(approvals);
  for (uint64_t due = 0; has_pending_time_work(overlay, due) && due <= chain.now() + height;) block({});
  uint64_t placed = 0;
  overlay.each("workload/", [&](BytesView key, BytesView value) {
    pb::Workload record;
    parse_record(record, value, key);
    placed += record.replicas_size() == 1 && !record.replicas(0).node().empty();
    return true;
  });
  if (placed != workloads) fail("everything is placed");
  return took;
}

void measure(uint32_t workloads, uint32_t nodes) {
  double chosen = choose(workloads, nodes);
  double done = in_blocks(workloads, nodes);
  std::printf("%6u workloads on %5u nodes: choose %8.1f ms  in blocks %8.1f ms\n", workloads, nodes, chosen, done);
  if (workloads == 10'000 && nodes == 1'000) std::printf("metric=plan_10k_ms ours=%.0f unit=ms bar=2000\n", done);
  std::fflush(nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    measure(static_cast<uint32_t>(std::atoi(argv[1])), static_cast<uint32_t>(std::atoi(argv[2])));
    return 0;
  }
  measure(1'000, 100);
  measure(1'000, 1'000);
  measure(5'000, 500);
  measure(5'000, 1'000);
  measure(10'000, 1'000);
  return 0;
}
