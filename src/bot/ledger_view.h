// The ledger's records as values, and what people call them. Everything was verified by the client; nothing is kept
// but the names of people and nodes, for the life of the view.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ledger/client/client.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::bot {

// Belongs to one thread, as its client does; the client must outlive it.
class LedgerView {
 public:
  explicit LedgerView(ledger::Client& client) : client_(client) {}

  ledger::Client& client() { return client_; }
  const std::string& chain_id() const { return client_.trust().chain_id; }

  Result<std::vector<pb::Identity>> identities();  // sorted by name
  Result<std::vector<pb::Farm>> farms();
  Result<std::vector<pb::Node>> nodes();          // sorted by farm and name
  Result<std::vector<pb::Contract>> contracts();  // sorted by name
  Result<pb::Parameters> parameters();
  struct SpentToken {  // used or revoked, and not yet expired
    std::string farm;
    Bytes nonce;
    uint64_t expires_ms = 0;
  };
  Result<std::vector<SpentToken>> spent_tokens();

  Result<pb::Relays> relays();
  Result<std::vector<pb::NamedRecord>> names();                      // public ones; sorted
  Result<std::optional<pb::NamedRecord>> find_name(std::string_view name);

  Result<std::optional<pb::Contract>> find_contract(const ContractId& id);
  Result<std::optional<pb::Contract>> find_contract(const PublicKey& owner, std::string_view name);
  Result<std::optional<pb::Identity>> find_identity(const PublicKey& key);
  // Of all contracts, by contract id.
  Result<std::map<Bytes, std::vector<pb::Workload>>> all_workloads();
  // All of a contract's, sorted by name. Empty until it is active.
  Result<std::vector<pb::Workload>> workloads(const ContractId& id);

  // As people say it. NotFound suggests the nearest name and says what there is.
  Result<PublicKey> key_of(std::string_view name_or_hex);
  // A node's name, FARM/NAME, its id or an id's beginning (8 digits or more). Invalid when it could be several.
  Result<pb::Node> get_node(std::string_view reference);
  // A contract's name or the beginning of its id. With several of a name: `mine` (when not none) wins, then live ones.
  Result<pb::Contract> get_contract(std::string_view reference, const PublicKey& mine);

  // "ida", else the first digits of the key. Never fails: for display.
  std::string name_of(const PublicKey& key);
  std::string node_name(BytesView node);

 private:
  Status load_names();

  ledger::Client& client_;
  bool names_loaded_ = false;
  std::map<Bytes, std::string> people_;
  std::map<Bytes, std::string> node_names_;
};

// Live: it runs or may still be approved.
bool is_live(const pb::Contract& contract);
// The version people mean: the running one, else the proposed one.
const pb::ContractVersion& main_version(const pb::Contract& contract);

}  // namespace mcloud::bot
