#include "ledger/client/verify.h"

#include "ledger/client/test_heads.h"

using namespace mcloud;
using namespace mcloud::ledger;

TEST_CASE("a head needs more than two thirds of the validators' power") {
  auto accepts = [](const std::vector<uint64_t>& powers, const std::vector<int>& signers) {
    return verify_head(test_trust(powers), signed_head(test_header(5), signers)).has_value();
  };
  CHECK(accepts({1}, {0}));
  CHECK_FALSE(accepts({1}, {}));
  CHECK(accepts({1, 1, 1, 1}, {0, 1, 2}));
  CHECK(accepts({1, 1, 1, 1}, {3, 1, 0}));
  CHECK_FALSE(accepts({1, 1, 1, 1}, {0, 1}));
  CHECK_FALSE(accepts({1, 1, 1}, {0, 1}));  // exactly 2/3
  CHECK(accepts({1, 1, 1}, {0, 1, 2}));
  CHECK(accepts({5, 1, 1}, {0}));
  CHECK_FALSE(accepts({2, 1, 1}, {0}));
}

TEST_CASE("strangers, repetitions, other domains and other chains are refused") {
  Trust trust = test_trust({1, 1, 1, 1});
  auto refuses = [&](BytesView head) {
    Result<VerifiedHead> verified = verify_head(trust, head);
    return !verified.has_value() && verified.error().code == Code::Denied;
  };
  CHECK(refuses(signed_head(test_header(5), {0, 1, 2, 9})));
  CHECK(refuses(signed_head(test_header(5), {0, 1, 1, 1})));
  CHECK(refuses(signed_head(test_header(5), {0, 1, 2}, "mcloud/transaction")));
  pb::BlockHeader foreign = test_header(5);
  foreign.set_chain_id("other");
  CHECK(refuses(signed_head(foreign, {0, 1, 2})));
  pb::BlockHeader odd = test_header(5);
  odd.set_state_hash("short");
  CHECK(refuses(signed_head(odd, {0, 1, 2})));
  CHECK(refuses(""));
  CHECK(refuses("junk"));
}

TEST_CASE("a head with any bit flipped is refused") {
  Trust trust = test_trust({1});
  Bytes head = signed_head(test_header(5), {0});
  for (size_t bit = 0; bit < head.size() * 8; ++bit) {
    Bytes flipped = head;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    REQUIRE_FALSE(verify_head(trust, flipped).has_value());
  }
}

TEST_CASE("an outcome is proven by the hashes in the header, and only that outcome") {
  Hash a = crypto::blake2b("a");
  Hash b = crypto::blake2b("b");
  BlockEvidence evidence;
  evidence.transaction_hashes = a.bytes() + b.bytes();
  evidence.results = Bytes("\0\3", 2);
  pb::BlockHeader header = test_header(9);
  header.set_transactions_hash(hash_of_transactions(evidence.transaction_hashes).bytes());
  header.set_results_hash(hash_of_results(evidence.results).bytes());
  evidence.head = signed_head(header, {0});
  VerifiedHead head = verify_head(test_trust({1}), evidence.head).value();
  CHECK(verify_outcome(head, evidence, a).value() == 0);
  CHECK(verify_outcome(head, evidence, b).value() == 3);
  CHECK(verify_outcome(head, evidence, crypto::blake2b("c")).error().code == Code::Denied);
  BlockEvidence changed = evidence;
  changed.results = Bytes("\0\0", 2);
  CHECK(verify_outcome(head, changed, b).error().code == Code::Denied);
  changed = evidence;
  changed.transaction_hashes = b.bytes() + a.bytes();
  CHECK(verify_outcome(head, changed, b).error().code == Code::Denied);
  changed = evidence;
  changed.results.pop_back();
  CHECK(verify_outcome(head, changed, b).error().code == Code::Denied);
}
