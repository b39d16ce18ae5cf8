// The ledger of a simulated cluster: mempool, blocks, validators with their timers, outages. It also keeps
// every block, to be replayed at the end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/sign.h"
#include "ledger/engine/liveness.h"
#include "ledger/state/machine.h"
#include "sim/judge.h"
#include "sim/network.h"

namespace mcloud::sim {

inline const std::string kChainId = "sim";

// The same name gives the same key, always.
const crypto::SigningKey& key_named(const std::string& name);
inline const PublicKey& id_named(const std::string& name) { return key_named(name).public_key(); }

using Fill = std::function<void(pb::Transaction&)>;
Bytes sign(const std::string& sender, uint64_t sequence, const Fill& fill);

class Chain {
 public:
  Chain(Clockwork& clock, const Scenario& scenario, Judge& judge);

  // Genesis, a farm of ann with all nodes ("n0", ...): before anything else happens.
  void set_up();
  // Begins to make blocks, every 100 ms when there is anything to do.
  void start();

  // What arrives over the network; lost while the ledger is down.
  void submit(const Bytes& signed_transaction);
  void heartbeat(int validator, const std::string& node, uint64_t counter);

  bool is_up() const { return is_up_; }
  void go_down() {
    is_up_ = false;
    down_ms_ = clock_.now();
  }
  // Restarted: timers are new; resumed: the process was only suspended.
  void come_up(bool is_restarted);
  // One validator alone starts anew.
  void restart_validator(size_t validator);

  const ledger::MemoryState& state() const { return state_; }
  uint64_t height() const { return blocks_.size(); }
  uint64_t last_sequence(const PublicKey& sender) const;
  // Executes the same blocks anew: another state is a violation.
  void replay() const;

 private:
  struct Block {
    uint64_t time_ms = 0;
    std::vector<ledger::VerifiedTransaction> transactions;
  };
  pb::Genesis make_genesis() const;
  void tick();
  void read_online();
  void suspect_silent();
  void make_block();

  Clockwork& clock_;
  const Scenario& scenario_;
  Judge& judge_;
  ledger::MemoryState state_;
  std::vector<Block> blocks_;
  std::vector<ledger::VerifiedTransaction> mempool_;
  std::vector<std::unique_ptr<ledger::Liveness>> validators_;
  std::vector<ledger::WatchedNode> online_;
  uint64_t online_height_ = 0;
  bool is_up_ = true;
  uint64_t down_ms_ = 0;
};

}  // namespace mcloud::sim
