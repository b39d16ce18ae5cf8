// Inside this shelf: which files are open and how, in shared memory, so that a new process knows.
//
// The kernel demands that all opens of one node are of one mode: through the page cache (cached), or all passed
// through to one backing file. The first open of a node chooses. A handle is slot and generation, so that a request
// that comes twice (after a Resend) changes nothing the second time. Thread-safe.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>  // requests are served by several threads
#include <optional>
#include <unordered_map>
#include <vector>

#include "image/cache/content_cache.h"
#include "image/mount/shared_memory.h"

namespace mcloud::image {

class OpenTable {
 public:
  // Takes over what `memory` (borrowed) says; ends the backings that a dead process was about to end.
  OpenTable(SharedMemory& memory, std::function<void(int)> close_backing);

  // How a node that nobody has open is opened: backing 0 is cached mode. `content` is held while it is open.
  struct Choice {
    int backing = 0;
    std::shared_ptr<Content> content;
  };
  struct Opened {
    uint64_t handle = 0;
    int backing = 0;
    bool was_counted = false;  // by a dead process
  };
  // `choose` runs for the first open of a node, with that node's lock held. With `is_resent` the same request may
  // have been counted by a dead process. Exhausted when too many files are open.
  Result<Opened> open(uint64_t node, uint64_t unique, bool is_resent, const std::function<Result<Choice>()>& choose);
  // An unknown handle is fine.
  void close(uint64_t handle);

  // What is held for an open node; made by `hold` when a dead process held it, or when the node is not open (then it
  // is not kept).
  Result<std::shared_ptr<Content>> content(uint64_t node, const std::function<Result<std::shared_ptr<Content>>()>& hold);
  std::vector<uint64_t> nodes() const;  // that are open
  bool has_open_below(uint32_t slot) const;  // nodes of that image

 private:
  struct Node {
    uint32_t opens = 0;
    int backing = 0;
    std::shared_ptr<Content> content;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<uint64_t, Node> nodes;
  };
  Shard& shard(uint64_t node) { return shards_[(node * 0x9e37'79b9'7f4a'7c15) >> 60]; }
  Result<uint32_t> take_slot();
  void give_slot(uint32_t slot);
  std::optional<uint64_t> handle_of(uint64_t node, uint64_t unique);

  SharedMemory& memory_;
  std::function<void(int)> close_backing_;
  std::array<Shard, 16> shards_;
  std::mutex slots_mutex_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace mcloud::image
