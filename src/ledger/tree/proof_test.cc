#include "ledger/tree/proof.h"

#include <doctest/doctest.h>

#include "ledger/tree/tree.h"
#include "testing/simulated_random.h"

using namespace mcloud;
using namespace mcloud::ledger;
using namespace mcloud::ledger::tree;

namespace {

struct Sample {
  MemoryNodes nodes;
  Overlay::Changes changes;
  Hash root;

  explicit Sample(int count) {
    for (int i = 0; i < count; ++i) changes["key " + std::to_string(i)] = "value " + std::to_string(i);
    root = *update(nodes, changes);
  }
  Bytes proof(BytesView key) const { return prove(nodes, key)->encode(); }
};

}  // namespace

TEST_CASE("every key is proven with its value, and with no other and not as absent") {
  for (int count : {1, 2, 3, 17, 400}) {
    Sample sample(count);
    for (const auto& [key, value] : sample.changes) {
      Bytes proof = sample.proof(key);
      CHECK(verify_proof(sample.root, key, value, proof).has_value());
      CHECK_FALSE(verify_proof(sample.root, key, "other", proof).has_value());
      CHECK_FALSE(verify_proof(sample.root, key, std::nullopt, proof).has_value());
      CHECK_FALSE(verify_proof(sample.root, key + " ", value, proof).has_value());
      CHECK_FALSE(verify_proof(Hash(), key, value, proof).has_value());
    }
  }
}

TEST_CASE("every other key is proven absent, and with no value") {
  for (int count : {0, 1, 2, 3, 17, 400}) {
    Sample sample(count);
    for (int i = 0; i < 300; ++i) {
      Bytes key = "absent " + std::to_string(i);
      Bytes proof = sample.proof(key);
      REQUIRE(verify_proof(sample.root, key, std::nullopt, proof).has_value());
      CHECK_FALSE(verify_proof(sample.root, key, "", proof).has_value());
    }
  }
}

TEST_CASE("no proof of absence of a present key can be made from its neighbours' proofs") {
  Sample sample(60);
  std::vector<Bytes> proofs;
  for (const auto& [key, value] : sample.changes) proofs.push_back(sample.proof(key));
  for (int i = 0; i < 60; ++i) proofs.push_back(sample.proof("absent " + std::to_string(i)));
  for (const auto& [key, value] : sample.changes) {
    for (const Bytes& proof : proofs) CHECK_FALSE(verify_proof(sample.root, key, std::nullopt, proof).has_value());
  }
}

TEST_CASE("a proof with any bit flipped is refused") {
  Sample sample(40);
  for (Bytes key : {"key 3", "key 39", "absent", "absent 2", "absent 3"}) {
    auto found = sample.changes.find(key);
    std::optional<Bytes> value = found == sample.changes.end() ? std::nullopt : found->second;
    Bytes proof = sample.proof(key);
    REQUIRE(verify_proof(sample.root, key, value, proof).has_value());
    for (size_t bit = 0; bit < proof.size() * 8; ++bit) {
      Bytes flipped = proof;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      REQUIRE_FALSE(verify_proof(sample.root, key, value, flipped).has_value());
    }
    for (size_t size = 0; size < proof.size(); ++size) {
      REQUIRE_FALSE(verify_proof(sample.root, key, value, proof.substr(0, size)).has_value());
    }
    CHECK_FALSE(verify_proof(sample.root, key, value, proof + '\0').has_value());
  }
}

TEST_CASE("whatever decodes encodes to the same bytes") {
  testing::SimulatedRandom random(5);
  Sample sample(100);
  size_t decoded = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes = sample.proof("key " + std::to_string(random.below(200)));
    for (uint64_t changes = random.below(3); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = random.bytes(1)[0];
    }
    Result<Proof> proof = Proof::decode(bytes);
    if (!proof.has_value()) continue;
    ++decoded;
    CHECK(proof->encode() == bytes);
  }
  CHECK(decoded > 500);
}

TEST_CASE("a proof stays short: about the logarithm of the number of keys") {
  Sample sample(20'000);
  size_t most = 0;
  for (int i = 0; i < 500; ++i) most = std::max(most, sample.proof("key " + std::to_string(i)).size());
  CHECK(most < 30 * 32);
}
