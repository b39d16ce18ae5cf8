// Brings blocks into the cache: on demand first, a start-up trace next, then what is read in order, the rest last.
//
// One for a node. Demand never waits behind what nobody waits for: a bounded number of fetches run, most of them kept
// for demand. The same block asked for twice is fetched once, also by two images. Its threads fetch, end waits at their
// deadline, and make kept blocks durable (ContentCache::settle); nobody else needs to. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "image/cache/content_cache.h"
#include "image/stores/routes.h"
#include "image/tree/index.h"

namespace mcloud::image {

struct LoaderOptions {
  size_t fetches_max = 32;             // at a time, at least 2
  size_t background_fetches_max = 8;   // of these, for what nobody waits for; one is always left for demand
  uint32_t read_ahead_blocks = 4;      // of a file that is read in order
  uint64_t settle_ms = 200;            // after a block was kept until it is made durable, with what came meanwhile
};

// A block of an image: by node and position.
struct BlockPlace {
  NodeNumber node = 0;
  uint32_t block = 0;
  bool operator==(const BlockPlace&) const = default;
};

struct LoadFigures {
  uint64_t bytes = 0;           // of the image's files, each content once
  uint64_t cached_bytes = 0;    // of these
  uint64_t read_errors = 0;     // want() that ended with an error
  uint64_t fetched_blocks = 0;  // for this image, by demand or not
  uint64_t fetched_bytes = 0;   // plain
  std::vector<StoreFigures> stores;
};

// One image's content as the mount reads it. When it is dropped, what was wanted still comes; what nobody waits for
// does not.
class LoadedImage {
 public:
  using Done = std::function<void(Result<std::optional<Bytes>>)>;

  virtual ~LoadedImage() = default;
  virtual const Index& index() const = 0;
  // Runs `done` with nothing when the block is readable from the content's fd, with its bytes when it could not
  // be kept, or with the error; at once on this thread when it is there, else on a thread of the loader, at the latest
  // when the routes' block_timeout_ms is over. `done` must not block. Asking for what is there costs a microsecond and
  // tells the loader that the file is read in order.
  virtual void want(NodeNumber file, uint32_t block, Done done) = 0;
  virtual Result<std::shared_ptr<Content>> hold(NodeNumber file) = 0;
  // Fetched before anything else that nobody waits for; a hint from a stranger: places that are not in the index and
  // those behind the first 4096 are ignored. A second one replaces what is left of the first.
  virtual void prefetch(const std::vector<BlockPlace>& trace) = 0;
  // Everything, at the lowest priority ("every byte eventually local"). Goes on by itself, with pauses, when stores
  // fail or the cache is full.
  virtual void complete() = 0;
  // The first blocks that were wanted since it was opened, in order, each once, at most 4096: its start-up trace.
  virtual std::vector<BlockPlace> trace() const = 0;
  virtual LoadFigures figures() const = 0;
};

class Loader {
 public:
  // Borrows the cache.
  static std::unique_ptr<Loader> create(ContentCache& cache, const LoaderOptions& options = {});
  // What is still wanted ends with Cancelled before it returns; no `done` runs later. Waits for fetches that run, which
  // Routes::cancel() ends soon.
  virtual ~Loader() = default;
  virtual Result<std::shared_ptr<LoadedImage>> open(std::shared_ptr<const Index> index, std::unique_ptr<Routes> routes,
                                                    uint64_t block_timeout_ms) = 0;
  Result<std::shared_ptr<LoadedImage>> open(std::shared_ptr<const Index> index, const std::vector<Route>& routes,
                                            const RoutesOptions& options) {
    return open(std::move(index), TRY(Routes::open(routes, options)), options.block_timeout_ms);
  }
};

}  // namespace mcloud::image
