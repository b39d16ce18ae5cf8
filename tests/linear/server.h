// The server under test: a process of its own, so that it can be killed.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/process.h"

namespace mcloud::linear {

// Owned by main(), whose thread starts and kills; clients on other threads ask where it is.
class ServerProcess {
 public:
  // The process prints a line with "port N" when it listens. The product is asked (--port) for a free one first, and
  // for the same in later lives.
  explicit ServerProcess(std::vector<std::string> command) : command_(std::move(command)) {}
  ~ServerProcess() { kill(); }

  Status start();
  void kill();  // -9
  // Nobody is to connect any more.
  void retire();

  // The port of a life that is not `last`, as soon as there is one; nullopt when there will be none.
  struct Life {
    uint64_t number = 0;
    uint16_t port = 0;
  };
  std::optional<Life> wait_for_life_after(uint64_t last);
  Life last_life();  // the newest, living or not

 private:
  std::vector<std::string> command() const;

  const std::vector<std::string> command_;
  std::unique_ptr<io::Child> child_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Life life_;
  bool is_up_ = false;
  bool is_retired_ = false;
};

// What `PROGRAM serve ...` runs: the server of this program, until it is killed.
int serve(const std::vector<std::string>& arguments);

}  // namespace mcloud::linear
