// A copy of a ledger's folder from which a server can go on, made beside the running server, and brought up to date by
// making it again: blocks that are there already are not copied anew. The state is not in it: it is computed from the blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace mcloud::ledger {

struct BackupOptions {
  std::string data_folder;
  std::string backup_folder;  // made when it is not there
  bool with_key = true;       // validator.key: without it nobody can go on with the chain, but read and verify it
  std::function<void(uint64_t height)> progress = [](uint64_t) {};
};

struct BackupReport {
  uint64_t height = 0;      // of the newest block in the backup
  uint64_t new_blocks = 0;  // that were not there before
  uint64_t new_blobs = 0;
};

// When it returns, all of it is on the disk. Blocks first, then the bodies that they name, so a backup that was cut short is
// an older one. Corrupt when the ledger is damaged (what is good before the damage was copied), Conflict when the folder
// holds another ledger's backup, or one of another history.
Result<BackupReport> back_up(const BackupOptions& options);

}  // namespace mcloud::ledger
