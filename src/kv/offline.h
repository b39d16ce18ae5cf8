// A store's folder, read while no server has it: nothing is written, cut or repaired. Memory does not grow with the log.
// One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.h"
#include "kv/log/reader.h"
#include "kv/meta.h"
#include "kv/store.h"

namespace mcloud::kv {

struct OfflineFindings {
  uint64_t records = 0;
  uint64_t key_bytes = 0;  // of all records
  Position begin = 0, end = 0;  // what the next opening will believe
  uint64_t torn_bytes = 0;      // behind the end: never acknowledged as durable, the next opening cuts it off
  uint64_t damaged = 0;         // places that were durable once and are not sound
  std::vector<Namespace::Fault> faults;  // of those the first kFaultsMax
  static constexpr size_t kFaultsMax = 1000;
};

class OfflineStore {
 public:
  // NotFound: no store is there. Conflict: a running server has it; ask that one, or stop it.
  static Result<std::unique_ptr<OfflineStore>> open(Disk& disk, const std::string& folder);

  const std::vector<std::string>& names() const { return names_; }  // sorted
  Result<Settings> settings(const std::string& name) const;
  // Reads every byte of the log and checks it. Progress in 0..1; false from it stops (Cancelled).
  Result<OfflineFindings> verify(const std::string& name, const std::function<bool(double)>& progress) const;

  struct Version {
    std::string_view key, value;
    const Header* header;
  };
  // Versions up to `findings.end`: the newest of each key that is not deleted, or all of its history (deletions too),
  // each once; what has expired too. In the order of the log, but `findings` of a large log make several passes, each over a part of the
  // keys. An error from `take` ends it.
  Status dump(const std::string& name, const OfflineFindings& findings, bool has_history,
              const std::function<Status(const Version&)>& take) const;
  static constexpr uint64_t kPassBytes = 64 << 20;  // of memory for one pass

 private:
  OfflineStore(Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  struct Stretch {
    uint64_t begin, limit;
    std::unique_ptr<File> file;
    uint64_t durable;  // by its checkpoint
  };
  struct Log {
    Meta meta;
    std::string folder;
    std::vector<Stretch> stretches;
  };
  Result<Log> open_log(const std::string& name) const;
  uint64_t checkpointed(const Log& log, uint64_t begin) const;

  Disk& disk_;
  std::string folder_;
  std::unique_ptr<FileLock> lock_;
  std::vector<std::string> names_;
};

}  // namespace mcloud::kv
