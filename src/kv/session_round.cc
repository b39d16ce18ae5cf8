#include "kv/session_round.h"

#include <algorithm>

#include "kv/planted.h"
#include "kv/session.h"

namespace mcloud::kv {
namespace {

size_t hash_of(std::string_view key) { return std::hash<std::string_view>()(key); }

}  // namespace

Result<Writer*> Round::writer(const SpacePtr& space, uint64_t epoch) {
  // Never within one request: what it writes stays together.
  bool is_full = bytes_ > kBytesMax && !is_touched_;
  if (writer_ == nullptr || space_ != space || epoch_ != epoch || is_full) {
    settle();
    writer_ = TRY(space->store->writer(epoch));
    space_ = space;
    epoch_ = epoch;
  }
  is_touched_ = true;
  return writer_.get();
}

Writer* Round::writer_of_key(const Space& space, std::string_view key) {
  if constexpr (planted::kNoOwnWrites) return nullptr;
  if (!has_keys_ || space_.get() != &space || !keys_.test(hash_of(key) % kFilterBits)) return nullptr;
  return held_writer(space);
}

Writer* Round::held_writer(const Space& space) {
  if (writer_ == nullptr || space_.get() != &space) return nullptr;
  is_touched_ = true;
  return writer_.get();
}

void Round::wrote(std::string_view key, Position end, size_t bytes) {
  keys_.set(hash_of(key) % kFilterBits);
  has_keys_ = true;
  bytes_ += bytes;
  confirms(end);
}

void Round::confirms(Position position) { position_ = std::max(position_, position); }

void Round::end_reply(Session& session, uint64_t begin, uint64_t end) {
  if (!is_touched_ || writer_ == nullptr) return;
  dependents_.push_back({&session, begin, end});
}

bool Round::depends(const Session& session) const {
  return std::ranges::any_of(dependents_, [&](const Dependent& dependent) { return dependent.session == &session; });
}

void Round::settle() {
  if (writer_ == nullptr) return;
  Status flushed = writer_->flush();
  writer_.reset();
  if (!flushed) {
    // From the back, so that the places of what comes before stay true.
    for (auto at = dependents_.rbegin(); at != dependents_.rend(); ++at)
      at->session->replace_reply(at->begin, at->end, flushed.error());
  } else if (space_->feed->is_awaited() ||
             (space_->durability == Durability::Always && position_ > space_->store->durable_position())) {
    if (position_ > 0) add_barriers();
  }
  if (space_->feed->has_streams()) space_->feed->ring();
  dependents_.clear();
  position_ = 0;
  bytes_ = 0;
  if (has_keys_) keys_.reset();
  has_keys_ = false;
}

void Round::add_barriers() {
  for (const Dependent& dependent : dependents_)
    dependent.session->add_barrier(space_, position_, dependent.begin, dependent.end);
  waiter_.when_durable(space_, position_);
}

}  // namespace mcloud::kv
