// The rules of replica sets (Facets.set): who is primary, whose copies count, when somebody else is elected. Pure
// functions of a set's record and of what the ledger sees of its replicas; no kind of workload is known here.
// docs/design/kv-replication.md says what members do meanwhile, docs/decisions/0009-replica-sets.md why it is so.
//
// Always true, for what members acknowledge only when `copies` voters have it and after a promise obey no lower term:
//   - a term has one primary, and it is a voter; there are at least `copies` voters;
//   - who is elected has everything that was acknowledged: `voters - copies + 1` voters have promised the term and
//     said what they have, or the last primary has, and the one with the most is taken. With copies = 1 all that live
//     are heard, and what only the lost one had is lost: the contract has accepted that;
//   - a voter's data is given up only while a primary lives that is not it, and only so many of them that the
//     others, were the primary lost now, are enough to elect one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// What became of a replica and the node it stands on.
enum class Life {
  Unplaced,
  Lives,
  Unsettled,  // its node was fenced a moment ago: not lost yet
  Held,       // its node was lost with many others, and the contract waits for it
  Lost,
  GaveUp,     // its node lives and cannot run it
};

struct Seat {
  pb::SetMember member;
  Life life = Life::Unplaced;
  bool is_ready = false;    // runs and is healthy, on a node that is online
  bool is_staying = false;  // neither drained, nor crowded out, nor one too many
  bool is_current = false;  // in its contract's current version
  uint32_t copies = 1;      // that the version it runs asks for
  std::string name;         // for people: "db/1 on node n2"
};

struct SetView {
  std::vector<Seat> seats;  // by index
  uint64_t time_ms = 0;
};

bool is_member(const pb::SetMember& a, const pb::SetMember& b);
bool is_voter(const pb::SetRecord& record, const pb::SetMember& member);
// It would be worth something as a vote: a voter, and not known for half a copy.
bool is_counted(const pb::SetRecord& record, const pb::SetMember& member);
bool is_electing(const pb::SetRecord& record);
// So many votes are enough, whosever they are.
size_t votes_needed(const pb::SetRecord& record);

// Once every seat is placed: term 1, the first is primary, all are voters. False: not yet.
bool form_set(const SetView& view, pb::SetRecord& record);
// The replica was begun anew where it stands: the same data in a new epoch.
bool rename_member(pb::SetRecord& record, const pb::SetMember& before, uint64_t epoch);
// Begins an election when the primary is lost or gave up, ends one when enough has been heard, says who is waited
// for, and follows what the primary's version asks for. True when nodes must hear of it.
bool advance_set(const SetView& view, pb::SetRecord& record);
// The next term, without a primary.
void begin_election(pb::SetRecord& record, uint64_t time_ms);
// Enough others are ready that an election will not miss the primary.
bool can_hand_over(const SetView& view, const pb::SetRecord& record);
// Its data may be left behind.
bool may_give_up(const SetView& view, const pb::SetRecord& record, const pb::SetMember& member);
// The same, and there will be nobody in its place: enough remain for what the primary's version asks for.
bool may_remove(const SetView& view, const pb::SetRecord& record, const pb::SetMember& member);

// What the holder of `replica`, one of the workload's, says of it. `copies`: that the version it runs asks for; 0 when
// that is not known. True when nodes must hear of the change: voters, or an election. Invalid:
// numbers out of bounds; what is only late or not (yet) to the point is passed over.
Result<bool> take_set_report(pb::Workload& workload, const pb::Replica& replica, const pb::SetReport& report,
                             uint32_t copies, uint64_t time_ms);

}  // namespace mcloud::ledger
