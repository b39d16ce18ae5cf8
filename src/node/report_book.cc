#include "node/report_book.h"

#include <algorithm>
#include <set>

#include "wire/canonical.h"

namespace mcloud::node {

void ReportBook::set(const std::vector<Report>& reports, uint64_t now_ms) {
  std::set<ReplicaKey> present;
  for (const Report& report : reports) {
    present.insert(report.replica);
    Line& line = lines_[report.replica];
    bool is_new = line.current.contract().empty();
    bool has_changed = is_new || wire::encode(line.current) != wire::encode(report.result);
    uint64_t due = report.is_urgent ? now_ms : now_ms + kPatienceMs;
    // Passing states that follow each other do not push the news before them away for ever.
    if (has_changed) line.due_ms = !is_new && has_news(line) ? std::min(line.due_ms, due) : due;
    line.current = report.result;
  }
  std::erase_if(lines_, [&](const auto& entry) { return !present.contains(entry.first); });
}

void ReportBook::recorded(const ReplicaKey& replica, const pb::Replica& replica_record) {
  pb::Result result;
  result.set_contract(replica.contract.bytes());
  result.set_workload(replica.workload);
  result.set_index(replica.index);
  result.set_epoch(replica_record.epoch());
  result.set_state(replica_record.state());
  result.set_message(replica_record.message());
  result.set_restarts(replica_record.restarts());
  result.set_version(replica_record.version());
  Line& line = lines_[replica];
  // Of a member's set the record does not say what was told last: that is known here, as long as it is that member.
  if (line.told) {
    auto told = wire::decode<pb::Result>(*line.told, "result");
    if (told.has_value() && told->has_set() && told->epoch() == result.epoch()) *result.mutable_set() = told->set();
  }
  line.told = wire::encode(result);
  bool is_written_off = result.state() == pb::REPLICA_CANNOT_RUN || result.state() == pb::REPLICA_STUCK;
  line.muted_epoch = is_written_off ? result.epoch() : 0;
}

bool ReportBook::has_news(const Line& line) const {
  if (line.current.contract().empty()) return false;  // only the ledger's word so far
  if (line.muted_epoch != 0 && line.muted_epoch == line.current.epoch()) return false;
  return !line.told || *line.told != wire::encode(line.current);
}

std::optional<std::vector<pb::Result>> ReportBook::take(uint64_t now_ms) {
  if (now_ms < next_ms()) return std::nullopt;
  std::vector<pb::Result> batch;
  for (auto& [replica, line] : lines_) {
    if (batch.size() == kBatchMax) break;
    if (!has_news(line)) continue;
    line.sent = wire::encode(line.current);
    batch.push_back(line.current);
  }
  if (batch.empty()) return std::nullopt;
  is_in_flight_ = true;
  not_before_ms_ = now_ms + kPaceMs;
  return batch;
}

void ReportBook::delivered(uint64_t) {
  is_in_flight_ = false;
  failures_ = 0;
  for (auto& [replica, line] : lines_) {
    if (line.sent) line.told = std::move(line.sent);
    line.sent.reset();
  }
}

void ReportBook::failed(uint64_t now_ms, bool is_conflict) {
  is_in_flight_ = false;
  for (auto& [replica, line] : lines_) line.sent.reset();
  ++failures_;
  if (is_conflict && failures_ <= 3) {
    not_before_ms_ = now_ms;
    return;
  }
  not_before_ms_ = now_ms + std::min(kPaceMs << std::min<uint32_t>(failures_ - 1, 10), kRetryMaxMs);
}

uint64_t ReportBook::next_ms() const {
  if (is_in_flight_) return UINT64_MAX;
  uint64_t due = UINT64_MAX;
  for (const auto& [replica, line] : lines_) {
    if (has_news(line)) due = std::min(due, line.due_ms);
  }
  return due == UINT64_MAX ? due : std::max(due, not_before_ms_);
}

}  // namespace mcloud::node
