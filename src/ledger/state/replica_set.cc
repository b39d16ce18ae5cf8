#include "ledger/state/replica_set.h"

#include <algorithm>
#include <tuple>

#include "contract/header.h"
#include "ledger/state/planted.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kTermMax = 1ull << 53;  // so that JSON readers see the same number
constexpr size_t kNamesMax = 4;            // in a message

auto order_of(const pb::SetRank& rank) { return std::tuple(rank.term(), rank.generation(), rank.position()); }

const Seat* find_seat(const SetView& view, const pb::SetMember& member) {
  for (const Seat& seat : view.seats) {
    if (seat.life != Life::Unplaced && is_member(seat.member, member)) return &seat;
  }
  return nullptr;
}

const pb::SetBallot* find_ballot(const pb::SetRecord& record, const pb::SetMember& member) {
  for (const pb::SetBallot& ballot : record.ballots()) {
    if (is_member(ballot.member(), member)) return &ballot;
  }
  return nullptr;
}

void put_ballot(pb::SetRecord& record, const pb::SetMember& member, const pb::SetReport& report) {
  auto& ballots = *record.mutable_ballots();
  auto at = std::find_if(ballots.begin(), ballots.end(), [&](const pb::SetBallot& ballot) {
    return ballot.member().index() >= member.index();
  });
  if (at == ballots.end() || at->member().index() != member.index()) {
    auto position = at - ballots.begin();
    ballots.Add();
    std::rotate(ballots.begin() + position, ballots.end() - 1, ballots.end());
    at = ballots.begin() + position;
  }
  *at->mutable_member() = member;
  *at->mutable_rank() = report.rank();
  at->set_complete(report.complete());
}

bool is_partial(const pb::SetRecord& record, const pb::SetMember& member) {
  return std::any_of(record.partial().begin(), record.partial().end(),
                     [&](const pb::SetMember& partial) { return is_member(partial, member); });
}

void note_copy(pb::SetRecord& record, const pb::SetMember& member, bool is_complete) {
  auto& partial = *record.mutable_partial();
  auto at = std::find_if(partial.begin(), partial.end(),
                         [&](const pb::SetMember& other) { return other.index() >= member.index(); });
  if (at != partial.end() && at->index() == member.index()) at = partial.erase(at);
  if (is_complete) return;
  auto position = at - partial.begin();
  *partial.Add() = member;
  std::rotate(partial.begin() + position, partial.end() - 1, partial.end());
}

void drop_ballot(pb::SetRecord& record, uint32_t index) {
  auto& ballots = *record.mutable_ballots();
  auto end = std::remove_if(ballots.begin(), ballots.end(),
                            [&](const pb::SetBallot& ballot) { return ballot.member().index() == index; });
  ballots.erase(end, ballots.end());
}

// ---- elections -------------------------------------------------------------------------------------

struct Vote {
  const pb::SetBallot* ballot = nullptr;
  const Seat* seat = nullptr;
};
using Votes = std::vector<Vote>;

// What voters that live have said, as far as they are whole. `is_all`: each of them has said something.
Votes living_votes(const SetView& view, const pb::SetRecord& record, bool& is_all) {
  Votes votes;
  is_all = true;
  for (const pb::SetMember& voter : record.voters()) {
    const Seat* seat = find_seat(view, voter);
    if (seat == nullptr || seat->life != Life::Lives) continue;
    const pb::SetBallot* ballot = find_ballot(record, voter);
    is_all = is_all && ballot != nullptr;
    if (ballot != nullptr && ballot->complete()) votes.push_back({ballot, seat});
  }
  return votes;
}

// Those who will not have to hand over again.
Votes lasting(const Votes& votes) {
  Votes out;
  std::copy_if(votes.begin(), votes.end(), std::back_inserter(out),
               [](const Vote& vote) { return vote.seat->is_staying && vote.seat->is_current; });
  return out;
}

// The highest rank; of equal ones the lowest index.
const pb::SetMember& best_of(const Votes& votes) {
  return std::max_element(votes.begin(), votes.end(), [](const Vote& a, const Vote& b) {
           return order_of(a.ballot->rank()) < order_of(b.ballot->rank());
         })->ballot->member();
}

// Every voter lives: when all have said something, there is nothing more to learn.
bool all_live(const SetView& view, const pb::SetRecord& record) {
  return std::all_of(record.voters().begin(), record.voters().end(), [&](const pb::SetMember& voter) {
    const Seat* seat = find_seat(view, voter);
    return seat != nullptr && seat->life == Life::Lives;
  });
}

// One of them at least has everything that was acknowledged.
bool is_enough(const pb::SetRecord& record, const Votes& votes) {
  if (votes.empty()) return false;
  if (votes.size() >= votes_needed(record)) return true;
  return std::any_of(votes.begin(), votes.end(),
                     [&](const Vote& vote) { return is_member(vote.seat->member, record.previous()); });
}

// Nobody was ever promised that a write outlives its primary.
bool accepts_loss(const SetView& view, const pb::SetRecord& record) {
  return record.copies() == 1 &&
         std::all_of(view.seats.begin(), view.seats.end(),
                     [](const Seat& seat) { return seat.life == Life::Unplaced || seat.copies == 1; });
}

// Who is elected; nullptr while more must be heard.
const pb::SetMember* choose_primary(const SetView& view, const pb::SetRecord& record) {
  bool is_all = false;
  Votes votes = living_votes(view, record, is_all);
  Votes preferred = lasting(votes);
  if (is_enough(record, preferred)) return &best_of(preferred);
  if (!is_all || votes.empty()) return nullptr;
  if (accepts_loss(view, record)) {
    Votes staying;
    std::copy_if(votes.begin(), votes.end(), std::back_inserter(staying),
                 [](const Vote& vote) { return vote.seat->is_staying; });
    return &best_of(staying.empty() ? votes : staying);
  }
  return is_enough(record, votes) || all_live(view, record) ? &best_of(votes) : nullptr;
}

// A version that asks for more copies than the record can count on: its primary makes sure of them with its next
// proposal. When there is no reason for one, a voter is made a stranger: as if it had been lost, so that what held for
// elections holds as before, and until the proposal nothing is acknowledged that it alone would have to have.
void ask_for_proposal(const SetView& view, pb::SetRecord& record) {
  const Seat* primary = find_seat(view, record.primary());
  auto& voters = *record.mutable_voters();
  if (primary == nullptr || primary->life != Life::Lives) return;
  if (primary->copies <= record.copies() || primary->copies > static_cast<uint32_t>(voters.size())) return;
  for (const Seat& seat : view.seats) {
    if (seat.life != Life::Unplaced && !is_voter(record, seat.member)) return;
  }
  for (const pb::SetMember& voter : voters) {
    if (find_seat(view, voter) == nullptr) return;
  }
  auto last = voters.end() - 1;
  if (is_member(*last, record.primary())) --last;
  last->set_epoch(0);  // no replica has it
  record.set_voters_revision(record.voters_revision() + 1);
}

std::string waits_for(const SetView& view, const pb::SetRecord& record) {
  std::vector<std::string> missing;
  for (const pb::SetMember& voter : record.voters()) {
    const pb::SetBallot* ballot = find_ballot(record, voter);
    const Seat* seat = find_seat(view, voter);
    const bool lives = seat != nullptr && seat->life == Life::Lives;
    if (lives && ballot != nullptr && ballot->complete()) continue;
    std::string name = seat != nullptr ? seat->name : "replica " + std::to_string(voter.index()) + " of epoch " +
                                                          std::to_string(voter.epoch()) + ", which is gone";
    if (seat != nullptr && seat->life == Life::GaveUp) name += ", which gave up";
    if (seat != nullptr && !lives && seat->life != Life::GaveUp) name += ", which is lost";
    if (lives && ballot != nullptr) name += ", which is no whole copy";
    missing.push_back(std::move(name));
  }
  const size_t heard = static_cast<size_t>(record.voters_size()) - missing.size();
  std::string text = "heard " + std::to_string(heard) + " of the " + std::to_string(votes_needed(record)) +
                     " voters that are needed; waits for ";
  for (size_t i = 0; i < std::min(missing.size(), kNamesMax); ++i) text += (i == 0 ? "" : "; ") + missing[i];
  if (missing.size() > kNamesMax) text += "; and " + std::to_string(missing.size() - kNamesMax) + " more";
  return text;
}

// ---- reports ---------------------------------------------------------------------------------------

Status check_report(const pb::SetReport& report) {
  if (report.term() > kTermMax) return make_error(Code::Invalid, "set: the term is out of bounds");
  if (report.proposed_voters_size() > static_cast<int>(contract::kSetReplicasMax)) {
    return make_error(Code::Invalid, "set: at most " + std::to_string(contract::kSetReplicasMax) + " voters");
  }
  return {};
}

bool is_placed(const pb::Workload& workload, const pb::SetMember& member) {
  if (member.index() >= static_cast<uint32_t>(workload.replicas_size())) return false;
  const pb::Replica& replica = workload.replicas(static_cast<int>(member.index()));
  return replica.epoch() == member.epoch() && !replica.node().empty();
}

// Compare and set: a proposal that another change of voters overtook means nothing.
bool may_take_voters(const pb::Workload& workload, const pb::SetReport& report) {
  const pb::SetRecord& record = workload.set();
  const auto& proposed = report.proposed_voters();
  if (proposed.empty() || report.voters_revision() != record.voters_revision()) return false;
  if (static_cast<uint32_t>(proposed.size()) < record.copies()) return false;
  bool has_primary = false;
  for (int i = 0; i < proposed.size(); ++i) {
    if (i > 0 && proposed[i - 1].index() >= proposed[i].index()) return false;
    if (!is_placed(workload, proposed[i])) return false;
    has_primary = has_primary || is_member(proposed[i], record.primary());
  }
  return has_primary;
}

}  // namespace

bool is_member(const pb::SetMember& a, const pb::SetMember& b) {
  return a.index() == b.index() && a.epoch() == b.epoch();
}

bool is_voter(const pb::SetRecord& record, const pb::SetMember& member) {
  return std::any_of(record.voters().begin(), record.voters().end(),
                     [&](const pb::SetMember& voter) { return is_member(voter, member); });
}

bool is_counted(const pb::SetRecord& record, const pb::SetMember& member) {
  return is_voter(record, member) && !is_partial(record, member);
}

bool is_electing(const pb::SetRecord& record) { return !record.has_primary(); }

size_t votes_needed(const pb::SetRecord& record) {
  if (planted::kAnyElection) return 1;
  return static_cast<size_t>(record.voters_size()) - record.copies() + 1;
}

bool form_set(const SetView& view, pb::SetRecord& record) {
  for (const Seat& seat : view.seats) {
    if (seat.life == Life::Unplaced) return false;
  }
  record.Clear();
  record.set_term(1);
  // Replicas of another version may be fewer than it asks copies for: then nothing is acknowledged.
  record.set_copies(std::min(view.seats.front().copies, static_cast<uint32_t>(view.seats.size())));
  record.set_voters_revision(1);
  record.set_since_ms(view.time_ms);
  for (const Seat& seat : view.seats) *record.add_voters() = seat.member;
  *record.mutable_primary() = record.voters(0);
  return true;
}

bool rename_member(pb::SetRecord& record, const pb::SetMember& before, uint64_t epoch) {
  if (!is_voter(record, before)) return false;
  for (pb::SetMember& voter : *record.mutable_voters()) {
    if (is_member(voter, before)) voter.set_epoch(epoch);
  }
  if (record.has_primary() && is_member(record.primary(), before)) record.mutable_primary()->set_epoch(epoch);
  if (record.has_previous() && is_member(record.previous(), before)) record.mutable_previous()->set_epoch(epoch);
  record.set_voters_revision(record.voters_revision() + 1);
  drop_ballot(record, before.index());  // the process that comes says again what it finds
  return true;
}

void begin_election(pb::SetRecord& record, uint64_t time_ms) {
  record.set_term(record.term() + 1);
  if (record.has_primary()) *record.mutable_previous() = record.primary();
  record.clear_primary();
  record.clear_ballots();
  record.set_since_ms(time_ms);
}

bool advance_set(const SetView& view, pb::SetRecord& record) {
  const pb::SetRecord before = record;
  auto& partial = *record.mutable_partial();
  partial.erase(std::remove_if(partial.begin(), partial.end(),
                               [&](const pb::SetMember& member) { return find_seat(view, member) == nullptr; }),
                partial.end());
  if (record.has_primary()) {
    const Seat* seat = find_seat(view, record.primary());
    bool is_over = seat == nullptr || seat->life == Life::Lost || seat->life == Life::GaveUp;
    if (is_over) begin_election(record, view.time_ms);
  }
  if (is_electing(record)) {
    if (const pb::SetMember* chosen = choose_primary(view, record)) {
      *record.mutable_primary() = pb::SetMember(*chosen);
      record.clear_ballots();
      record.clear_previous();
      record.set_since_ms(view.time_ms);
    }
  }
  // Fewer are enough from now on when the primary's version says so; more count when it says that it is so.
  if (const Seat* seat = find_seat(view, record.primary())) record.set_copies(std::min(record.copies(), seat->copies));
  ask_for_proposal(view, record);
  record.set_message(is_electing(record) ? waits_for(view, record) : "");
  return record.term() != before.term() || record.has_primary() != before.has_primary() ||
         record.voters_revision() != before.voters_revision();
}

bool can_hand_over(const SetView& view, const pb::SetRecord& record) {
  if (is_electing(record)) return false;
  size_t others = 0;
  for (const Seat& seat : view.seats) {
    if (is_member(seat.member, record.primary()) || !is_counted(record, seat.member)) continue;
    if (seat.is_ready && seat.is_staying && seat.is_current) ++others;
  }
  return others >= (accepts_loss(view, record) ? 1 : votes_needed(record));
}

bool may_give_up(const SetView& view, const pb::SetRecord& record, const pb::SetMember& member) {
  if (!is_voter(record, member)) return true;
  if (is_electing(record) || is_member(record.primary(), member)) return false;
  const Seat* primary = find_seat(view, record.primary());
  if (primary == nullptr || primary->life != Life::Lives) return false;
  if (record.copies() == 1 && primary->copies == 1) return true;  // no write is to outlive its primary
  uint32_t gone = 1;
  for (const pb::SetMember& voter : record.voters()) {
    if (is_member(voter, member)) continue;
    gone += find_seat(view, voter) == nullptr || is_partial(record, voter) ? 1 : 0;
  }
  return gone <= record.copies() - 1;
}

bool may_remove(const SetView& view, const pb::SetRecord& record, const pb::SetMember& member) {
  const Seat* primary = find_seat(view, record.primary());
  auto standing = std::count_if(view.seats.begin(), view.seats.end(),
                                [](const Seat& seat) { return seat.life != Life::Unplaced; });
  return primary != nullptr && static_cast<uint32_t>(standing) > primary->copies && may_give_up(view, record, member);
}

Result<bool> take_set_report(pb::Workload& workload, const pb::Replica& replica, const pb::SetReport& report,
                             uint32_t copies, uint64_t time_ms) {
  TRY(check_report(report));
  if (!workload.has_set()) return false;
  pb::SetRecord& record = *workload.mutable_set();
  pb::SetMember member;
  member.set_index(replica.index());
  member.set_epoch(replica.epoch());
  note_copy(record, member, report.complete());
  if (!is_voter(record, member)) return false;
  bool is_changed = false;
  // Somebody's hand was there: a voter obeys this term no more, so the next one must be above.
  if (report.term() > record.term()) {
    begin_election(record, time_ms);
    record.set_term(report.term());
    is_changed = true;
  }
  if (report.term() != record.term()) return is_changed;
  if (is_electing(record)) {
    put_ballot(record, member, report);
    return is_changed;
  }
  if (!is_member(record.primary(), member) || !may_take_voters(workload, report)) return is_changed;
  // It made sure of what it is told to count: never more copies than it had voters.
  const uint32_t proven = std::min({copies, static_cast<uint32_t>(record.voters_size()),
                                    static_cast<uint32_t>(report.proposed_voters_size())});
  *record.mutable_voters() = report.proposed_voters();
  record.set_voters_revision(record.voters_revision() + 1);
  record.set_copies(std::max(record.copies(), proven));
  return true;
}

}  // namespace mcloud::ledger
