// `mcloud ledger verify`: a whole ledger, or a copy of one, read again from its first byte: every record, signature and
// link, every transaction executed anew on an empty state, every block's results and state hash compared. Nothing in
// the folder is changed, and a server may run meanwhile.
//
// It finds any changed byte of blocks/, genesis.json and blobs/. It cannot find that blocks are missing at the end: whoever
// knows a later head (any client does) compares it with the report's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger/client/client.h"

namespace mcloud::ledger {

struct ChainDamage {
  std::optional<uint64_t> height;  // nullopt: not in a block
  std::string what;
};

inline constexpr size_t kDamageMax = 100;

struct ChainReport {
  Head head;  // of the newest block that its validators signed and that could be read
  uint64_t blocks = 0;
  uint64_t transactions = 0;
  uint64_t blobs = 0;
  // The height up to which the blocks were executed and agree; nullopt: not even the genesis.
  std::optional<uint64_t> executed_to;
  std::vector<ChainDamage> damage;  // at most kDamageMax, in the order found; after the first nothing is executed
};

struct ChainCheckOptions {
  std::string data_folder;     // as `ledger init` made it; validator.key and state/ are not needed
  std::optional<Trust> trust;  // nullopt: that of genesis.json
  std::string scratch_folder;  // for the state, about as large as the ledger's own; it must be empty
  std::function<void(uint64_t height)> progress = [](uint64_t) {};  // after each block
};

// The report of what was read, good or damaged. Errors only when it cannot be read: NotFound, Invalid.
Result<ChainReport> check_chain(const ChainCheckOptions& options);

}  // namespace mcloud::ledger
