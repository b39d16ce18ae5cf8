// What keeps a block short and a record small, however much is asked for.
#include <doctest/doctest.h>

#include "ledger/state/schedule.h"
#include "ledger/state/test_books.h"
#include "ledger/state/test_chain.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

// Replicas that demand nothing.
pb::Facets weightless(std::string_view name, uint32_t replicas) {
  pb::Facets facets = test_facets(name, replicas);
  *facets.mutable_demand() = pb::Demand();
  facets.mutable_update()->set_max_unavailable(replicas);
  return facets;
}

std::vector<pb::Facets> ten_of(uint32_t replicas) {
  std::vector<pb::Facets> workloads;
  for (char letter = 'a'; letter < 'k'; ++letter) workloads.push_back(weightless(std::string("w") + letter, replicas));
  return workloads;
}

uint64_t placed_of(TestChain& chain, const pb::ContractHeader& header) {
  uint64_t placed = 0;
  for (const pb::Facets& facets : header.workloads()) {
    pb::Workload workload = chain.workload(header, facets.name());
    for (const pb::Replica& replica : workload.replicas()) placed += replica.node().empty() ? 0 : 1;
  }
  return placed;
}

}  // namespace

TEST_CASE("a node holds a bounded number of replicas, even of those that demand nothing") {
  TestChain chain;
  chain.make_farm(2);
  pb::ContractHeader header = chain.deploy("crowd", ten_of(1000));
  CHECK_EQ(placed_of(chain, header), 2 * kReplicasPerNodeMax);
  CHECK_EQ(chain.assignment("n1").contracts(0).replicas_size(), kReplicasPerNodeMax);
  CHECK_EQ(chain.replica(header, "wj", 999).message(),
           "replicas: needs 1 more than the 4096 a node may hold on any of 2 eligible nodes");
  CHECK_EQ(Books(chain.state()).error(), "");
  chain.admit("ann", "farm", "n3");
  chain.settle();
  CHECK_EQ(placed_of(chain, header), 10'000);
  chain.cancel(header);
  chain.settle();
  CHECK_EQ(Books(chain.state()).error(), "");
  int counted = 0;
  chain.state().each(keys::crowds(), [&](BytesView, BytesView) { return ++counted, true; });
  CHECK_EQ(counted, 0);
}

TEST_CASE("a block looks at a bounded number of replicas; the contracts that it leaves out come next") {
  TestChain chain;
  chain.make_farm(1);
  std::vector<Bytes> submissions;
  std::vector<Bytes> approvals;
  std::vector<pb::ContractHeader> headers;
  const size_t per_block = kReplicasPerBlock / 10'000;
  for (size_t i = 0; i < 3 * per_block; ++i) {
    headers.push_back(chain.make_header("large" + std::to_string(i), ten_of(1000)));
    pb::ContractHeader& header = headers.back();
    for (pb::Facets& facets : *header.mutable_workloads()) facets.mutable_demand()->set_memory_bytes(1ull << 40);
    chain.submit(header);
  }
  for (const pb::ContractHeader& header : headers) {
    pb::Approve action = chain.make_decision<pb::Approve>(header, "bob", pb::DECISION_APPROVE);
    Bytes bytes = chain.sign("bob", [&](pb::Transaction& transaction) {
      *transaction.mutable_approve() = action;
      transaction.set_sequence(transaction.sequence() + approvals.size());
    });
    approvals.push_back(bytes);
  }
  for (const TransactionResult& result : chain.block(approvals)) CHECK(result.ok);
  auto looked_at = [&] {
    size_t count = 0;
    for (const pb::ContractHeader& header : headers) count += chain.workload(header, "wa").replicas_size() > 0 ? 1 : 0;
    return count;
  };
  for (size_t blocks = 1; blocks <= 3; ++blocks) {
    CHECK_EQ(looked_at(), blocks * per_block);
    uint64_t due_ms = 1;
    CHECK_EQ(has_pending_time_work(chain.state(), due_ms), blocks < 3);
    CHECK_EQ(due_ms, blocks < 3 ? 0 : 1);
    chain.pass(1);
  }
}

TEST_CASE("when network numbers run out a contract waits for one, and no block searches through them all") {
  TestChain chain;
  chain.make_farm(1);
  for (uint32_t number = 4096; number < 4096 + 6000; ++number) chain.state().put(keys::vni(number), "");
  pb::Facets web = test_facets("web", 1);
  web.add_spaces("net");
  pb::ContractHeader header = chain.make_header("web", {web});
  header.add_spaces()->set_name("net");
  header.mutable_spaces(0)->set_range("10.7.0.0/24");
  chain.submit(header);
  chain.approve(header, "bob");
  CHECK_EQ(chain.replica(header, "web", 0).message(), "network net: no network number is free");
  chain.admit("ann", "farm", "n2");  // something is free: it is tried again, behind those that were looked at
  CHECK_EQ(chain.contract(header).spaces(0).vni(), 4096 + 6000);
  CHECK_NE(chain.place_of(header, "web", 0), "");
  CHECK_EQ(Books(chain.state()).error(), "");
}
