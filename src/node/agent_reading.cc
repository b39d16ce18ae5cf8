// How the agent follows the ledger.
#include "node/real_agent.h"

#include <algorithm>

#include "base/log.h"

namespace mcloud::node {

namespace {

constexpr uint64_t kRetryMs = 500;
constexpr uint64_t kRetryMaxMs = 5'000;

}  // namespace

void RealAgent::follow() {
  uint64_t wait_ms = std::clamp<uint64_t>(fence_after_ms_ / 10, 50, 1'000);
  follow_.submit([this, wait_ms, above = height_] {
    // What an answer says was true after its question: however long it was under way, it is not younger.
    uint64_t asked = now();
    auto head = ports_.follow.wait_for_head(above, wait_ms);
    uint64_t contact = ports_.follow.last_contact_ms() >= asked ? asked : 0;
    loop_.post([this, head = std::move(head), contact] { on_head(head, contact); });
  });
}

void RealAgent::on_head(const Result<std::optional<ledger::Head>>& head, uint64_t contact) {
  if (head.has_value() && *head) height_ = std::max(height_, (*head)->height);
  if (contact > 0) on_contact(contact);
  if (!head.has_value()) {
    if (follow_failures_++ == 0)
      log::warning("node", "the ledger does not answer", {{"reason", head.error().message}});
    follow_timer_ =
        loop_.after(std::min(kRetryMs, std::max<uint64_t>(fence_after_ms_ / 20, 20)), [this] { follow(); });
    pump();
    return;
  }
  if (std::exchange(follow_failures_, 0) > 0) log::info("node", "the ledger answers again");
  if (*head) read();
  follow();
  pump();
}

// A contact says that nothing newer than `height_` was to be had at that moment. It makes our orders fresh only
// when they are of that height: after a cut the first answer comes before we know what was moved meanwhile.
void RealAgent::on_contact(uint64_t contact) {
  contact_ms_ = std::max(contact_ms_, contact);
  if (read_height_ >= height_) set_contact(contact_ms_);
}

void RealAgent::set_contact(uint64_t contact) {
  if (contact <= fresh_ms_) return;
  fresh_ms_ = contact;
  reconciler_.set_contact(fresh_ms_, fence_after_ms_);
  liveness_.contact(fresh_ms_);
}

void RealAgent::read() {
  if (is_reading_) {
    read_again_ = true;
    return;
  }
  is_reading_ = true;
  read_again_ = false;
  asked_height_ = height_;
  read_.submit([this] {
    uint64_t asked = now();
    auto reading = reader_.read();
    loop_.post([this, reading = std::move(reading), asked]() mutable { on_reading(std::move(reading), asked); });
  });
}

void RealAgent::on_reading(Result<LedgerReader::Reading> reading, uint64_t asked) {
  is_reading_ = false;
  // A server that lags behind the one we follow has not told us enough.
  bool is_complete = reading.has_value() && reading->is_complete && reading->head.height >= height_;
  if (!reading.has_value()) on_unread(reading.error());
  if (reading.has_value()) {
    if (reading->view) take_over(*reading);
    read_height_ = reading->head.height;
    // What was the newest when it was asked for was not old then, though blocks have come since: a ledger that is
    // busier than we can read does not make us isolated.
    if (read_height_ >= asked_height_) set_contact(asked);
    on_contact(contact_ms_);
  }
  if (read_again_) {
    read();
  } else if (!is_complete) {
    read_pause_ms_ = std::clamp(read_pause_ms_ * 2, kRetryMs, kRetryMaxMs);
    read_timer_ = loop_.after(read_pause_ms_, [this] { read(); });
  } else {
    read_pause_ms_ = 0;
  }
  pump();
}

void RealAgent::on_unread(const Error& error) {
  log::warning("node", "reading the ledger failed", {{"reason", error.message}});
  if (error.code != Code::NotFound || !options_.join || is_sending_) return;
  is_sending_ = true;
  submit_.submit([this] {
    Status joined = options_.join();
    loop_.post([this, joined = std::move(joined)] {
      is_sending_ = false;
      if (joined.has_value()) {
        log::info("node", "this node is on the ledger");
        read_pause_ms_ = 0;
        read();
      } else {
        log::error("node", "joining failed", {{"reason", joined.error().message}});
      }
      pump();
    });
  });
}

void RealAgent::take_over(const LedgerReader::Reading& reading) {
  Orders orders = build_orders(*reading.view);
  give_user_ids(orders, ranges_);
  std::set<ContractId> contracts;
  for (const auto& [replica, assigned] : orders.assigned) contracts.insert(replica.contract);
  for (const ContractId& contract : ranges_.contracts()) {
    if (!reconciler_.is_gone(contract)) contracts.insert(contract);
  }
  if (Status kept = ranges_.keep_only(contracts); !kept.has_value()) {
    log::error("node", "user ranges are not saved", {{"reason", kept.error().message}});
  }
  for (const ContractId& contract : reading.fresh) note_recorded(reading.view->contracts.at(contract), contract);
  fence_after_ms_ = orders.fence_after_ms;
  if (orders.fenced != is_fenced_) {
    is_fenced_ = orders.fenced;
    log::warning("node", is_fenced_ ? "this node is fenced" : "this node is online",
                 {{"epoch", std::to_string(orders.node_epoch)}});
  }
  liveness_.node(orders.node_epoch, orders.fence_after_ms);
  has_read_ = true;
  own_record_ = reading.view->node;
  std::map<NodeId, Reach> reach = std::move(orders.reach);
  reconciler_.set_orders(std::move(orders), now());
  peers_.set_targets(reach);
}

void RealAgent::on_silent(const std::set<NodeId>& silent) {
  reconciler_.set_silent(silent);
  pump();
}

void RealAgent::note_recorded(const ContractView& view, const ContractId& contract) {
  for (const auto& [name, workload] : view.workloads) {
    for (const pb::Replica& replica : workload.replicas()) {
      if (replica.node() == key_.public_key().view()) book_.recorded({contract, name, replica.index()}, replica);
    }
  }
}

}  // namespace mcloud::node
