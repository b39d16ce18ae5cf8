// Inside this room: tells the reconciler which containers have ended: at once when the machine says so, and by looking
// at all that run every few seconds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/world.h"
#include "io/loop.h"
#include "node/ports.h"
#include "node/reconciler.h"

namespace mcloud::node {

// Belongs to the loop's thread; waits on a thread of its own.
class ExitWatch {
 public:
  // Borrowed all. `changed`: the reconciler knows something new.
  ExitWatch(io::Loop& loop, Containers& containers, Reconciler& reconciler, const Clock& clock,
            std::function<void()> changed)
      : loop_(loop),
        containers_(containers),
        reconciler_(reconciler),
        clock_(clock),
        changed_(std::move(changed)),
        thread_(1, 2) {}

  void begin() { wait(); }

 private:
  struct Seen {
    std::string container;
    runtime::ContainerStatus status;
    uint64_t looked_ms = 0;
  };
  void wait();
  std::vector<Seen> look(const std::vector<std::string>& containers) const;
  void seen(const std::vector<Seen>& all, bool has_failed);

  io::Loop& loop_;
  Containers& containers_;
  Reconciler& reconciler_;
  const Clock& clock_;
  const std::function<void()> changed_;
  uint64_t next_look_ms_ = 0;
  io::Timer timer_;
  io::Pool thread_;
};

}  // namespace mcloud::node
