// Reads from the ledger what concerns this node, checks it, and reads again only what changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "crypto/sign.h"
#include "ledger/client/client.h"
#include "node/desired.h"

namespace mcloud::node {

// One thread; blocks as long as the client's deadlines allow.
class LedgerReader {
 public:
  struct Options {
    std::string memory_file;  // the last complete reading
    std::string
        evidence_folder;  // bodies and records of verified versions, so that an older one still runs after a reboot
  };
  // Both are borrowed.
  LedgerReader(ledger::Client& client, const crypto::SigningKey& key, Options options)
      : client_(client), key_(key), options_(std::move(options)) {}

  struct Reading {
    ledger::Head head;               // of our assignment
    std::optional<LedgerView> view;  // nullopt: nothing changed since the last reading
    std::set<ContractId> fresh;      // contracts whose records were read anew
    bool is_complete = false;        // false: something could not be read yet; ask again soon
  };
  // NotFound: this node is not on the ledger.
  Result<Reading> read();

  // What the last complete reading of an earlier agent said, checked again; the contracts that cannot be checked now
  // are left out. NotFound: there is none.
  Result<LedgerView> recall();

 private:
  struct Known {
    uint64_t revision = 0;
    std::optional<ContractView> view;
    std::optional<Error> refusal;
    bool is_settled = false;  // false: read again next time
  };

  Status read_top();
  void read_contract(const pb::AssignedContract& assigned, const ContractId& id);
  Result<ContractView> load_view(const pb::AssignedContract& assigned, const ContractId& id);
  Status load_workloads(const ContractId& id, ContractView& view);
  Status load_nodes(const ContractView& view);
  Status load_some_nodes(const std::set<NodeId>& ids);
  Status read_meeting_points();
  Status read_guests();
  Result<std::shared_ptr<const VerifiedContract>> load_current(const ContractId& id, const pb::Contract& record);
  Result<std::shared_ptr<const VerifiedContract>> load_older(const ContractId& id, uint64_t version);
  std::string evidence_file(const ContractId& id, uint64_t version) const;
  std::optional<Bytes> stored_body(const ContractId& id, const pb::Contract& record, const Hash& body_hash) const;
  Result<ContractView> recall_contract(const pb::AssignedContract& assigned, const pb::LocalMemoryContract& remembered);
  void forget_nodes(LedgerView& view);
  void remember(const LedgerView& view) const;
  void sweep_evidence();

  ledger::Client& client_;
  const crypto::SigningKey& key_;
  const Options options_;
  ledger::Head head_;
  LedgerView top_;  // without contracts
  Bytes top_bytes_;
  Bytes told_bytes_;  // `top_bytes_` of the last view: what a failed reading has seen is not told yet
  std::map<ContractId, Known> known_;
  std::map<std::pair<ContractId, uint64_t>, std::shared_ptr<const VerifiedContract>> verified_;
  std::map<NodeId, pb::Node> nodes_;
  Bytes relays_bytes_;                  // of which the nodes were read
  uint64_t guests_revision_ = 0;        // the ledger's
  uint64_t guests_read_ = 0;            // revision of the list that was read last; 0 = none
  std::map<NodeId, uint64_t> guests_;   // with the height of their news that was read
  Bytes guests_bytes_;
  std::set<ContractId> fresh_;
};

}  // namespace mcloud::node
