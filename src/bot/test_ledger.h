// A real ledger in this process with ida, lena and bob, a farm and nodes that are played by the test.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "bot/apply.h"
#include "bot/decide.h"
#include "bot/draft.h"
#include "bot/send.h"
#include "crypto/hash.h"
#include "io/clock.h"
#include "io/file.h"
#include "ledger/engine/server.h"
#include "testing/temporary_folder.h"
#include "wallet/transactions.h"

namespace mcloud::bot {

template <typename T>
T good(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return std::move(*result);
}
inline void good(const Status& status) { REQUIRE_MESSAGE(status.has_value(), status.error().message); }

class NoPassphrases final : public wallet::PassphraseSource {
 public:
  Result<std::string> existing(const std::string&) override { return make_error(Code::Denied, "none in tests"); }
  Result<std::string> fresh(const std::string&) override { return make_error(Code::Denied, "none in tests"); }
};

class Quiet final : public Progress {
 public:
  void step(const std::string& text) override { steps.push_back(text); }
  void replica(const ReplicaStatus&) override {}
  void standing(const ContractStatus& status) override {
    if (on_standing) on_standing(status);
  }
  std::vector<std::string> steps;
  std::function<void(const ContractStatus&)> on_standing;
};

class TestLedger {
 public:
  TestLedger() : wallet({folder / "keys"}, passphrases_) {
    std::vector<ledger::GenesisMember> members;
    for (const char* name : {"bob", "ida", "lena"}) {
      members.push_back({name, good(wallet.create(name, wallet::Wallet::Passphrase::None)).public_key});
    }
    pb::Parameters parameters = ledger::default_parameters(members);
    parameters.set_fence_after_ms(600'000);  // nodes of this test send no heartbeats
    trust = good(ledger::init_ledger(folder / "ledger", "test-1", members, parameters, clock));
    ledger::Server::Options options;
    options.data_folder = folder / "ledger";
    server = good(ledger::Server::start(options));
    client = open_client();
    view = std::make_unique<LedgerView>(*client);
    good(send(*client, key("ida"), wallet::create_farm("home", "CH")));
    write_image();
  }

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(server->port()); }

  std::unique_ptr<ledger::Client> open_client() {
    ledger::Client::Options options;
    options.endpoints = {endpoint()};
    options.trust = trust;
    return good(ledger::Client::open(options, clock));
  }

  crypto::SigningKey key(const std::string& name) { return good(wallet.unlock(name)); }

  // Admitted at once.
  crypto::SigningKey add_node(const std::string& name) {
    crypto::SigningKey node = crypto::SigningKey::generate();
    pb::Demand capacity;
    capacity.set_cpu_milli(4000);
    capacity.set_memory_bytes(4ull << 30);
    capacity.set_disk_bytes(40ull << 30);
    capacity.set_pids(10'000);
    pb::NodeAddresses addresses;
    addresses.set_backplane("10.251.0." + std::to_string(++node_count_));
    addresses.set_uplink("10.250.0." + std::to_string(10 + node_count_));
    pb::SignedJoinToken token = wallet::join_token(key("ida"), "test-1", "home", clock.wall_ms() + 3'600'000);
    good(send(*client, node, wallet::admit_node(token, name, capacity, {}, addresses)));
    nodes.push_back(node);
    return node;
  }

  // Every node says that everything it was given is healthy.
  void all_healthy(const ContractId& id) {
    for (const pb::Workload& workload : good(view->workloads(id))) {
      for (const pb::Replica& replica : workload.replicas()) {
        if (replica.state() == pb::REPLICA_HEALTHY || replica.node().empty()) continue;
        for (const crypto::SigningKey& node : nodes) {
          if (node.public_key().view() != replica.node()) continue;
          pb::ReportResults results;
          pb::Result& result = *results.add_results();
          result.set_contract(id.bytes());
          result.set_workload(workload.name());
          result.set_index(replica.index());
          result.set_epoch(replica.epoch());
          result.set_version(replica.version());
          result.set_state(pb::REPLICA_HEALTHY);
          (void)send(*client, node, wallet::report_results(results));  // one batch a second: asked again when refused
        }
      }
    }
  }

  std::string write_contract(const std::string& text) {
    good(io::write_file(folder / "contract.yaml", text, io::Durability::None));
    return folder / "contract.yaml";
  }

  Draft draft(const std::string& text, const std::string& owner = "ida") {
    DraftOutcome outcome = good(make_draft(*view, wallet, clock, {write_contract(text), owner}));
    REQUIRE_MESSAGE(outcome.draft.has_value(), contract::format_diagnostics(outcome.diagnostics));
    return std::move(*outcome.draft);
  }

 private:
  void write_image() {
    std::string manifest = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)"
                           R"("mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:)" +
                           std::string(64, 'c') + R"(","size":2},"layers":[]})";
    std::string digest = to_hex(crypto::sha256(manifest));
    good(io::make_folders(folder / "image/blobs/sha256"));
    good(io::write_file(folder / "image/blobs/sha256/" + digest, manifest, io::Durability::None));
    good(io::write_file(folder / "image/oci-layout", R"({"imageLayoutVersion":"1.0.0"})", io::Durability::None));
    good(io::write_file(
        folder / "image/index.json",
        R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)" +
            digest + R"(","size":)" + std::to_string(manifest.size()) + "}]}",
        io::Durability::None));
  }

  NoPassphrases passphrases_;
  int node_count_ = 0;

 public:
  testing::TemporaryFolder folder;
  io::SystemClock clock;
  wallet::Wallet wallet;
  ledger::Trust trust;
  std::unique_ptr<ledger::Server> server;
  std::unique_ptr<ledger::Client> client;
  std::unique_ptr<LedgerView> view;
  std::vector<crypto::SigningKey> nodes;
};

inline const std::string kAlone = R"(name: small
workloads:
  web:
    kind: container
    image: oci:./image
    replicas: 2
    environment:
      TOKEN: {secret: "value:swordfish"}
    ports: {http: 80}
  site: {kind: publish, port: 8080, to: "web:http"}
)";

inline const std::string kTwoOfThree = R"(name: shared
approvals:
  threshold: 2
  signers:
    - {who: ida, role: it}
    - {who: lena, role: legal, required: true}
    - {who: bob, role: business}
workloads:
  web:
    kind: container
    image: oci:./image
)";

}  // namespace mcloud::bot
