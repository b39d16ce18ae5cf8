#include "kv/replication/feed.h"

#include "kv/session_hub.h"
#include "kv/session_tickets.h"

namespace mcloud::kv {

uint64_t Feed::add(Mailbox* mailbox, uint64_t session, Follower follower) {
  std::lock_guard guard(mutex_);
  uint64_t number = next_stream_++;
  streams_[number] = {mailbox, session, std::move(follower), false};
  streams_count_ = streams_.size();
  return number;
}

void Feed::remove(uint64_t stream) {
  std::lock_guard guard(mutex_);
  streams_.erase(stream);
  streams_count_ = streams_.size();
  count_.remove(stream);
}

void Feed::set_ack(uint64_t stream, const Ack& ack, uint64_t now_ms) {
  std::unique_lock lock(mutex_);
  auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  found->second.follower.ack = ack;
  found->second.follower.ack_ms = now_ms;
  count_.set(stream, found->second.follower.member, ack.durable);
  serve(std::move(lock));
}

std::vector<Feed::Follower> Feed::followers() const {
  std::lock_guard guard(mutex_);
  std::vector<Follower> all;
  for (const auto& [number, stream] : streams_) all.push_back(stream.follower);
  return all;
}

void Feed::ring() {
  std::lock_guard guard(mutex_);
  for (auto& [number, stream] : streams_) {
    if (stream.mailbox == nullptr || std::exchange(stream.is_rung, true)) continue;
    stream.mailbox->post(stream.session, kStreamTicket, {});
  }
}

void Feed::answered(uint64_t stream) {
  std::lock_guard guard(mutex_);
  if (auto found = streams_.find(stream); found != streams_.end()) found->second.is_rung = false;
}

void Feed::lead(AckRules rules, Position end) {
  std::unique_lock lock(mutex_);
  ended_.reset();
  copies_ = rules.copies;
  count_.begin(std::move(rules), end);
  for (const auto& [number, stream] : streams_) count_.set(number, stream.follower.member, stream.follower.ack.durable);
  serve(std::move(lock));
}

void Feed::set_rules(AckRules rules) {
  std::unique_lock lock(mutex_);
  copies_ = rules.copies;
  count_.set_rules(std::move(rules));
  serve(std::move(lock));
}

void Feed::end(Error why) {
  std::unique_lock lock(mutex_);
  ended_ = std::move(why);
  serve(std::move(lock));
}

void Feed::wait(Position position, Then then) {
  std::unique_lock lock(mutex_);
  count_.set_own(position);
  waiting_.emplace(position, std::move(then));
  serve(std::move(lock));
}

size_t Feed::waiting() const {
  std::lock_guard guard(mutex_);
  return waiting_.size();
}

std::optional<Members> Feed::propose() {
  std::lock_guard guard(mutex_);
  if (ended_) return {};
  static_cast<void>(count_.acknowledged());
  return count_.propose();
}

void Feed::serve(std::unique_lock<std::mutex> lock) {
  std::vector<Then> served;
  auto last = ended_ ? waiting_.end() : waiting_.upper_bound(count_.acknowledged());
  for (auto one = waiting_.begin(); one != last; ++one) served.push_back(std::move(one->second));
  waiting_.erase(waiting_.begin(), last);
  Status outcome;
  if (ended_) outcome = *ended_;
  lock.unlock();
  for (Then& then : served) then(outcome);
}

}  // namespace mcloud::kv
