// Blocks from several stores: by prefix, raced, with failover; every block verified before anybody sees it.
//
// Routes that cover an id are asked in order of how well they did lately; the next one is asked as soon as one
// failed, or when the first has not answered for `hedge_ms` (then the first good answer counts). A store that
// failed is asked last for a while (doubling, bounded) and never alone makes a reader wait. Wrong bytes count as
// failure, are reported and fetched elsewhere.
#pragma once

#include <functional>
#include <memory>

#include "image/blocks/block.h"
#include "image/stores/store.h"

namespace mcloud::image {

struct RoutesOptions {
  StoreOptions store = {};
  uint64_t hedge_ms = 100;
  uint64_t try_timeout_ms = 5'000;    // one store, one block
  uint64_t block_timeout_ms = 20'000; // all stores, all tries; between rounds it waits, a store may come back
  // Told of each wrong block (Corrupt), of each store that begins to fail (why), and when it answers again
  // (Cancelled); any thread. Must not block.
  std::function<void(const std::string& store, const Error& error)> on_fault = {};
};

struct StoreFigures {
  std::string name;
  uint64_t blocks = 0, bytes = 0;          // that came and were right; as stored
  uint64_t put_blocks = 0, put_bytes = 0;  // that it did not have and took
  uint64_t failures = 0, wrong = 0;        // calls that failed, wrong blocks among them
  bool is_failing = false;
};

class Routes {
 public:
  // Invalid when a URL is; a store that cannot be reached is no error.
  static Result<std::unique_ptr<Routes>> open(const std::vector<Route>& routes, const RoutesOptions& options = {});
  virtual ~Routes() = default;
  // The plain bytes, verified. NotFound when all stores say so, Corrupt when only wrong copies are there,
  // Unavailable or TimedOut else, naming each store and its reason. Blocks; any number of threads.
  virtual Result<Bytes> fetch(const BlockRef& ref, uint64_t plain_bytes) = 0;
  // To every store whose range covers it (several routes replicate). Skips stores that have it. An error if
  // any fails: an image is written whole or not at all.
  // Durable after flush(), which is called before anything names the block.
  virtual Status put(const StoredBlock& block) = 0;
  virtual Status flush() { return {}; }
  virtual std::vector<StoreFigures> figures() const = 0;
  // Nobody waits any longer: fetches that run end with Cancelled, at the latest when their tries are over
  // (try_timeout_ms), later ones at once. Any thread.
  virtual void cancel() {}
};

}  // namespace mcloud::image
