// The committed state on disk (RocksDB): values, tree nodes, height and state hash, changed together.
//
// Only the latest state is kept. Writes are not synced: the block file is the truth and is synced first, so
// after a power loss the state may be some blocks behind and is replayed. It is never ahead, never in between.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "ledger/state/state.h"
#include "ledger/tree/node_store.h"

namespace mcloud::ledger {

// The state after one block, unchanging while somebody holds it. Thread-safe. Must go before its StateStore.
class StateView : public tree::NodeReader {
 public:
  virtual uint64_t height() const = 0;
  virtual const Hash& state_hash() const = 0;
  virtual Result<std::optional<Bytes>> get(BytesView key) const = 0;
  // Entries under `prefix` whose key is greater than `after` ("" = all), in byte order, until `visit` says false.
  virtual Status each(BytesView prefix, BytesView after,
                      const std::function<bool(BytesView key, BytesView value)>& visit) const = 0;
};

// A StateReader for one piece of work on one thread. Reading cannot fail there, so a failing disk reads as "nothing"
// and is remembered: whoever used this asks failure() before believing the outcome.
class ViewReader final : public StateReader {
 public:
  explicit ViewReader(std::shared_ptr<const StateView> view) : view_(std::move(view)) {}
  std::optional<Bytes> get(BytesView key) const override;
  void each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const override;
  const Status& failure() const { return failure_; }

 private:
  std::shared_ptr<const StateView> view_;
  mutable Status failure_;
};

struct StateChanges {
  uint64_t height = 0;
  Hash state_hash;
  Overlay::Changes values;
  tree::NodeChanges::Changes nodes;
};

inline constexpr size_t kRecentViews = 64;

class StateStore {
 public:
  // Opens or makes the database in `folder`. Conflict when another process has it open, Corrupt when what it
  // holds does not have the state hash it says.
  static Result<std::unique_ptr<StateStore>> open(const std::string& folder);
  virtual ~StateStore() = default;

  // The newest state; nullptr while nothing was ever committed. Thread-safe.
  virtual std::shared_ptr<const StateView> view() const = 0;
  // The state after one of the last kRecentViews blocks, so that a long list can be read page by page at one height;
  // nullptr when it is gone. Thread-safe.
  virtual std::shared_ptr<const StateView> view_at(uint64_t height) const = 0;

  // The newest tree nodes, through a cache of the upper levels; for the one thread that commits.
  virtual const tree::NodeReader& nodes() const = 0;
  // All of it or nothing. From one thread.
  virtual Status commit(StateChanges changes) = 0;
};

}  // namespace mcloud::ledger
