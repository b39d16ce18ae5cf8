// Everything the sink keeps: rings of logs and the last metrics of each node. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "mcloud/sink.pb.h"
#include "sink/exposition.h"
#include "sink/ring.h"

namespace mcloud::sink {

struct ShelfLimits {
  uint64_t quota_bytes = 4 << 20;  // of one contract
  uint64_t total_bytes =
      4ull << 30;  // of all; then rings go that were idle for long, or the writer's own oldest batches
  size_t contracts_max = 20'000;
  uint64_t idle_ms = 3'600'000;       // a ring that took nothing for so long may go to make room
  uint64_t metrics_keep_ms = 60'000;  // a node that is silent so long has no metrics
};

class Shelf {
 public:
  // FOLDER/logs/<contract hex>/ is a ring.
  static Result<Shelf> open(std::string folder, const ShelfLimits& limits);

  // A push is taken once: its counter must be above the node's last one.
  bool is_new(const NodeId& node, uint64_t counter);

  // With its number. Exhausted: too large, or no room for another contract.
  Result<pb::StoredBatch> append(const NodeId& node, const pb::LogBatch& batch, uint64_t wall_ms);

  struct Filter {
    ContractId contract;
    std::string workload;
    std::optional<uint32_t> index;
    bool fits(const pb::StoredBatch& batch) const;
  };
  Status each(const Filter& filter, uint64_t after, const std::function<bool(const pb::StoredBatch&)>& visit);
  // The first number still there; 1 when there was never anything.
  Result<uint64_t> first_number(const ContractId& contract);

  void set_metrics(const NodeId& node, Families families, uint64_t now_ms);
  // Those of nodes heard of lately, and the sink's own.
  Families metrics(uint64_t now_ms);

 private:
  Result<Ring*> ring_of(const ContractId& contract, bool is_made);
  // For the writer's ring if it has none yet, otherwise for what all hold now; false when there is no room to be had.
  bool make_room(uint64_t wall_ms, const ContractId& writer);
  bool drop_idlest(uint64_t wall_ms, const ContractId& writer);
  std::string ring_folder(const ContractId& contract) const { return folder_ + "/logs/" + contract.hex(); }

  struct NodeMetrics {
    Families families;
    uint64_t at_ms = 0;
  };
  struct Figures {
    uint64_t batches = 0;
    uint64_t lines = 0;
    uint64_t refused = 0;
    uint64_t dropped_by_nodes = 0;
    uint64_t dropped = 0;  // with whole rings
  };
  std::string folder_;
  ShelfLimits limits_;
  std::map<ContractId, std::unique_ptr<Ring>> rings_;
  uint64_t bytes_ = 0;  // of all rings
  std::map<NodeId, uint64_t> counters_;
  std::map<NodeId, NodeMetrics> metrics_;
  Figures figures_;
};

}  // namespace mcloud::sink
