// The ledger's state as ordered keys and values: what the state machine reads and writes.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "base/bytes.h"

namespace mcloud::ledger {

class StateReader {
 public:
  virtual ~StateReader() = default;
  virtual std::optional<Bytes> get(BytesView key) const = 0;
  // Every key that starts with `prefix`, in byte order, until `visit` returns false. `visit` must not
  // change the state it walks through.
  virtual void each(BytesView prefix, const std::function<bool(BytesView key, BytesView value)>& visit) const = 0;
};

class StateWriter : public StateReader {
 public:
  virtual void put(BytesView key, Bytes value) = 0;
  virtual void erase(BytesView key) = 0;
};

// Changes on top of a reader, kept apart until the owner takes them. Layers nest: a transaction's overlay
// stands on the block's, which stands on the committed state. Not thread-safe.
class Overlay final : public StateWriter {
 public:
  // nullopt = erased. Ordered, so that what is derived from it is deterministic.
  using Changes = std::map<Bytes, std::optional<Bytes>, std::less<>>;

  explicit Overlay(const StateReader& below) : below_(below) {}
  // Copying would be taken for nesting: stand on another one through a StateReader&.
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;
  std::optional<Bytes> get(BytesView key) const override;
  void each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const override;
  void put(BytesView key, Bytes value) override;
  void erase(BytesView key) override;

  const Changes& changes() const { return changes_; }
  Changes take_changes() { return std::move(changes_); }
  void apply_to(StateWriter& target) const;
  void clear() { changes_.clear(); }

 private:
  const StateReader& below_;
  Changes changes_;
};

// A state in memory, for tests and simulation.
class MemoryState final : public StateWriter {
 public:
  std::optional<Bytes> get(BytesView key) const override;
  void each(BytesView prefix, const std::function<bool(BytesView, BytesView)>& visit) const override;
  void put(BytesView key, Bytes value) override;
  void erase(BytesView key) override;
  const std::map<Bytes, Bytes, std::less<>>& values() const { return values_; }

 private:
  std::map<Bytes, Bytes, std::less<>> values_;
};

}  // namespace mcloud::ledger
