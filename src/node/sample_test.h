// For tests: real, signed contracts and the ledger's records about them, made from YAML.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "contract/approval.h"
#include "contract/compile.h"
#include "contract/header.h"
#include "contract/parse.h"
#include "contract/secrets.h"
#include "crypto/hash.h"
#include "ledger/state/test_chain.h"
#include "node/desired.h"
#include "wire/canonical.h"

namespace mcloud::node::sample {

inline constexpr const char* kChain = "test";  // of ledger::TestServer too

// Members of ledger::TestServer, and nodes.
inline const crypto::SigningKey kOwner = ledger::test_key("ann");
inline const crypto::SigningKey kLegal = ledger::test_key("bob");
inline const crypto::SigningKey kStranger = ledger::test_key("cyd");
inline const crypto::SigningKey kNode = ledger::test_key("node1");
inline const crypto::SigningKey kOtherNode = ledger::test_key("node2");

class Resolver final : public contract::Resolver {
 public:
  Result<PublicKey> key_of(std::string_view who) override {
    if (who == "lena") return kLegal.public_key();
    return make_error(Code::NotFound, "nobody");
  }
  Result<NodeId> node_key(std::string_view) override { return kNode.public_key(); }
  Result<Image> image(std::string_view source, std::string_view) override {
    return Image{std::string(source), "sha256:" + crypto::blake2b(source).hex(), {}};
  }
  Result<Bytes> secret_value(const contract::SecretReference& reference) override { return Bytes(reference.text); }
};

struct Sample {
  ContractId id;
  contract::Compiled compiled;
  pb::Contract record;
  Bytes keyring;
};

inline pb::RecordedDecision decision(const Sample& sample, const crypto::SigningKey& signer) {
  auto subject = contract::approval_subject(kChain, sample.compiled.header, sample.compiled.header_bytes);
  pb::RecordedDecision made;
  made.set_signer(signer.public_key().bytes());
  made.set_decision(pb::DECISION_APPROVE);
  made.set_signature(contract::sign_decision(signer, subject, pb::DECISION_APPROVE));
  return made;
}

struct Options {
  uint64_t version = 1;
  int nonce = 1;
  const Sample* previous = nullptr;
  std::vector<PublicKey> readers = {kNode.public_key()};
  uint64_t now_ms = 1'700'000'000'000;
};

// An active contract of kOwner, approved by all its signers that we know.
inline Sample make(const std::string& yaml, const Options& options = {}) {
  auto parsed = contract::parse_contract(yaml, "sample.yaml");
  INFO(contract::format_diagnostics(parsed.diagnostics));
  REQUIRE(parsed.contract.has_value());
  contract::CompileContext context{.chain_id = kChain, .owner = kOwner.public_key(),
                                   .nonce = Bytes(contract::kNonceSize, static_cast<char>(options.nonce)),
                                   .version = options.version, .now_ms = options.now_ms};
  if (options.previous != nullptr) {
    if (!options.previous->compiled.secret_key.empty()) context.secret_key = options.previous->compiled.secret_key;
    context.previous_body = &options.previous->compiled.body;
  }
  Resolver resolver;
  auto outcome = contract::compile(*parsed.contract, context, resolver);
  INFO(contract::format_diagnostics(outcome.diagnostics));
  REQUIRE(outcome.compiled.has_value());
  Sample sample{.compiled = std::move(*outcome.compiled)};
  const pb::ContractHeader& header = sample.compiled.header;
  sample.id = contract::contract_id(header);
  sample.record.set_id(sample.id.bytes());
  sample.record.set_name(header.name());
  sample.record.set_owner(header.owner());
  pb::ContractVersion& current = *sample.record.mutable_current();
  current.set_version(header.version());
  current.set_header(sample.compiled.header_bytes);
  current.set_header_hash(contract::header_hash(sample.compiled.header_bytes).bytes());
  current.set_state(pb::CONTRACT_ACTIVE);
  for (const crypto::SigningKey* signer : {&kOwner, &kLegal}) {
    if (contract::find_signer(header, signer->public_key()) != nullptr) *current.add_decisions() = decision(sample, *signer);
  }
  uint32_t vni = 1000;
  for (const pb::AddressSpace& space : header.spaces()) {
    pb::SpaceGrant& grant = *sample.record.add_spaces();
    grant.set_name(space.name());
    grant.set_vni(++vni);
    grant.set_range(space.range());
    int host = 2;
    for (const pb::Facets& facets : header.workloads()) {
      for (uint32_t index = 0; index < facets.replicas(); ++index) {
        bool stands_in = std::find(facets.spaces().begin(), facets.spaces().end(), space.name()) != facets.spaces().end();
        if (!stands_in) continue;
        pb::SpaceLease& lease = *grant.add_leases();
        lease.set_workload(facets.name());
        lease.set_index(index);
        lease.set_address("10.42.0." + std::to_string(host++));
      }
    }
  }
  if (header.sealed_secrets()) {
    auto keyring = contract::make_keyring(contract::secret_scope(kChain, header), sample.compiled.secret_key, 1, options.readers);
    REQUIRE(keyring.has_value());
    sample.keyring = wire::encode(*keyring);
    sample.record.set_keyring_hash(crypto::blake2b(sample.keyring).bytes());
  }
  return sample;
}

// Everything the ledger says about samples of which all replicas are placed on kNode.
class Ledger {
 public:
  Ledger() {
    view.chain_id = kChain;
    view.node_id = kNode.public_key();
    view.parameters.set_fence_after_ms(5000);
    view.node.set_key(kNode.public_key().bytes());
    view.node.set_state(pb::NODE_ONLINE);
    view.node.set_epoch(1);
    view.assignment.set_node(kNode.public_key().bytes());
    view.node.set_number(1);
    view.nodes[kOtherNode.public_key()] = peer(kOtherNode, 2);
  }

  // A node of the same farm, with a key of the mesh.
  static pb::Node peer(const crypto::SigningKey& key, uint32_t number) {
    pb::Node node;
    node.set_key(key.public_key().bytes());
    node.set_farm("home");
    node.set_number(number);
    node.mutable_addresses()->set_backplane("10.251.0." + std::to_string(number));
    node.mutable_addresses()->set_uplink("10.250.0." + std::to_string(number));
    pb::MeshKey& mesh = *node.add_mesh_keys();
    mesh.set_key(crypto::blake2b("mesh" + std::to_string(number)).bytes());
    mesh.set_port(51'820);
    return node;
  }

  void place(const Sample& sample, uint64_t epoch = 1) {
    ContractView& contract = view.contracts[sample.id];
    contract.record = sample.record;
    auto verified = verify_contract(kChain, sample.id, sample.record, sample.compiled.body_bytes);
    REQUIRE_MESSAGE(verified.has_value(), verified.error().message);
    contract.versions[sample.compiled.header.version()] = *verified;
    auto secret = open_secret_key(kChain, **verified, sample.record, sample.keyring, kNode);
    REQUIRE_MESSAGE(secret.has_value(), secret.error().message);
    contract.secret_key = *secret;
    forget(sample.id);
    pb::AssignedContract& assigned = *view.assignment.add_contracts();
    assigned.set_contract(sample.id.bytes());
    for (const pb::Facets& facets : sample.compiled.header.workloads()) {
      if (facets.replicas() == 0) continue;
      pb::Workload& workload = contract.workloads[facets.name()];
      workload.Clear();
      for (uint32_t index = 0; index < facets.replicas(); ++index) {
        pb::Replica& replica = *workload.add_replicas();
        replica.set_index(index);
        replica.set_node(kNode.public_key().bytes());
        replica.set_epoch(epoch);
        replica.set_version(sample.compiled.header.version());
        pb::AssignedReplica& mine = *assigned.add_replicas();
        mine.set_workload(facets.name());
        mine.set_index(index);
        mine.set_epoch(epoch);
        mine.set_version(sample.compiled.header.version());
      }
    }
  }

  pb::AssignedContract* assigned(const ContractId& id) {
    for (pb::AssignedContract& contract : *view.assignment.mutable_contracts()) {
      if (contract.contract() == id.view()) return &contract;
    }
    return nullptr;
  }

  // No longer assigned here.
  void forget(const ContractId& id) {
    auto& contracts = *view.assignment.mutable_contracts();
    for (int i = contracts.size() - 1; i >= 0; --i) {
      if (contracts[i].contract() == id.view()) contracts.DeleteSubrange(i, 1);
    }
  }

  // One replica is placed on another node.
  void move_away(const ContractId& id, const std::string& workload, uint32_t index) {
    for (pb::Replica& replica : *view.contracts[id].workloads[workload].mutable_replicas()) {
      if (replica.index() != index) continue;
      replica.set_node(kOtherNode.public_key().bytes());
      replica.set_epoch(replica.epoch() + 1);
    }
    auto& replicas = *assigned(id)->mutable_replicas();
    for (int i = replicas.size() - 1; i >= 0; --i) {
      if (replicas[i].workload() == workload && replicas[i].index() == index) replicas.DeleteSubrange(i, 1);
    }
  }

  // The set that replicas of a workload make; all that are placed are its voters. No primary: electing.
  pb::SetRecord& set(const ContractId& id, const std::string& workload, uint64_t term, std::optional<uint32_t> primary) {
    pb::Workload& record = view.contracts[id].workloads[workload];
    pb::SetRecord& set = *record.mutable_set();
    set.set_term(term);
    set.set_voters_revision(set.voters_revision() + 1);
    set.clear_primary();
    set.clear_voters();
    for (const pb::Replica& replica : record.replicas()) {
      pb::SetMember& voter = *set.add_voters();
      voter.set_index(replica.index());
      voter.set_epoch(replica.epoch());
      if (primary == replica.index()) *set.mutable_primary() = voter;
    }
    return set;
  }

  Orders orders() const { return build_orders(view); }

  LedgerView view;
};

inline constexpr const char* kWeb = R"(
name: hello
workloads:
  web:
    kind: container
    image: oci:./image
    replicas: 2
    ports: {http: 80}
    health: {http: {port: http, path: /}, interval: 2s, timeout: 1s, retries: 3}
  site: {kind: publish, port: 8080, to: "web:http"}
)";

inline constexpr const char* kPlainBody = R"(
name: other
workloads:
  app: {kind: container, image: "oci:./image"}
)";

inline constexpr const char* kDatabase = R"(
name: database
workloads:
  db:
    kind: container
    image: oci:./image
    environment:
      PASSWORD: {secret: "value:hush"}
    mounts:
      /data: {volume: data}
  data: {kind: volume, size: 64MiB}
)";

inline constexpr const char* kStore = R"(
name: shop
workloads:
  store:
    kind: kv
    size: 64MiB
    followers: 2
    min_replicas: 1
    password: {secret: "value:hush"}
  entry: {kind: publish, port: 6379, to: "store:kv"}
)";

}  // namespace mcloud::node::sample
