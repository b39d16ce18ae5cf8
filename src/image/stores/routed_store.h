// One store among several: its blocks are verified here, and what it did is remembered.
#pragma once

#include <functional>
#include <memory>
#include <mutex>  // readers, fetching threads and figures() meet here

#include "image/stores/health.h"
#include "image/stores/lane.h"
#include "image/stores/routes.h"

namespace mcloud::image {

// Thread-safe.
class RoutedStore {
 public:
  RoutedStore(std::unique_ptr<BlockStore> store, const RoutesOptions& options);
  ~RoutedStore();  // ends what runs

  void add_range(uint8_t first, uint8_t last) { ranges_.push_back({first, last}); }  // before it is used
  bool covers(const Hash& id) const;
  const std::string& name() const { return store_->name(); }

  // Asks, verifies, remembers.
  Result<Bytes> fetch(const BlockRef& ref, uint64_t plain_bytes, uint64_t timeout_ms);
  // Unless it has it.
  Status put(const StoredBlock& block, uint64_t timeout_ms);
  Status flush(uint64_t timeout_ms);
  // Runs on this store's threads.
  void submit(std::function<void()> job) { lane_.submit(std::move(job)); }
  void cancel() { store_->cancel(); }  // what runs, and what comes
  void was_slow(uint64_t waited_us);
  Health health() const;
  // True for one caller each time it is due.
  bool take_look();
  StoreFigures figures() const;

 private:
  struct Range {
    uint8_t first, last;
  };
  void remember(const Error& error);
  // `change` is done under the lock; afterwards the store works.
  void remember_answer(const std::function<void(StoreFigures&, Health&)>& change);

  const std::unique_ptr<BlockStore> store_;
  const std::function<void(const std::string&, const Error&)> on_fault_;
  std::vector<Range> ranges_;
  mutable std::mutex mutex_;
  Health health_;
  StoreFigures figures_;
  Lane lane_;  // last: its threads use the rest
};

}  // namespace mcloud::image
