#include "sim/people.h"

#include <algorithm>

#include "contract/approval.h"
#include "contract/header.h"
#include "crypto/hash.h"
#include "ledger/state/records.h"
#include "ledger/state/test_chain.h"
#include "wire/canonical.h"

namespace mcloud::sim {
namespace {

constexpr uint64_t kTickMs = 300;
constexpr uint64_t kResendMs = 2000;
constexpr size_t kContractsMax = 7;
constexpr size_t kWaitingMax = 20;  // during an outage: what waits must be through before the end

// Among containers: "kv" stands between "db-data" and "web".
void add_sorted(std::vector<pb::Facets>& workloads, const pb::Facets& facets) {
  auto at = std::find_if(workloads.begin(), workloads.end(),
                         [&](const pb::Facets& other) { return other.name() > facets.name(); });
  workloads.insert(at, facets);
}

}  // namespace

void People::start() { tick(); }

void People::tick() {
  if (is_calm_) {
    repair();
  } else if (outboxes_["ann"].waiting.size() < kWaitingMax && world_.random.chance(45)) {
    have_an_idea();
  }
  for (auto& [person, outbox] : outboxes_) flush(person, outbox);
  world_.clock.after(kTickMs, [this] { tick(); });
}

void People::flush(const std::string& person, Outbox& outbox) {
  if (!world_.chain.is_up()) return;
  uint64_t last = world_.chain.last_sequence(id_named(person));
  if (outbox.sent_sequence != 0 && last >= outbox.sent_sequence) {
    outbox.waiting.pop_front();
    outbox.sent_sequence = 0;
  }
  if (outbox.waiting.empty()) return;
  if (outbox.sent_sequence != 0 && world_.clock.now() < outbox.sent_ms + kResendMs) return;
  outbox.sent_sequence = last + 1;
  outbox.sent_ms = world_.clock.now();
  Bytes bytes = sign(person, outbox.sent_sequence, outbox.waiting.front());
  world_.network.send(person, "ledger", [this, bytes] { world_.chain.submit(bytes); });
}

void People::have_an_idea() {
  uint64_t what = world_.random.below(10);
  if (headers_.size() < 3 || (what < 2 && headers_.size() < kContractsMax)) return submit();
  size_t index = world_.random.below(headers_.size());
  NodeId node = id_named("n" + std::to_string(world_.random.below(static_cast<uint64_t>(world_.scenario.nodes))));
  switch (what) {
    case 7: return cancel(index);
    case 8:
      return post("ann",
                  [node](pb::Transaction& transaction) { transaction.mutable_drain_node()->set_node(node.bytes()); });
    case 9:
      return post("ann",
                  [node](pb::Transaction& transaction) { transaction.mutable_resume_node()->set_node(node.bytes()); });
    default: return update(headers_[index]);
  }
}

void People::repair() {
  if (!world_.chain.is_up() || !outboxes_["ann"].waiting.empty()) return;
  const ledger::MemoryState& state = world_.chain.state();
  state.each("node/", [&](BytesView key, BytesView value) {
    pb::Node node;
    ledger::parse_record(node, value, key);
    if (!node.draining()) return true;
    post("ann", [id = node.key()](pb::Transaction& transaction) { transaction.mutable_resume_node()->set_node(id); });
    return true;
  });
  state.each("workload/", [&](BytesView key, BytesView value) {
    pb::Workload workload;
    ledger::parse_record(workload, value, key);
    for (const pb::Replica& replica : workload.replicas()) {
      if (replica.state() != pb::REPLICA_STUCK) continue;
      post("ann", [workload](pb::Transaction& transaction) {
        transaction.mutable_retry()->set_contract(workload.contract());
        transaction.mutable_retry()->set_workload(workload.name());
      });
      break;
    }
    return true;
  });
}

pb::Facets People::some_container(const std::string& name) {
  testing::SimulatedRandom& random = world_.random;
  pb::Facets facets = ledger::test_facets(name, static_cast<uint32_t>(1 + random.below(4)));
  facets.mutable_demand()->set_memory_bytes((1 + random.below(5)) * (256ull << 20));
  facets.mutable_demand()->set_cpu_milli(100 + random.below(5) * 200);
  facets.mutable_update()->set_max_unavailable(static_cast<uint32_t>(1 + random.below(facets.replicas())));
  facets.mutable_update()->set_healthy_after_ms(random.below(2) * 1000);
  facets.mutable_placement()->set_spread(random.chance(20)   ? pb::SPREAD_REQUIRE
                                         : random.chance(20) ? pb::SPREAD_PACK
                                                             : pb::SPREAD_PREFER);
  facets.set_has_health(random.chance(30));
  if (random.chance(30)) facets.set_on_mass_loss(pb::MASS_LOSS_MOVE);
  if (random.chance(25)) facets.add_claims("tcp/" + std::to_string(8000 + random.below(2)));
  if (random.chance(40)) {
    facets.set_exclusive(true);
    facets.set_on_isolation(pb::ISOLATION_STOP);
  }
  return facets;
}

pb::Facets People::some_set() {
  testing::SimulatedRandom& random = world_.random;
  const uint64_t most = std::min<uint64_t>(4, static_cast<uint64_t>(world_.scenario.nodes));
  pb::Facets facets = ledger::test_facets("kv", static_cast<uint32_t>(1 + random.below(most)));
  const bool is_lone = facets.replicas() == 1;
  facets.mutable_set()->set_copies(is_lone ? 1 : static_cast<uint32_t>(1 + random.below(std::min(3u, facets.replicas()))));
  facets.mutable_demand()->set_memory_bytes(128ull << 20);
  facets.mutable_demand()->set_cpu_milli(100);
  facets.mutable_placement()->set_spread(pb::SPREAD_REQUIRE);
  facets.set_exclusive(is_lone);
  facets.set_has_health(true);
  facets.set_on_node_loss(is_lone ? pb::NODE_LOSS_WAIT : pb::NODE_LOSS_MOVE);
  if (!is_lone && facets.set().copies() == 1) facets.set_on_isolation(pb::ISOLATION_STOP);
  if (random.chance(30)) facets.set_on_mass_loss(pb::MASS_LOSS_MOVE);
  facets.mutable_update()->set_healthy_after_ms(random.below(2) * 1000);
  return facets;
}

std::vector<pb::Facets> People::some_workloads() {
  std::vector<pb::Facets> workloads;
  if (world_.random.chance(50)) {
    pb::Facets server = some_container("db");
    server.clear_claims();
    server.set_exclusive(true);
    server.set_on_node_loss(world_.random.chance(70) ? pb::NODE_LOSS_WAIT : pb::NODE_LOSS_START_EMPTY);
    pb::Facets data = server;
    data.set_name("db-data");
    data.set_kind("volume");
    *data.mutable_demand() = pb::Demand();
    data.mutable_demand()->set_disk_bytes(1 << 30);
    data.set_has_health(false);
    server.add_with("db-data");
    workloads.push_back(server);
    workloads.push_back(data);
  }
  if (world_.random.chance(80) || workloads.empty()) {
    workloads.push_back(some_container("web"));
    if (workloads.size() == 3 && world_.random.chance(30)) {
      workloads.back().mutable_placement()->add_apart("db");
    }
  }
  return workloads;
}

void People::submit() {
  pb::ContractHeader header;
  header.set_format(1);
  header.set_name("c" + std::to_string(++submitted_));
  header.set_owner(id_named("ann").bytes());
  header.set_nonce(crypto::blake2b(header.name()).bytes().substr(0, 16));
  header.set_version(1);
  header.set_body_hash(crypto::blake2b("body").bytes());
  header.set_expires_ms(world_.clock.now() + 5000 + world_.random.below(20'000));
  ledger::TestChain::set_signers(header, {"bob", "cyd", "dan"}, 2);
  if (world_.random.chance(20)) header.mutable_approvals()->mutable_signers(0)->set_required(true);
  std::vector<pb::Facets> workloads = some_workloads();
  if (world_.random.chance(40)) add_sorted(workloads, some_set());
  for (const pb::Facets& facets : workloads) *header.add_workloads() = facets;
  headers_.push_back(header);
  post("ann", [bytes = wire::encode(header)](pb::Transaction& transaction) {
    transaction.mutable_submit_contract()->set_header(bytes);
  });
  decide(header);
}

void People::update(pb::ContractHeader& header) {
  header.set_version(header.version() + 1);
  header.set_expires_ms(world_.clock.now() + 5000 + world_.random.below(20'000));
  if (world_.random.chance(50)) header.set_body_hash(world_.random.bytes(32));
  if (world_.random.chance(40)) {
    std::vector<pb::Facets> workloads = some_workloads();
    if (contract::find_facets(header, "kv") != nullptr) add_sorted(workloads, some_set());
    header.clear_workloads();
    for (const pb::Facets& facets : workloads) *header.add_workloads() = facets;
  }
  post("ann", [bytes = wire::encode(header)](pb::Transaction& transaction) {
    transaction.mutable_update_contract()->set_header(bytes);
  });
  decide(header);
}

void People::cancel(size_t index) {
  Bytes id = contract::contract_id(headers_[index]).bytes();
  bool erases = world_.random.chance(50);
  headers_.erase(headers_.begin() + static_cast<std::ptrdiff_t>(index));
  post("ann", [id, erases](pb::Transaction& transaction) {
    transaction.mutable_cancel_contract()->set_contract(id);
    transaction.mutable_cancel_contract()->set_erase_volumes(erases);
  });
}

// Not everybody approves everything, nor at once.
void People::decide(const pb::ContractHeader& header) {
  Bytes bytes = wire::encode(header);
  auto subject = contract::approval_subject(kChainId, header, bytes);
  for (const char* signer : {"bob", "cyd", "dan"}) {
    uint64_t mood = world_.random.below(10);
    if (mood == 0) continue;
    auto decision = mood == 1 ? pb::DECISION_REJECT : pb::DECISION_APPROVE;
    Bytes signature = contract::sign_decision(key_named(signer), subject, decision);
    auto fill = [=](auto& action) {
      action.set_contract(subject.contract.bytes());
      action.set_version(subject.version);
      action.set_header_hash(subject.header_hash.bytes());
      action.set_signature(signature);
    };
    world_.clock.after(600 + world_.random.below(4000), [this, signer, decision, fill] {
      post(signer, [decision, fill](pb::Transaction& transaction) {
        decision == pb::DECISION_REJECT ? fill(*transaction.mutable_reject()) : fill(*transaction.mutable_approve());
      });
    });
  }
}

}  // namespace mcloud::sim
