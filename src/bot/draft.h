// What a contract file would change, worked out before anything is sent: the plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bot/forecast.h"
#include "bot/ledger_view.h"
#include "contract/compile.h"
#include "contract/diff.h"
#include "contract/parameters.h"
#include "wallet/wallet.h"

namespace mcloud::bot {

struct Draft {
  enum class Change { Create, Update, None };
  Change change = Change::Create;
  ContractId id;
  contract::Compiled compiled;         // with Change::None: of the version that is there, recompiled
  std::optional<pb::Contract> before;  // the ledger's record
  contract::Diff diff;                 // against the version that waits for approvals, else the one that runs
  std::vector<NodeId> readers;         // whom its secrets are sealed for
  std::vector<NodeId> not_readers;     // Change::None: nodes that joined and cannot open them until a reseal
  std::vector<Forecast> forecast;
  std::vector<contract::UsedParameter> parameters;  // whose values stand in what would be signed
};

struct DraftOutcome {
  std::optional<Draft> draft;                     // set exactly when there are no diagnostics
  std::vector<contract::Diagnostic> diagnostics;  // all that is wrong with the file
};

// A contract file and what people give with it.
struct ContractFile {
  ContractFile() = default;
  ContractFile(std::string file_path) : path(std::move(file_path)) {}

  std::string path;
  std::vector<std::string> assignments;   // NAME=VALUE, of --set
  std::string values_path;                // of --values; "" = none. An assignment of the same name wins
};

struct DraftSource {
  ContractFile file;
  std::string owner;  // name of the local key that owns the contract
};

// Reads the file, resolves, compiles, compares with the ledger. Denied when no member vouched for the owner yet. The
// owner's key is unlocked only when the contract has secrets (their key is derived from it).
Result<DraftOutcome> make_draft(LedgerView& view, wallet::Wallet& wallet, const Clock& clock,
                                const DraftSource& source);

// Reads and parses only: `contract check`.
struct FileOutcome {
  std::optional<contract::Contract> contract;
  std::vector<contract::Diagnostic> diagnostics;
};
Result<FileOutcome> read_contract(const ContractFile& file);

// A fresh keyring for the draft's readers, to be put as a blob.
Result<Bytes> make_keyring_bytes(std::string_view chain_id, const pb::ContractHeader& header, BytesView secret_key,
                                 const std::vector<NodeId>& readers);

}  // namespace mcloud::bot
