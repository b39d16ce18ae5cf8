// Who is who: asked of the ledger through the verifying client, remembered for a while.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/ids.h"
#include "base/world.h"
#include "ledger/client/client.h"
#include "ledger/guarded.h"

namespace mcloud::sink {

// A port: thread-safe, may block.
class Directory {
 public:
  virtual ~Directory() = default;
  struct NodeEntry {
    std::string name;
    std::set<ContractId> contracts;  // assigned to it
  };
  // NotFound: not admitted. `is_newest`: what was asked a second ago will not do.
  virtual Result<NodeEntry> node(const NodeId& id, bool is_newest) = 0;
  virtual Result<PublicKey> owner(const ContractId& contract) = 0;
};

class LedgerDirectory final : public Directory {
 public:
  static constexpr uint64_t kKeepMs = 10'000;
  static constexpr uint64_t kNewestMs = 500;
  static constexpr uint64_t kGoneMs = 60'000;   // a contract that moved away may still have lines under way
  static constexpr uint64_t kSilentMs = 2'000;  // a ledger that did not answer is left alone, while we know something
  static constexpr size_t kEntriesMax = 20'000;

  // `client` may be used by nobody else.
  LedgerDirectory(std::unique_ptr<ledger::Client> client, const Clock& clock)
      : clock_(clock), client_(std::move(client)) {}

  Result<NodeEntry> node(const NodeId& id, bool is_newest) override;
  Result<PublicKey> owner(const ContractId& contract) override;

 private:
  struct KnownNode {
    uint64_t at_ms = 0;
    std::optional<NodeEntry> entry;       // nullopt: not admitted
    std::map<ContractId, uint64_t> gone;  // assigned to it before; until when its lines are taken
  };
  static KnownNode with_gone(const KnownNode& before, KnownNode now);
  Result<KnownNode> ask(const NodeId& id);

  const Clock& clock_;
  // Two, so that what is remembered can be read while the ledger is asked.
  ledger::Guarded<std::map<NodeId, KnownNode>> nodes_;
  ledger::Guarded<std::map<ContractId, PublicKey>> owners_;
  ledger::Guarded<uint64_t> silent_until_ms_;
  ledger::Guarded<std::unique_ptr<ledger::Client>> client_;
};

}  // namespace mcloud::sink
