#include "sink/shelf.h"

#include "io/file.h"

namespace mcloud::sink {

Result<Shelf> Shelf::open(std::string folder, const ShelfLimits& limits) {
  Shelf shelf;
  shelf.folder_ = std::move(folder);
  shelf.limits_ = limits;
  TRY(io::make_folders(shelf.folder_ + "/logs", 0700));
  for (const std::string& name : TRY(io::list_folder(shelf.folder_ + "/logs"))) {
    auto contract = ContractId::from_hex(name);
    if (contract.has_value()) TRY(shelf.ring_of(*contract, true));
  }
  return shelf;
}

bool Shelf::is_new(const NodeId& node, uint64_t counter) {
  uint64_t& last = counters_[node];
  if (counter <= last) return false;
  last = counter;
  return true;
}

Result<Ring*> Shelf::ring_of(const ContractId& contract, bool is_made) {
  auto found = rings_.find(contract);
  if (found != rings_.end()) return found->second.get();
  if (!is_made) return static_cast<Ring*>(nullptr);
  Ring ring = TRY(Ring::open(ring_folder(contract), limits_.quota_bytes));
  return rings_.emplace(contract, std::make_unique<Ring>(std::move(ring))).first->second.get();
}

Result<pb::StoredBatch> Shelf::append(const NodeId& node, const pb::LogBatch& batch, uint64_t wall_ms) {
  ContractId contract = TRY(ContractId::from_bytes(batch.contract()));
  if (!rings_.contains(contract)) {
    uint64_t all = 0;
    for (const auto& [id, ring] : rings_) all += ring->bytes();
    if (all + limits_.quota_bytes > limits_.total_bytes) {
      ++figures_.refused;
      return make_error(Code::Exhausted, "the sink is full");
    }
  }
  Ring* ring = TRY(ring_of(contract, true));
  pb::StoredBatch stored;
  stored.set_node(node.bytes());
  stored.set_received_ms(wall_ms);
  *stored.mutable_batch() = batch;
  Result<uint64_t> number = ring->append(stored);
  if (!number.has_value()) {
    ++figures_.refused;
    return number.error();
  }
  stored.set_number(*number);
  ++figures_.batches;
  figures_.lines += batch.lines();
  figures_.dropped_by_nodes += batch.dropped();
  return stored;
}

bool Shelf::Filter::fits(const pb::StoredBatch& stored) const {
  const pb::LogBatch& batch = stored.batch();
  return batch.contract() == contract.view() && (workload.empty() || batch.workload() == workload) &&
         (!index || batch.index() == *index);
}

Status Shelf::each(const Filter& filter, uint64_t after, const std::function<bool(const pb::StoredBatch&)>& visit) {
  Ring* ring = TRY(ring_of(filter.contract, false));
  if (ring == nullptr) return {};
  return ring->each(after, [&](const pb::StoredBatch& batch) { return !filter.fits(batch) || visit(batch); });
}

Result<uint64_t> Shelf::first_number(const ContractId& contract) {
  Ring* ring = TRY(ring_of(contract, false));
  return ring == nullptr ? 1 : ring->first_number();
}

void Shelf::set_metrics(const NodeId& node, Families families, uint64_t now_ms) {
  metrics_[node] = {.families = std::move(families), .at_ms = now_ms};
}

Families Shelf::metrics(uint64_t now_ms) {
  std::erase_if(metrics_, [&](const auto& entry) { return now_ms - entry.second.at_ms > limits_.metrics_keep_ms; });
  Families all;
  for (const auto& [node, metrics] : metrics_) merge_into(all, metrics.families);
  uint64_t bytes = 0;
  uint64_t dropped = 0;
  for (const auto& [contract, ring] : rings_) {
    bytes += ring->bytes();
    dropped += ring->first_number() - 1;
  }
  auto own = [&](const char* name, const char* type, uint64_t value, const char* help) {
    all[name] = {.type = type, .help = help, .samples = {std::string(name) + " " + std::to_string(value)}};
  };
  own("sink_log_batches_total", "counter", figures_.batches, "log batches taken");
  own("sink_log_lines_total", "counter", figures_.lines, "log lines taken");
  own("sink_log_batches_refused_total", "counter", figures_.refused, "log batches refused for lack of room");
  own("sink_log_batches_dropped_total", "counter", dropped, "old log batches dropped to make room");
  own("sink_log_lines_lost_by_nodes_total", "counter", figures_.dropped_by_nodes, "lines that nodes could not keep until they were pushed");
  own("sink_log_bytes", "gauge", bytes, "log bytes kept");
  own("sink_nodes", "gauge", metrics_.size(), "nodes with metrics");
  return all;
}

}  // namespace mcloud::sink
