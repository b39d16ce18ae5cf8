// Brings blocks into the cache: on demand first, a start-up trace next, the rest in the background.
//
// One for a node. Demand never waits behind prefetch: a bounded number of fetches run, most of them kept for
// demand. The same block asked for twice is fetched once. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "image/cache/content_cache.h"
#include "image/stores/routes.h"
#include "image/tree/index.h"

namespace mcloud::image {

struct LoaderOptions {
  size_t fetches_max = 32;             // at a time
  size_t background_fetches_max = 8;   // of these, for what nobody waits for
  uint32_t read_ahead_blocks = 4;      // of a file that is read in order
};

// A block of an image: by node and position.
struct BlockPlace {
  NodeNumber node = 0;
  uint32_t block = 0;
  bool operator==(const BlockPlace&) const = default;
};

// One image's content as the mount reads it.
class LoadedImage {
 public:
  virtual ~LoadedImage() = default;
  virtual const Index& index() const = 0;
  // Runs `done` with nothing when the block is readable from the content's fd, with its bytes when it could not
  // be kept, or with the error; at once on this thread when it is there, else on a fetching thread, at the latest
  // when the routes' block_timeout_ms is over. `done` must not block.
  virtual void want(NodeNumber file, uint32_t block, std::function<void(Result<std::optional<Bytes>>)> done) = 0;
  virtual Result<std::shared_ptr<Content>> hold(NodeNumber file) = 0;
  // Fetched before anything else that nobody waits for; a hint from a stranger: bounded, checked.
  virtual void prefetch(const std::vector<BlockPlace>& trace) = 0;
  // Everything, at the lowest priority ("every byte eventually local").
  virtual void complete() = 0;
  // The first blocks that were demanded since it was opened, in order, at most 4096: its start-up trace.
  virtual std::vector<BlockPlace> trace() const = 0;
};

class Loader {
 public:
  // Borrows the cache.
  static std::unique_ptr<Loader> create(ContentCache& cache, const LoaderOptions& options = {});
  virtual ~Loader() = default;
  virtual Result<std::shared_ptr<LoadedImage>> open(std::shared_ptr<const Index> index, const std::vector<Route>& routes,
                                                    const RoutesOptions& options) = 0;
};

}  // namespace mcloud::image
