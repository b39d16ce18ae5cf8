// Nodes that exist on the ledger only: they join a farm, publish a key, beat, and say that whatever is placed on them
// is healthy. They carry no packet; what they are good for is that real nodes have that many peers.
//
//   network_agents CLUSTER-FOLDER LEDGER-URL COUNT
// Prints "ready" when all are online, and "placed N" whenever N replicas on them are reported. Ends with its standard
// input.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bot/ledger_view.h"
#include "bot/send.h"
#include "crypto/sign.h"
#include "io/clock.h"
#include "io/file.h"
#include "ledger/client/client.h"
#include "network/wireguard.h"
#include "node/heartbeat.h"
#include "wallet/transactions.h"
#include "wallet/wallet.h"

using namespace mcloud;

namespace {

constexpr uint64_t kBeatMs = 500;
constexpr const char* kFarm = "home";

class Agents {
 public:
  Agents(ledger::Client& client, const crypto::SigningKey& owner, size_t count)
      : client_(client), view_(client), owner_(owner), keys_(count, crypto::SigningKey::generate()) {
    for (crypto::SigningKey& key : keys_) key = crypto::SigningKey::generate();
  }

  Status join() {
    std::string chain = client_.trust().chain_id;
    std::vector<bot::Action> admissions, publications;
    for (size_t i = 0; i < keys_.size(); ++i) {
      std::string name = "sim-" + std::to_string(i);
      pb::Demand capacity;
      capacity.set_cpu_milli(8'000);
      capacity.set_memory_bytes(uint64_t{8} << 30);
      capacity.set_disk_bytes(uint64_t{64} << 30);
      capacity.set_pids(4'096);
      pb::NodeAddresses addresses;
      addresses.set_backplane("10.251.1." + std::to_string(i + 1));
      pb::Label label;
      label.set_key("node");
      label.set_value("sim");
      pb::SignedJoinToken token = wallet::join_token(owner_, chain, kFarm, clock_.wall_ms() + 3'600'000);
      admissions.push_back({keys_[i], wallet::admit_node(token, name, capacity, {label}, addresses)});
      publications.push_back({keys_[i], key_of_mesh()});
      own_.insert(Bytes(keys_[i].public_key().view()));
    }
    TRY(bot::send_all(client_, admissions));
    TRY(bot::send_all(client_, publications));
    return {};
  }

  // Until standard input ends.
  Status run() {
    uint64_t beaten_ms = 0;
    bool is_ready = false;
    size_t told = 0;
    for (pollfd input{0, POLLIN, 0}; ::poll(&input, 1, 0) == 0;) {
      std::vector<pb::Node> nodes = TRY(own_nodes());
      if (clock_.monotonic_ms() - beaten_ms >= kBeatMs) {
        beaten_ms = clock_.monotonic_ms();
        TRY(beat(nodes));
      }
      TRY(report());
      if (!is_ready && nodes.size() == keys_.size()) std::puts("ready");
      is_ready = is_ready || nodes.size() == keys_.size();
      if (reported_.size() != told) std::printf("placed %zu\n", told = reported_.size());
      std::fflush(stdout);
      TRY(client_.wait_for_head(client_.head().height, 100));
    }
    return {};
  }

 private:
  static pb::Transaction key_of_mesh() {
    pb::PublishKeys keys;
    pb::MeshKey& key = *keys.add_keys();
    key.set_key(
        Bytes(reinterpret_cast<const char*>(network::WireGuardKey::make_secret().public_key().bytes.data()), 32));
    key.set_port(51820);
    return wallet::publish_keys(keys);
  }

  Result<std::vector<pb::Node>> own_nodes() {
    std::vector<pb::Node> nodes = TRY(view_.nodes());
    std::erase_if(nodes, [&](const pb::Node& node) { return !own_.contains(node.key()); });
    return nodes;
  }

  Status beat(const std::vector<pb::Node>& nodes) {
    ++counter_;
    std::map<Bytes, uint64_t> epochs;
    for (const pb::Node& node : nodes) epochs[node.key()] = node.epoch();
    for (const crypto::SigningKey& key : keys_) {
      uint64_t epoch = epochs[Bytes(key.public_key().view())];
      TRY(client_.send_heartbeat(node::make_heartbeat(client_.trust().chain_id, key, {epoch, counter_})));
    }
    return {};
  }

  // What is placed here and not said to be healthy yet.
  Status report() {
    std::map<Bytes, pb::ReportResults> news;
    for (const auto& [contract, workloads] : TRY(view_.all_workloads())) {
      for (const pb::Workload& workload : workloads) {
        for (const pb::Replica& replica : workload.replicas()) {
          std::string name = contract + workload.name() + "/" + std::to_string(replica.index()) + "/" +
                             std::to_string(replica.epoch());
          if (!own_.contains(replica.node()) || !reported_.insert(name).second) continue;
          pb::Result& result = *news[replica.node()].add_results();
          result.set_contract(contract);
          result.set_workload(workload.name());
          result.set_index(replica.index());
          result.set_epoch(replica.epoch());
          result.set_state(pb::REPLICA_HEALTHY);
          result.set_version(replica.version());
        }
      }
    }
    std::vector<bot::Action> actions;
    for (const crypto::SigningKey& key : keys_) {
      auto found = news.find(Bytes(key.public_key().view()));
      if (found != news.end()) actions.push_back({key, wallet::report_results(found->second)});
    }
    if (actions.empty()) return {};
    TRY(bot::send_all(client_, actions));
    return {};
  }

  ledger::Client& client_;
  bot::LedgerView view_;
  const crypto::SigningKey& owner_;
  std::vector<crypto::SigningKey> keys_;
  std::set<Bytes> own_;
  std::set<std::string> reported_;
  uint64_t counter_ = 0;
  io::SystemClock clock_;
};

Status run(const std::string& folder, const std::string& url, size_t count) {
  ledger::Client::Options options;
  options.endpoints = {url};
  std::string trust = TRY(io::read_file(folder + "/trust.json"));
  options.trust = TRY(ledger::Trust::parse(trust));
  io::SystemClock clock;
  std::unique_ptr<ledger::Client> client = TRY(ledger::Client::open(options, clock));
  wallet::TerminalPassphrase unused;
  wallet::Wallet people({folder + "/keys"}, unused);
  crypto::SigningKey owner = TRY(people.unlock("operator"));
  Agents agents(*client, owner, count);
  TRY(agents.join());
  return agents.run();
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  Status done = run(words[1], words[2], std::stoul(words[3]));
  if (!done.has_value()) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done.has_value() ? 0 : 1;
}
