// Logs, sealed to their owners, and metrics on their way to the sink.
//
// The container's log file is the buffer: lines are read on only when the push before has arrived, so an absent
// sink costs no memory here, and what the file drops when it starts afresh is lost. After a restart reading
// goes on behind the last push that arrived; a push whose answer was lost may be there twice.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/world.h"
#include "node/agent.h"
#include "runtime/logs.h"
#include "sink/client.h"

namespace mcloud::node {

// One thread.
class LogShipper final : public Telemetry {
 public:
  struct Options {
    std::string disk_folder;    // DATA/containers: logs are ID/log
    std::string position_file;  // on tmpfs
    std::string data_folder;    // whose disk is measured
    uint64_t metrics_every_ms = 10'000;
    uint64_t retry_max_ms = 30'000;
    size_t lines_per_batch = 1'000;
    size_t batch_bytes = 128 << 10;
    size_t push_bytes = 512 << 10;
    size_t metrics_bytes = 240 << 10;  // sink::ExpositionLimits has 256 KiB and 4,000 samples, of 90 bytes and more
  };
  // Borrowed all.
  LogShipper(sink::Pusher& pusher, Containers& containers, const Clock& clock, Options options);

  void round(const std::vector<Target>& targets, const Numbers& numbers) override;

 private:
  struct Source {
    std::unique_ptr<runtime::LogReader> reader;
    runtime::LogPosition arrived;
  };
  void gather(const std::vector<Target>& targets);
  // Bytes added to the push; 0 when there is nothing new.
  size_t gather_one(const Target& target);
  std::string metrics(const std::vector<Target>& targets, const Numbers& numbers) const;
  void load_positions();
  void save_positions() const;
  void forget_push();  // it has arrived, or never will

  sink::Pusher& pusher_;
  Containers& containers_;
  const Clock& clock_;
  const Options options_;
  std::map<std::string, Source> sources_;              // by container
  std::map<std::string, runtime::LogPosition> known_;  // from before our start
  std::vector<pb::LogBatch> push_;                     // not arrived yet
  std::map<std::string, runtime::LogPosition> push_positions_;
  size_t first_target_ = 0;
  uint64_t next_metrics_ms_ = 0;
  uint64_t not_before_ms_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace mcloud::node
