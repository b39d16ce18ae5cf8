// Inside this room: what can wait until nothing else is to do. Images reach the disk, so that a power loss does not
// cost them; images that nobody uses go.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/world.h"
#include "io/loop.h"
#include "node/ports.h"
#include "node/reconciler.h"

namespace mcloud::node {

// Which image may go now. Pure; times are milliseconds of one monotonic clock.
class UnusedImages {
 public:
  explicit UnusedImages(uint64_t rest_ms) : rest_ms_(rest_ms) {}
  // Of the images `there`, those that nobody has used for `rest_ms`; with `is_short` all that nobody uses now.
  std::vector<std::string> seen(const std::vector<std::string>& there, const std::set<std::string>& used, bool is_short,
                                uint64_t now_ms);

 private:
  const uint64_t rest_ms_;
  std::map<std::string, uint64_t> unused_since_;
};

// Belongs to the loop's thread; works on a thread of its own, one thing at a time.
class Housekeeper {
 public:
  struct Pace {
    uint64_t look_ms = 60'000;           // between two looks at images
    uint64_t image_rest_ms = 3'600'000;  // an image stays so long after its last use
    uint64_t settle_ms = 2'000;          // so long nothing is to do before the disk is asked to write
    uint64_t settle_max_ms = 60'000;     // a machine that never settles does not put it off for longer
  };
  // Borrowed all. `changed`: a job that was held back may begin.
  Housekeeper(io::Loop& loop, Containers& containers, Reconciler& reconciler, const Clock& clock, const Pace& pace,
              std::function<void()> changed);

  void begin();
  // An image was made since: it is to reach the disk.
  void image_made();

 private:
  uint64_t now() const { return clock_.monotonic_ms(); }
  void look();
  void drop_next();
  void wait_until_settled();
  void make_durable();

  io::Loop& loop_;
  Containers& containers_;
  Reconciler& reconciler_;
  const Clock& clock_;
  const Pace pace_;
  const std::function<void()> changed_;
  UnusedImages unused_;
  std::vector<std::string> to_drop_;
  bool is_looking_ = false;
  uint64_t waits_since_ms_ = 0;  // 0 = all images are on disk
  bool was_settled_ = false;     // at the last look
  io::Timer look_timer_, settle_timer_;
  io::Pool thread_;
};

}  // namespace mcloud::node
