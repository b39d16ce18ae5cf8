#include "sink/shelf.h"

#include "base/log.h"
#include "io/file.h"

namespace mcloud::sink {

Result<Shelf> Shelf::open(std::string folder, const ShelfLimits& limits) {
  Shelf shelf;
  shelf.folder_ = std::move(folder);
  shelf.limits_ = limits;
  TRY(io::make_folders(shelf.folder_ + "/logs", 0700));
  for (const std::string& name : TRY(io::list_folder(shelf.folder_ + "/logs"))) {
    auto contract = ContractId::from_hex(name);
    if (!contract.has_value()) continue;
    // One that cannot be read is no reason to keep all others from their owners.
    auto ring = shelf.ring_of(*contract, true);
    if (!ring.has_value())
      log::warning("sink", "a ring is left out", {{"contract", name}, {"reason", ring.error().message}});
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
  bytes_ += ring.bytes();
  return rings_.emplace(contract, std::make_unique<Ring>(std::move(ring))).first->second.get();
}

// The one that took nothing for the longest time, if that is long enough.
bool Shelf::drop_idlest(uint64_t wall_ms, const ContractId& writer) {
  auto idlest = rings_.end();
  for (auto ring = rings_.begin(); ring != rings_.end(); ++ring) {
    bool may_go = ring->first != writer && ring->second->newest_ms() + limits_.idle_ms <= wall_ms;
    bool is_idler = idlest == rings_.end() || ring->second->newest_ms() < idlest->second->newest_ms();
    if (may_go && is_idler) idlest = ring;
  }
  if (idlest == rings_.end()) return false;
  Status removed = io::remove_tree(ring_folder(idlest->first));
  if (!removed.has_value()) {
    log::warning("sink", "an idle ring stays", {{"reason", removed.error().message}});
    return false;
  }
  bytes_ -= idlest->second->bytes();
  figures_.dropped += idlest->second->next_number() - 1;
  rings_.erase(idlest);
  return true;
}

bool Shelf::make_room(uint64_t wall_ms, const ContractId& writer) {
  auto is_full = [&] {
    if (rings_.contains(writer)) return bytes_ > limits_.total_bytes;
    return bytes_ + limits_.quota_bytes > limits_.total_bytes || rings_.size() >= limits_.contracts_max;
  };
  while (is_full()) {
    if (!drop_idlest(wall_ms, writer)) return false;
  }
  return true;
}

Result<pb::StoredBatch> Shelf::append(const NodeId& node, const pb::LogBatch& batch, uint64_t wall_ms) {
  ContractId contract = TRY(ContractId::from_bytes(batch.contract()));
  if (!rings_.contains(contract) && !make_room(wall_ms, contract)) {
    ++figures_.refused;
    return make_error(Code::Exhausted, "the sink is full");
  }
  Ring* ring = TRY(ring_of(contract, true));
  pb::StoredBatch stored;
  stored.set_node(node.bytes());
  stored.set_received_ms(wall_ms);
  *stored.mutable_batch() = batch;
  uint64_t before = ring->bytes();
  Result<uint64_t> number = ring->append(stored);
  bytes_ = bytes_ - before + ring->bytes();
  if (!number.has_value()) {
    ++figures_.refused;
    return number.error();
  }
  // Who writes pays: nobody else's lines go for these.
  while (!make_room(wall_ms, contract)) {
    before = ring->bytes();
    if (!ring->drop_segment()) break;
    bytes_ = bytes_ - before + ring->bytes();
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
  uint64_t dropped = figures_.dropped;
  for (const auto& [contract, ring] : rings_) dropped += ring->first_number() - 1;
  auto own = [&](const char* name, const char* type, uint64_t value, const char* help) {
    all[name] = {.type = type, .help = help, .samples = {std::string(name) + " " + std::to_string(value)}};
  };
  own("sink_log_batches_total", "counter", figures_.batches, "log batches taken");
  own("sink_log_lines_total", "counter", figures_.lines, "log lines taken");
  own("sink_log_batches_refused_total", "counter", figures_.refused, "log batches refused for lack of room");
  own("sink_log_batches_dropped_total", "counter", dropped, "old log batches dropped to make room");
  own("sink_log_lines_lost_by_nodes_total", "counter", figures_.dropped_by_nodes,
      "lines that nodes could not keep until they were pushed");
  own("sink_log_bytes", "gauge", bytes_, "log bytes kept");
  own("sink_nodes", "gauge", metrics_.size(), "nodes with metrics");
  return all;
}

}  // namespace mcloud::sink
