// The beginning of a chain: what `mcloud ledger init` writes into the ledger's data folder.
//   genesis.json    chain id, time, validators, first members, parameters
//   validator.key   this validator's seed, hex, mode 0600
#pragma once

#include <string>
#include <vector>

#include "base/world.h"
#include "crypto/sign.h"
#include "ledger/client/client.h"

namespace mcloud::ledger {

struct GenesisMember {
  std::string name;
  PublicKey key;
};

// Every member governs; fence_after 5 s and the other figures as proto/mcloud/ledger.proto says.
pb::Parameters default_parameters(const std::vector<GenesisMember>& members);

// Makes the data folder with a new validator key. AlreadyExists when it holds a genesis; Invalid when the state machine
// refuses one. The Trust is what clients need.
Result<Trust> init_ledger(const std::string& folder, const std::string& chain_id,
                          const std::vector<GenesisMember>& members, const pb::Parameters& parameters,
                          const Clock& clock);

std::string genesis_to_json(const pb::Genesis& genesis);
Result<pb::Genesis> parse_genesis(std::string_view json);

struct LedgerFolder {
  pb::Genesis genesis;
  Trust trust;
  crypto::SigningKey validator;
};
// NotFound when `folder` was not made by init_ledger(); Invalid when the key is not one of the validators'.
Result<LedgerFolder> load_ledger_folder(const std::string& folder);

}  // namespace mcloud::ledger
