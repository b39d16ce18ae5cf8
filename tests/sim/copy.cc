#include "sim/copy.h"

#include <algorithm>

namespace mcloud::sim {

using node::GroupRole;
using node::GroupVerb;

void Disk::promise(uint64_t term) {
  if (term <= promised) return;
  promised = term;
  generation = 0;
}

void Disk::lose_power(size_t kept) {
  log.resize(std::min(log.size(), durable + kept));
  durable = log.size();
}

// What is found at the start is made durable before anything else.
Copy::Copy(Disk& disk, Hooks hooks) : disk_(disk), hooks_(std::move(hooks)) { disk_.durable = disk_.log.size(); }

node::GroupStatus Copy::status(const std::string& reason) const {
  node::GroupStatus status{.role = role_, .term = disk_.promised, .complete = disk_.is_complete, .reason = reason};
  if (disk_.durable > 0) {
    const Entry& last = disk_.log[disk_.durable - 1];
    status.rank_term = last.term;
    status.rank_generation = last.generation;
  }
  status.rank_position = disk_.durable;
  if (role_ == GroupRole::Master) {
    status.voters_revision = revision_;
    status.proposal = proposal_;
  }
  if (role_ == GroupRole::Follower) status.master = host_;
  return status;
}

node::GroupStatus Copy::execute(const node::GroupCommand& command) {
  if (command.verb == GroupVerb::Status) return status("");
  if (command.term < disk_.promised) return status("FENCED");
  disk_.promise(command.term);
  if (role_ != GroupRole::Nobody && term_ < command.term) role_ = GroupRole::Deposed;
  if (command.verb == GroupVerb::Lead) lead(command);
  const std::string host = command.host + ":" + std::to_string(command.port);
  bool is_there = role_ == GroupRole::Follower && host_ == host && self_ == command.member;
  if (command.verb == GroupVerb::Follow && !is_there) {
    role_ = GroupRole::Follower;
    term_ = command.term;
    self_ = command.member;
    host_ = host;
    stream_ = 0;
  }
  return status("");
}

void Copy::lead(const node::GroupCommand& command) {
  self_ = command.member;
  copies_ = command.copies;
  candidates_ = command.candidates;
  if (role_ != GroupRole::Master || term_ != command.term) {
    role_ = GroupRole::Master;
    term_ = command.term;
    ++disk_.generation;
    followers_.clear();
    proposals_.clear();
    proposal_.clear();
    revision_ = command.voters_revision;
    voters_ = command.voters;
    acknowledged_ = disk_.log.size();  // whoever could have acknowledged it, it counts
    hooks_.leads(term_, disk_.log);
  } else if (command.voters_revision > revision_) {
    revision_ = command.voters_revision;
    voters_ = command.voters;
    proposals_.clear();
    proposal_.clear();
  }
  acknowledge();
}

size_t Copy::durable_of(const node::GroupMember& member) const {
  if (member == self_) return disk_.durable;
  auto found = followers_.find(member);
  return found == followers_.end() ? 0 : found->second;
}

bool Copy::is_held(size_t position, const Members& members) const {
  auto count = std::count_if(members.begin(), members.end(),
                             [&](const node::GroupMember& member) { return durable_of(member) >= position; });
  return static_cast<uint32_t>(count) >= copies_;
}

void Copy::propose() {
  if (candidates_ == voters_ || candidates_ == proposal_ || candidates_.size() < copies_) return;
  if (!is_held(acknowledged_, candidates_)) return;
  proposal_ = candidates_;
  proposals_.push_back(candidates_);
}

void Copy::acknowledge() {
  if (role_ != GroupRole::Master || disk_.promised != term_) return;
  while (acknowledged_ < disk_.log.size() && disk_.durable > acknowledged_ && is_held(acknowledged_ + 1, voters_) &&
         std::all_of(proposals_.begin(), proposals_.end(),
                     [&](const Members& members) { return is_held(acknowledged_ + 1, members); })) {
    const Entry& entry = disk_.log[acknowledged_++];
    hooks_.acknowledged(entry.value, copies_, term_);
  }
  propose();
}

void Copy::write(uint64_t value) { disk_.log.push_back({term_, disk_.generation, value}); }

void Copy::synced(size_t position, uint64_t cuts) {
  if (cuts != cuts_) return;
  disk_.durable = std::max(disk_.durable, std::min(position, disk_.log.size()));
  acknowledge();
}

std::optional<Pull> Copy::pull(std::string& host) const {
  if (role_ != GroupRole::Follower) return std::nullopt;
  host = host_;
  return Pull{term_, stream_, self_, disk_.durable};
}

std::optional<Push> Copy::serve(const Pull& pull) {
  if (pull.term > disk_.promised) {  // our time is over: somebody else was made master
    role_ = GroupRole::Deposed;
    return std::nullopt;
  }
  if (role_ != GroupRole::Master || pull.term != term_) return std::nullopt;
  if (pull.generation == disk_.generation) {
    size_t& durable = followers_[pull.member];
    durable = std::max(durable, pull.durable);
    acknowledge();
  }
  return Push{term_, disk_.generation, std::make_shared<const Log>(disk_.log)};
}

void Copy::take(const Push& push) {
  if (role_ != GroupRole::Follower || push.term != term_ || term_ != disk_.promised) return;
  if (push.generation < stream_) return;
  Log& log = disk_.log;
  const size_t most = std::min(log.size(), push.log->size());
  const size_t common =
      static_cast<size_t>(std::mismatch(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(most), push.log->begin())
                              .first - log.begin());
  const bool is_same_stream = stream_ == push.generation;
  if (is_same_stream && common < log.size()) return;  // an older one of the same stream, overtaken
  if (!is_same_stream && log.empty() && !push.log->empty()) {
    disk_.is_complete = false;
    complete_at_ = push.log->size();
  }
  stream_ = push.generation;
  cuts_ += common < log.size() ? 1 : 0;
  log.resize(common);
  disk_.durable = std::min(disk_.durable, common);
  // In pieces, so that there are copies in the making.
  const size_t end = std::min(push.log->size(), common + 20);
  log.insert(log.end(), push.log->begin() + static_cast<std::ptrdiff_t>(common),
             push.log->begin() + static_cast<std::ptrdiff_t>(end));
  if (!disk_.is_complete && log.size() >= std::max(complete_at_, size_t{1})) disk_.is_complete = true;
}

}  // namespace mcloud::sim
