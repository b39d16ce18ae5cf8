// The processes in the cluster's root (ledger, sink): started, restarted with back-off when they end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/process.h"
#include "lab/layout.h"
#include "lab/options.h"
#include "lab/poller.h"

namespace mcloud::lab {

class Services {
 public:
  struct Running {
    ServiceSpec spec;
    std::unique_ptr<io::Child> child;  // nullptr: waits for its next start
    uint32_t restarts = 0;
    uint64_t started_ms = 0;
    uint64_t delay_ms = 0;
    int exit_code = 0;  // of the last run
  };
  // `started` is told of each start. Both references outlive this.
  Services(const Folders& folders, Poller& poller, std::function<void(const Running&)> started)
      : folders_(folders), poller_(poller), started_(std::move(started)) {}
  ~Services();

  // The error when it cannot be started at all.
  Status add(const ServiceSpec& spec);
  const std::vector<std::unique_ptr<Running>>& all() const { return all_; }

 private:
  Status start(Running& service);
  void ended(Running& service);
  void again(Running& service);
  const Folders& folders_;
  Poller& poller_;
  std::function<void(const Running&)> started_;
  std::vector<std::unique_ptr<Running>> all_;
};

}  // namespace mcloud::lab
