// One flipped bit in every reply that the agent reads its orders from, bit after bit: the orders are the true ones, or
// there are fewer of them. Never is there one more, nor another.
#include <doctest/doctest.h>

#include "ledger/client/flip_proxy.h"
#include "ledger/engine/test_server.h"
#include "node/ledger_reader.h"
#include "node/local_networks.h"
#include "node/sample_test.h"
#include "testing/simulated_random.h"
#include "testing/temporary_folder.h"

using namespace mcloud;
using namespace mcloud::node;
using namespace mcloud::node::sample;
using ledger::must;

namespace {

constexpr size_t kRounds = 600;

// A ledger with one node, which is to run a database with a volume, a secret and a publication.
class FlippedLedger {
 public:
  FlippedLedger() : client_(server_.client()), proxy_(server_.server().port()) {
    submit(server_.create_farm("ann", "home"));
    submit(server_.admit("ann", "home", "node1"));
    Sample sample = make(kContract, {.now_ms = server_.clock().wall_ms()});
    must(client_->put_blob(sample.compiled.body_bytes));
    must(client_->put_blob(sample.keyring));
    pb::Transaction submission;
    submission.mutable_submit_contract()->set_header(sample.compiled.header_bytes);
    submission.mutable_submit_contract()->set_keyring_hash(crypto::blake2b(sample.keyring).bytes());
    submission.mutable_submit_contract()->add_keyring_nodes(kNode.public_key().bytes());
    send(submission);
    pb::Transaction approval;
    pb::Approve& approve = *approval.mutable_approve();
    approve.set_contract(sample.id.bytes());
    approve.set_version(1);
    approve.set_header_hash(contract::header_hash(sample.compiled.header_bytes).bytes());
    approve.set_signature(decision(sample, kOwner).signature());
    send(approval);
  }

  Result<Orders> read_directly() { return read(server_.server().port()); }
  Result<Orders> read_flipped(size_t bit) {
    proxy_.flip(bit);
    return read(proxy_.port());
  }
  size_t last_reply_bytes() const { return proxy_.last_reply_bytes(); }

 private:
  static constexpr const char* kContract = R"(
name: database
workloads:
  data: {kind: volume, size: 1GiB}
  db:
    kind: container
    image: oci:./image
    ports: {sql: 5432}
    environment: {PASSWORD: {secret: "env:PASSWORD"}}
    mounts: {/data: {volume: data}}
  door: {kind: publish, port: 5432, to: "db:sql"}
)";

  Result<Orders> read(uint16_t port) {
    std::string endpoint = "http://127.0.0.1:" + std::to_string(port);
    auto client = TRY(ledger::Client::open({{endpoint}, server_.server().trust(), "", 2'000}, server_.clock()));
    testing::TemporaryFolder folder;
    LedgerReader reader(*client, kNode, {.memory_file = folder / "memory", .evidence_folder = folder / "evidence"});
    LedgerReader::Reading reading = TRY(reader.read());
    if (!reading.view) return make_error(Code::Unavailable, "nothing was read");
    return build_orders(*reading.view);
  }
  void submit(const Bytes& transaction) {
    auto outcomes = must(client_->submit({transaction}));
    REQUIRE_MESSAGE(outcomes.at(0).result.ok, outcomes.at(0).result.message);
  }
  void send(pb::Transaction transaction) {
    transaction.set_chain_id(kChain);
    transaction.set_sender(kOwner.public_key().bytes());
    transaction.set_sequence(must(client_->next_sequence(kOwner.public_key())));
    submit(ledger::sign_transaction(transaction, kOwner));
  }

  ledger::TestServer server_;
  std::unique_ptr<ledger::Client> client_;
  ledger::FlipProxy proxy_;
};

// Everything that a task makes the machine do.
std::string deed(const ContainerTask& task) {
  std::string deed = describe(task.replica) + " epoch " + std::to_string(task.epoch) + " version " +
                     std::to_string(task.version) + " spec " + task.spec.hex() + " secret " + to_hex(task.secret_key) +
                     " hosts " + task.hosts_file;
  for (const auto& [path, volume] : task.volumes) deed += " " + path + "=" + describe(volume);
  return deed;
}

std::set<std::string> deeds(const Orders& orders) {
  std::set<std::string> deeds;
  std::set<ReplicaKey> serving;
  for (const auto& [replica, task] : orders.containers) {
    deeds.insert(deed(task));
    serving.insert(replica);
  }
  for (const auto& [replica, task] : orders.volumes) {
    deeds.insert(describe(replica) + " size " + std::to_string(task.size_bytes));
  }
  for (const auto& [contract, networks] : orders.networks) {
    deeds.insert("networks " + to_hex(wire::encode(contract_networks(orders, contract, serving))));
  }
  for (const ContractId& contract : orders.desired.erase) deeds.insert("erase " + contract.hex());
  if (orders.fenced) deeds.insert("fenced");
  deeds.insert("fence after " + std::to_string(orders.fence_after_ms));
  return deeds;
}

}  // namespace

TEST_CASE("one flipped bit in every reply never gives the agent another order") {
  FlippedLedger ledger;
  std::set<std::string> truth = deeds(must(ledger.read_directly()));
  REQUIRE(truth.size() == 4);
  REQUIRE(deeds(must(ledger.read_flipped(SIZE_MAX))) == truth);
  testing::SimulatedRandom random{4};
  size_t bits = std::max<size_t>(ledger.last_reply_bytes(), 2'000) * 8;
  size_t refused = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    size_t bit = random.below(bits);
    CAPTURE(bit);
    Result<Orders> orders = ledger.read_flipped(bit);
    if (!orders.has_value()) {
      ++refused;
      continue;
    }
    for (const std::string& deed : deeds(*orders)) REQUIRE_MESSAGE(truth.contains(deed), deed);
  }
  CHECK(refused > kRounds / 3);
}
