#include "ledger/engine/feed.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kKeepAliveMs = 5'000;

std::string event_of(const ChainTip& tip) {
  return "event: head\nid: " + std::to_string(tip.head.height) + "\ndata: " + to_base64(tip.signed_header) + "\n\n";
}

void answer(wire::HttpStream& stream, const ChainTip* tip) {
  stream.write(head_json(tip));
  stream.close();
}

}  // namespace

std::string head_json(const ChainTip* tip) {
  if (tip == nullptr) return "{\"head\":null}";
  return "{\"head\":\"" + to_base64(tip->signed_header) + "\"}";
}

void HeadFeed::follow(std::shared_ptr<wire::HttpStream> stream) {
  if (stream->write(event_of(tip_))) followers_.push_back(std::move(stream));
}

void HeadFeed::wait(std::shared_ptr<wire::HttpStream> stream, uint64_t above, uint64_t deadline_ms) {
  if (tip_.head.height > above) return answer(*stream, &tip_);
  waiters_.push_back({std::move(stream), above, deadline_ms});
}

void HeadFeed::publish(const ChainTip& tip) {
  tip_ = tip;
  std::string event = event_of(tip);
  followers_.remove_if([&](const auto& stream) { return !stream->write(event); });
  waiters_.remove_if([&](const Waiter& waiter) {
    if (tip.head.height <= waiter.above) return false;
    answer(*waiter.stream, &tip);
    return true;
  });
}

void HeadFeed::tick(uint64_t now_ms) {
  waiters_.remove_if([&](const Waiter& waiter) {
    if (!waiter.stream->is_open()) return true;
    if (now_ms < waiter.deadline_ms) return false;
    answer(*waiter.stream, nullptr);
    return true;
  });
  bool is_due = now_ms - kept_alive_ms_ >= kKeepAliveMs;
  if (is_due) kept_alive_ms_ = now_ms;
  followers_.remove_if([&](const auto& stream) { return is_due ? !stream->write(":\n\n") : !stream->is_open(); });
}

}  // namespace mcloud::ledger
