// The same history gives the same state: in two runs, in every build, and as it did when the golden chains
// were recorded. Each version of the logic has one, and the ones of older versions stay as they are: living chains
// are replayed with them. To record the newest logic's anew before a release has it: MCLOUD_UPDATE_GOLDEN=1 ledger_test.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "ledger/state/test_chain.h"
#include "testing/source_tree.h"

using namespace mcloud;
using namespace mcloud::ledger;

namespace {

struct RecordedBlock {
  uint64_t height = 0;
  uint64_t time_ms = 0;
  std::vector<Bytes> transactions;
};
using Recording = std::vector<RecordedBlock>;

std::string golden_path(uint64_t logic) {
  const std::string name = logic == 1 ? "golden_chain" : "golden_chain_" + std::to_string(logic);
  return testing::source_tree() + "/src/ledger/state/testdata/" + name + ".txt";
}

std::vector<pb::Facets> some_workloads(std::mt19937& random) {
  pb::Facets data = test_facets("data", 1 + random() % 2);
  pb::Facets server = test_facets("server", data.replicas());
  server.add_with("data");
  for (pb::Facets* facets : {&data, &server}) {
    facets->set_exclusive(true);
    facets->set_on_node_loss(random() % 2 == 0 ? pb::NODE_LOSS_WAIT : pb::NODE_LOSS_START_EMPTY);
  }
  server.set_on_node_loss(data.on_node_loss());
  pb::Facets web = test_facets("web", 1 + random() % 4);
  web.mutable_demand()->set_memory_bytes((1 + random() % 8) * (256ull << 20));
  web.add_claims("tcp/" + std::to_string(8000 + random() % 3));
  web.add_spaces("net");
  web.mutable_update()->set_healthy_after_ms(random() % 2 * 2000);
  if (random() % 3 == 0) web.set_on_mass_loss(pb::MASS_LOSS_MOVE);
  return {data, server, web};
}

// What came with the second logic: keys, devices, names.
void live_in_networks(TestChain& chain, const pb::ContractHeader& header, std::mt19937& random) {
  const std::string node = "n" + std::to_string(1 + random() % 6);
  const std::string name = "name" + std::to_string(random() % 4);
  const std::string device = "device" + std::to_string(random() % 4);
  const uint32_t slot = random() % 2;
  switch (random() % 6) {
    case 0:
      chain.run(node, [&](pb::Transaction& transaction) {
        pb::PublishKeys& action = *transaction.mutable_publish_keys();
        *action.add_keys() = TestChain::mesh_key(0, slot, node + std::to_string(random() % 3), 51820 + slot);
        if (random() % 2 == 0) *action.add_keys() = TestChain::mesh_key(0, 2, node + " at relays", 51822);
        if (random() % 2 == 0) action.mutable_addresses()->set_backplane("10.251.0." + std::to_string(1 + random() % 3));
      });
      break;
    case 1: chain.join(header, "net", device, "bob"); break;
    case 2: chain.leave(header, "net", device, random() % 2 == 0 ? "ann" : "bob"); break;
    case 3: chain.buy(name, random() % 4 == 0 ? "bob" : "ann"); break;
    case 4: chain.give(name, "ann", "bob"); break;
    default: chain.release(name, random() % 2 == 0 ? "ann" : "bob");
  }
}

// Everything a ledger goes through in a busy life, from a seed; std::mt19937 is the same everywhere.
void live(TestChain& chain, uint32_t seed, int steps) {
  std::mt19937 random(seed);
  chain.make_farm(5);
  chain.create_farm("bob", "bobs", "CH");
  chain.admit("bob", "bobs", "n6");
  std::vector<pb::ContractHeader> headers;
  for (int step = 0; step < steps; ++step) {
    std::string node = "n" + std::to_string(1 + random() % 6);
    const char* owner = node == "n6" ? "bob" : "ann";
    uint32_t what = random() % 15;
    if (what <= 1 || headers.empty()) {
      pb::ContractHeader header = chain.make_header("c" + std::to_string(step), some_workloads(random));
      header.add_spaces()->set_name("net");
      header.mutable_spaces(0)->set_range("10.7.0.0/24");
      header.mutable_spaces(0)->set_devices(true);
      header.mutable_spaces(0)->add_members(test_key("bob").public_key().bytes());
      if (random() % 2 == 0) header.mutable_workloads(2)->add_names("name" + std::to_string(random() % 4));
      TestChain::set_signers(header, {"bob", "cyd", "dan"}, 2);
      chain.submit(header);
      chain.approve(header, "cyd");
      random() % 5 == 0 ? chain.reject(header, "dan") : chain.approve(header, "dan");
      headers.push_back(header);
      continue;
    }
    pb::ContractHeader& header = headers[random() % headers.size()];
    switch (what) {
      case 2: chain.suspect(node); break;
      case 3:
      case 4: chain.rejoin(node); break;
      case 5: chain.drain(node, owner); break;
      case 6: chain.resume(node, owner); break;
      case 7: chain.cancel(header, random() % 2 == 0); break;
      case 8:
        ++*header.mutable_body_hash()->begin();
        header.mutable_workloads(2)->set_replicas(1 + random() % 4);
        header.set_version(header.version() + 1);
        header.set_expires_ms(chain.now() + 3'600'000);
        chain.update(header);
        chain.approve(header, "bob");
        chain.approve(header, "cyd");
        break;
      case 9: chain.pass(random() % 20'000); break;
      case 12:
      case 13:
      case 14: live_in_networks(chain, header, random); break;
      default: {
        const char* workload = random() % 2 == 0 ? "web" : "server";
        uint32_t index = random() % 3;
        if (chain.place_of(header, workload, index).empty()) break;
        chain.report(header, workload, index, random() % 6 == 0 ? pb::REPLICA_CANNOT_RUN : pb::REPLICA_RUNNING, "said");
      }
    }
  }
}

Recording record(uint32_t seed, int steps, MemoryState& end) {
  Recording recording;
  TestChain chain;
  chain.set_record([&](uint64_t height, uint64_t time_ms, const std::vector<Bytes>& transactions) {
    recording.push_back({height, time_ms, transactions});
  });
  live(chain, seed, steps);
  end = chain.state();
  return recording;
}

MemoryState replay(const Recording& recording, uint64_t logic = kLogicVersion) {
  MemoryState state;
  initialize_state(TestChain("test", {1}, logic).make_genesis({1}), state).value();
  for (const RecordedBlock& block : recording) {
    std::vector<VerifiedTransaction> transactions;
    for (const Bytes& bytes : block.transactions) transactions.push_back(verify_transaction(bytes, "test").value());
    execute_block({block.height, block.time_ms, transactions}, state);
  }
  return state;
}

// "block HEIGHT TIME_MS", then a line of base64 per transaction; at the end "digest HEX".
std::string to_text(const Recording& recording, const Hash& digest) {
  std::ostringstream text;
  for (const RecordedBlock& block : recording) {
    text << "block " << block.height << " " << block.time_ms << "\n";
    for (const Bytes& transaction : block.transactions) text << to_base64(transaction) << "\n";
  }
  text << "digest " << digest.hex() << "\n";
  return text.str();
}

Recording from_text(std::istream& text, std::string& digest) {
  Recording recording;
  std::string word;
  while (text >> word) {
    if (word == "block") {
      RecordedBlock& block = recording.emplace_back();
      text >> block.height >> block.time_ms;
    } else if (word == "digest") {
      text >> digest;
    } else {
      recording.back().transactions.push_back(from_base64(word).value());
    }
  }
  return recording;
}

}  // namespace

TEST_CASE("a replayed history gives the same state, key by key") {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    MemoryState end;
    Recording recording = record(seed, 150, end);
    CHECK((replay(recording).values() == end.values()));
    MemoryState again;
    CHECK_EQ(to_text(record(seed, 150, again), TestChain::digest(again)), to_text(recording, TestChain::digest(end)));
  }
}

TEST_CASE("the same blocks give the same state on top of an overlay, as the engine executes them") {
  MemoryState end;
  Recording recording = record(6, 100, end);
  MemoryState committed;
  initialize_state(TestChain().make_genesis({1}), committed).value();
  for (const RecordedBlock& block : recording) {
    std::vector<VerifiedTransaction> transactions;
    for (const Bytes& bytes : block.transactions) transactions.push_back(verify_transaction(bytes, "test").value());
    Overlay overlay(committed);
    execute_block({block.height, block.time_ms, transactions}, overlay);
    overlay.apply_to(committed);
  }
  CHECK((committed.values() == end.values()));
}

TEST_CASE("the recorded chain of each logic gives the recorded state") {
  if (std::getenv("MCLOUD_UPDATE_GOLDEN") != nullptr) {
    MemoryState end;
    Recording recording = record(2026, 250, end);
    std::ofstream(golden_path(kLogicVersion)) << to_text(recording, TestChain::digest(end));
  }
  for (uint64_t logic = 1; logic <= kLogicVersion; ++logic) {
    CAPTURE(logic);
    std::ifstream file(golden_path(logic));
    REQUIRE(file.good());
    std::string digest;
    Recording recording = from_text(file, digest);
    CHECK_GT(recording.size(), 200);
    CHECK_EQ(TestChain::digest(replay(recording, logic)).hex(), digest);
  }
}
