// What the agent tells the ledger and the sink.
#include "node/real_agent.h"

#include <algorithm>

#include "base/log.h"
#include "node/mesh_keys.h"
#include "node/own_addresses.h"

namespace mcloud::node {
namespace {

constexpr uint64_t kPublishMs = 1'000;
constexpr uint64_t kPublishMaxMs = 60'000;

}  // namespace

void RealAgent::report() {
  if (is_fenced_ || is_sending_ || !has_read_) return;
  auto batch = book_.take(now());
  if (!batch) return;
  pb::Transaction transaction;
  for (pb::Result& result : *batch) *transaction.mutable_report_results()->add_results() = std::move(result);
  send(std::move(transaction), [this](const Status& sent) {
    if (sent.has_value()) return book_.delivered(now());
    log::warning("node", "the report was not taken", {{"reason", sent.error().message}});
    book_.failed(now(), sent.error().code == Code::Conflict);
  });
}

// What moved is stopped first: whoever has it now must be alone when we count as alive again.
void RealAgent::rejoin() {
  if (!is_fenced_ || is_sending_ || now() < rejoins_.next_ms() || !reconciler_.has_left_what_moved()) return;
  if (options_.where && !where_) return;  // the first look is under way
  pb::Transaction transaction;
  pb::RejoinNode& rejoin = *transaction.mutable_rejoin_node();
  rejoin.set_node_epoch(reconciler_.orders()->node_epoch);
  *rejoin.mutable_capacity() = options_.capacity;
  *rejoin.mutable_addresses() = where_ ? *where_ : options_.addresses;
  log::info("node", "rejoins", {{"epoch", std::to_string(rejoin.node_epoch())}});
  send(std::move(transaction), [this](const Status& sent) {
    if (sent.has_value()) {
      rejoins_.taken(now());
    } else {
      rejoins_.failed(now());
      log::warning("node", "the rejoin was not taken", {{"reason", sent.error().message}});
    }
    rejoin_timer_ = loop_.after(rejoins_.next_ms() - now() + 1, [this] { pump(); });
  });
}

// Peers find us by what the ledger has: it is told whenever that is not what we use. Without WireGuard the keys that it
// knows stay, mostly none.
void RealAgent::publish_keys() {
  if (is_fenced_ || is_sending_ || !has_read_ || now() < next_publish_ms_) return;
  pb::PublishKeys keys = options_.keys ? options_.keys() : recorded_keys(own_record_);
  if (options_.keys && keys.keys().empty()) return;
  if (where_) *keys.mutable_addresses() = moved_addresses(own_record_.addresses(), *where_);
  if (is_published(keys, own_record_)) return;
  pb::Transaction transaction;
  *transaction.mutable_publish_keys() = std::move(keys);
  send(std::move(transaction), [this](const Status& sent) {
    publish_failures_ = sent.has_value() ? 0 : publish_failures_ + 1;
    if (!sent.has_value()) log::warning("node", "the keys were not taken", {{"reason", sent.error().message}});
    // Taken: until it is read, it must not be sent again.
    uint64_t pause = std::min(kPublishMs << std::min<uint64_t>(publish_failures_, 6), kPublishMaxMs);
    next_publish_ms_ = now() + pause;
    publish_timer_ = loop_.after(pause + 1, [this] { pump(); });
  });
}

void RealAgent::look_where() {
  if (!options_.where) return;
  auto again = [this] { where_timer_ = loop_.after(options_.where_every_ms, [this] { look_where(); }); };
  bool is_taken = jobs_.submit([this, again] {
    pb::NodeAddresses where = options_.where();
    loop_.post([this, again, where = std::move(where)]() mutable {
      where_ = std::move(where);
      again();
      pump();
    });
  });
  if (!is_taken) again();
}

void RealAgent::send(pb::Transaction transaction, std::function<void(const Status&)> done) {
  is_sending_ = true;
  submit_.submit([this, transaction = std::move(transaction), done = std::move(done)]() mutable {
    Status sent = sender_.send(std::move(transaction));
    loop_.post([this, sent = std::move(sent), done = std::move(done)] {
      is_sending_ = false;
      done(sent);
      pump();
    });
  });
}

void RealAgent::push_telemetry() {
  if (ports_.telemetry == nullptr) return;
  std::vector<Telemetry::Target> targets = followed_.now(reconciler_);
  Telemetry::Numbers numbers;
  numbers.node = {{"node_containers_running", static_cast<double>(reconciler_.running().size())},
                  {"node_ledger_height", static_cast<double>(height_)},
                  {"node_is_fenced", is_fenced_ ? 1.0 : 0.0}};
  add_peer_figures(peers_.figures(), numbers.figures);
  telemetry_.submit([this, targets = std::move(targets), numbers = std::move(numbers)]() mutable {
    for (Figure& figure : ports_.networks.figures()) numbers.figures.push_back(std::move(figure));
    if (ports_.gateways != nullptr) {
      for (Figure& figure : ports_.gateways->figures()) numbers.figures.push_back(std::move(figure));
    }
    ports_.telemetry->round(targets, numbers);
    loop_.post([this] { telemetry_timer_ = loop_.after(options_.telemetry_ms, [this] { push_telemetry(); }); });
  });
}

}  // namespace mcloud::node
