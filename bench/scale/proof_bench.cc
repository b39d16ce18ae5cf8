// Proofs of one key under the state hash of a large state: how long a client takes to check one, how long a server to
// make one, and how large it is. Everything in memory, one thread.
//
//   scale_proof_bench [KEYS...]      (10000 100000 1000000)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "crypto/hash.h"
#include "ledger/tree/proof.h"
#include "ledger/tree/tree.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

constexpr size_t kRounds = 7;
constexpr size_t kProofs = 2000;
constexpr size_t kValueBytes = 400;  // about a workload's record

double us_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Bytes key_of(size_t number) { return "workload/" + crypto::blake2b("key " + std::to_string(number)).bytes() + "/web"; }
Bytes value_of(size_t number) {
  Bytes value = "value " + std::to_string(number);
  value.resize(kValueBytes, 'v');
  return value;
}

struct State {
  tree::MemoryNodes nodes;
  Hash root;
};

State make_state(size_t keys) {
  constexpr size_t kBlock = 10'000;
  State state;
  for (size_t first = 0; first < keys; first += kBlock) {
    Overlay::Changes changes;
    for (size_t i = first; i < std::min(keys, first + kBlock); ++i) changes[key_of(i)] = value_of(i);
    state.root = tree::update(state.nodes, changes).value();
  }
  return state;
}

// Keys that are there, or that are not.
void measure(const State& state, size_t keys, bool present) {
  struct Sample {
    Bytes key;
    std::optional<Bytes> value;
    Bytes proof;
  };
  std::vector<Sample> samples;
  size_t bytes = 0;
  auto begun = std::chrono::steady_clock::now();
  for (size_t i = 0; i < kProofs; ++i) {
    size_t number = (i * 7919) % keys + (present ? 0 : keys);
    Sample sample{key_of(number), present ? std::optional(value_of(number)) : std::nullopt, {}};
    sample.proof = tree::prove(state.nodes, sample.key).value().encode();
    bytes += sample.proof.size();
    samples.push_back(std::move(sample));
  }
  double make_us = us_since(begun) / kProofs;
  std::vector<double> rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    begun = std::chrono::steady_clock::now();
    for (const Sample& sample : samples) {
      if (!tree::verify_proof(state.root, sample.key, sample.value, sample.proof).has_value()) std::abort();
    }
    rounds.push_back(us_since(begun) / kProofs);
  }
  const char* kind = present ? "inclusion" : "absence";
  std::printf("  %zu keys, %s: made in %.1f us, %zu bytes; checked in %.2f us (median of %zu rounds of %zu)\n", keys, kind, make_us,
              bytes / kProofs, median(rounds), kRounds, kProofs);
  std::printf("metric=proof_verify_us_%zu_%s ours=%.3f peer=none peer_name=none ratio=none unit=us bar=100 %s\n", keys, kind,
              median(rounds), median(rounds) <= 100 ? "met" : "MISSED");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<size_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  if (sizes.empty()) sizes = {10'000, 100'000, 1'000'000};
  for (size_t keys : sizes) {
    State state = make_state(keys);
    for (bool present : {true, false}) measure(state, keys, present);
  }
  return 0;
}
