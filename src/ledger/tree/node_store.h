// Where the tree's nodes lie. Only the latest version is kept: a change overwrites in place.
#pragma once

#include <map>
#include <optional>

#include "base/bytes.h"

namespace mcloud::ledger::tree {

class NodeReader {
 public:
  virtual ~NodeReader() = default;
  // The encoded node at a node_path(); nullopt when there is none. An error is a failing disk.
  virtual Result<std::optional<Bytes>> get_node(BytesView path) const = 0;
};

class NodeStore : public NodeReader {
 public:
  virtual void put_node(BytesView path, Bytes node) = 0;
  virtual void erase_node(BytesView path) = 0;
};

// The in-memory twin, for tests.
class MemoryNodes final : public NodeStore {
 public:
  Result<std::optional<Bytes>> get_node(BytesView path) const override {
    auto found = nodes_.find(path);
    if (found == nodes_.end()) return std::optional<Bytes>();
    return std::optional<Bytes>(found->second);
  }
  void put_node(BytesView path, Bytes node) override { nodes_[Bytes(path)] = std::move(node); }
  void erase_node(BytesView path) override { nodes_.erase(Bytes(path)); }
  const std::map<Bytes, Bytes, std::less<>>& nodes() const { return nodes_; }

 private:
  std::map<Bytes, Bytes, std::less<>> nodes_;
};

// Changes on top of a reader until their owner takes them: nullopt = erased. Not thread-safe.
class NodeChanges final : public NodeStore {
 public:
  using Changes = std::map<Bytes, std::optional<Bytes>, std::less<>>;

  explicit NodeChanges(const NodeReader& below) : below_(below) {}
  Result<std::optional<Bytes>> get_node(BytesView path) const override {
    auto found = changes_.find(path);
    if (found != changes_.end()) return found->second;
    return below_.get_node(path);
  }
  void put_node(BytesView path, Bytes node) override { changes_.insert_or_assign(Bytes(path), std::move(node)); }
  void erase_node(BytesView path) override { changes_.insert_or_assign(Bytes(path), std::nullopt); }
  Changes take_changes() { return std::move(changes_); }

 private:
  const NodeReader& below_;
  Changes changes_;
};

}  // namespace mcloud::ledger::tree
