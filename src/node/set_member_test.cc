#include "node/set_member.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace mcloud;
using namespace mcloud::node;

namespace {

constexpr GroupMember kSelf{1, 4}, kOther{0, 2}, kThird{2, 7};

SetOrder electing(uint64_t term) {
  return {.term = term, .voters = {kOther, kSelf, kThird}, .voters_revision = 3,
          .candidates = {kOther, kSelf, kThird}, .self = kSelf, .copies = 2, .port = 6379};
}
SetOrder led_by(const GroupMember& primary, uint64_t term) {
  SetOrder order = electing(term);
  order.primary = primary;
  order.primary_host = "10.42.0." + std::to_string(primary.index + 2);
  return order;
}
GroupStatus a_status(GroupRole role, uint64_t term, uint64_t position = 100) {
  return {.role = role, .term = term, .rank_term = term, .rank_generation = 1, .rank_position = position,
          .complete = true, .voters_revision = 0, .proposal = {}, .master = "", .reason = ""};
}
// What it says to a question, told what it is.
void look(SetMember& member, const GroupStatus& status, uint64_t now_ms = 1'000) {
  member.answered({}, status, now_ms);
}

}  // namespace

TEST_CASE("a member is asked before it is told anything") {
  SetMember member(led_by(kSelf, 1));
  CHECK(member.due_ms() == 0);
  CHECK(member.next(true) == GroupCommand{});
  CHECK(!member.leads());
  CHECK(!member.report());
}

TEST_CASE("a set without a record tells its members nothing") {
  SetMember member(SetOrder{.self = kSelf});
  look(member, a_status(GroupRole::Nobody, 0));
  CHECK(member.next(true).verb == GroupVerb::Status);
  REQUIRE(member.report());
  CHECK(member.report()->term() == 0);
}

TEST_CASE("in an election a member promises the term, and its rank of that moment is its ballot") {
  SetMember member(electing(5));
  look(member, a_status(GroupRole::Follower, 4, 100));
  GroupCommand promise = member.next(true);
  CHECK(group_words(promise) == std::vector<std::string>{"GROUP", "PROMISE", "5"});
  CHECK(member.is_urgent());
  member.answered(promise, a_status(GroupRole::Nobody, 5, 170), 1'000);
  CHECK(member.next(true).verb == GroupVerb::Status);
  CHECK(member.report()->term() == 5);
  CHECK(member.report()->rank().position() == 170);
  // What was under way to its disk has arrived there.
  look(member, a_status(GroupRole::Nobody, 5, 180));
  CHECK(member.report()->rank().position() == 180);
}

TEST_CASE("the primary leads with the voters and candidates of the record") {
  SetOrder order = led_by(kSelf, 5);
  order.candidates = {kOther, kSelf, {2, 8}};
  SetMember member(order);
  look(member, a_status(GroupRole::Nobody, 5));
  GroupCommand lead = member.next(true);
  CHECK(group_words(lead) ==
        std::vector<std::string>{"GROUP", "LEAD", "5", "1.4", "2", "3", "0.2,1.4,2.7", "0.2,1.4,2.8"});
  GroupStatus master = a_status(GroupRole::Master, 5);
  master.voters_revision = 3;
  member.answered(lead, master, 1'000);
  CHECK(member.leads());
  CHECK(member.next(true).verb == GroupVerb::Status);
  CHECK(member.due_ms() == 1'000 + SetMember::kQuickMs);  // a proposal is to come
  CHECK(member.report()->voters_revision() == 3);
}

TEST_CASE("a proposal is reported with the revision it is based on, and the next record is told at once") {
  SetOrder order = led_by(kSelf, 5);
  order.candidates = {kOther, kSelf, {2, 8}};
  SetMember member(order);
  look(member, a_status(GroupRole::Nobody, 5));
  GroupStatus master = a_status(GroupRole::Master, 5);
  master.voters_revision = 3;
  member.answered(member.next(true), master, 1'000);
  master.proposal = order.candidates;
  look(member, master, 1'150);
  CHECK(member.is_urgent());
  REQUIRE(member.report()->proposed_voters_size() == 3);
  CHECK(member.report()->proposed_voters(2).epoch() == 8);
  CHECK(member.report()->voters_revision() == 3);
  order.voters = order.candidates;
  order.voters_revision = 4;
  member.ordered(order, 1'200);
  CHECK(member.due_ms() == 1'200);
  GroupCommand lead = member.next(true);
  CHECK(lead.verb == GroupVerb::Lead);
  CHECK(lead.voters_revision == 4);
  master.proposal.clear();
  master.voters_revision = 4;
  member.answered(lead, master, 1'200);
  CHECK(member.report()->proposed_voters().empty());
  CHECK(!member.is_urgent());
  CHECK(member.due_ms() == 1'200 + SetMember::kSettledMs);
}

TEST_CASE("a follower follows the primary, and follows anew when it has another address or does not follow any more") {
  SetMember member(led_by(kOther, 5));
  look(member, a_status(GroupRole::Nobody, 5));
  GroupCommand follow = member.next(true);
  CHECK(group_words(follow) == std::vector<std::string>{"GROUP", "FOLLOW", "5", "1.4", "10.42.0.2", "6379"});
  GroupStatus follower = a_status(GroupRole::Follower, 5);
  follower.master = "10.42.0.2:6379";
  member.answered(follow, follower, 1'000);
  CHECK(member.next(true).verb == GroupVerb::Status);
  CHECK(member.due_ms() == 1'000 + SetMember::kSettledMs);
  CHECK(!member.leads());
  look(member, a_status(GroupRole::Nobody, 5));
  CHECK(member.next(true) == follow);
  look(member, follower);
  SetOrder moved = led_by(kOther, 5);
  moved.primary_host = "10.42.0.9";
  member.ordered(moved, 2'000);
  CHECK(member.due_ms() == 2'000);
  CHECK(member.next(true).host == "10.42.0.9");
}

TEST_CASE("a follower that goes on in a new epoch follows under its new name") {
  SetMember member(led_by(kOther, 5));
  look(member, a_status(GroupRole::Nobody, 5));
  GroupStatus follower = a_status(GroupRole::Follower, 5);
  follower.master = "10.42.0.2:6379";
  member.answered(member.next(true), follower, 1'000);
  REQUIRE(member.next(true).verb == GroupVerb::Status);
  SetOrder renewed = led_by(kOther, 5);
  renewed.self.epoch += 1;
  member.ordered(renewed, 2'000);
  CHECK(member.next(true).verb == GroupVerb::Follow);
  CHECK(member.next(true).member == renewed.self);
}

TEST_CASE("a follower whose primary has no known address is left as it is") {
  SetOrder order = led_by(kOther, 5);
  order.primary_host.clear();
  SetMember member(order);
  look(member, a_status(GroupRole::Nobody, 5));
  CHECK(member.next(true).verb == GroupVerb::Status);
}

TEST_CASE("a primary of before follows the next one, and does not lead in between") {
  SetMember member(led_by(kSelf, 5));
  look(member, a_status(GroupRole::Nobody, 5));
  member.answered(member.next(true), a_status(GroupRole::Master, 5), 1'000);
  CHECK(member.leads());
  member.ordered(electing(6), 2'000);
  CHECK(!member.leads());
  CHECK(member.next(true).verb == GroupVerb::Promise);
  member.answered(member.next(true), a_status(GroupRole::Deposed, 6), 2'000);
  member.ordered(led_by(kThird, 6), 3'000);
  CHECK(member.next(true).verb == GroupVerb::Follow);
  CHECK(member.next(true).term == 6);
}

TEST_CASE("a member that has promised more than we have read is left alone") {
  for (const SetOrder& order : {electing(5), led_by(kSelf, 5), led_by(kOther, 5)}) {
    SetMember member(order);
    look(member, a_status(GroupRole::Nobody, 6));
    CHECK(member.next(true).verb == GroupVerb::Status);
    CHECK(!member.leads());
  }
}

TEST_CASE("a process that began anew is told again what it is, at once") {
  SetMember member(led_by(kSelf, 5));
  look(member, a_status(GroupRole::Nobody, 5));
  GroupCommand lead = member.next(true);
  member.answered(lead, a_status(GroupRole::Master, 5), 1'000);
  uint64_t process = member.process();
  member.process_began(5'000);
  CHECK(member.process() != process);
  CHECK(member.due_ms() == 5'000);
  CHECK(!member.leads());
  CHECK(member.next(true).verb == GroupVerb::Status);
  CHECK(member.report());  // the ledger is not told that nothing is known
  look(member, a_status(GroupRole::Nobody, 5), 5'000);
  CHECK(member.due_ms() == 5'000);
  CHECK(member.next(true) == lead);
}

TEST_CASE("without fresh orders nobody is made to lead whose own proposal may have been recorded meanwhile") {
  SetOrder order = led_by(kSelf, 5);
  order.candidates = {kOther, kSelf, {2, 8}};
  SetMember member(order);
  look(member, a_status(GroupRole::Nobody, 5));
  CHECK(member.next(false).verb == GroupVerb::Status);
  CHECK(member.next(true).verb == GroupVerb::Lead);
  look(member, a_status(GroupRole::Nobody, 5), 1'000);
  CHECK(member.due_ms() == 1'000 + SetMember::kQuickMs);  // no busy loop
  order.candidates = order.voters;
  member.ordered(order, 2'000);
  CHECK(member.next(false).verb == GroupVerb::Lead);
}

TEST_CASE("the rank is not news by itself, but in an election") {
  SetMember member(led_by(kOther, 5));
  GroupStatus follower = a_status(GroupRole::Follower, 5, 100);
  follower.complete = false;
  look(member, follower);
  follower.rank_position = 200;
  look(member, follower);
  CHECK(member.report()->rank().position() == 100);
  CHECK(member.remark() != "");
  follower.complete = true;
  follower.rank_position = 300;
  look(member, follower);
  CHECK(member.report()->rank().position() == 300);
  CHECK(member.remark() == "");
}

TEST_CASE("questions that fail get rarer, and a new record is asked about at once") {
  SetMember member(led_by(kSelf, 5));
  Result<GroupStatus> silence = make_error(Code::TimedOut, "no answer");
  uint64_t now = 1'000;
  uint64_t pause = 0;
  for (int i = 0; i < 20; ++i) {
    member.answered({}, silence, now);
    CHECK(member.due_ms() - now >= pause);
    pause = member.due_ms() - now;
    now = member.due_ms();
  }
  CHECK(pause == SetMember::kFailedMaxMs);
  member.ordered(electing(6), now);
  CHECK(member.due_ms() == now);
}

// The ledger, the process and the wires between, by seed. Records come late, answers get lost, processes begin anew.
TEST_CASE("whatever happens, a process is told the ledger's word only, and one role at a term") {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    auto chance = [&](uint32_t percent) { return random() % 100 < percent; };
    std::vector<SetOrder> history = {electing(1)};
    GroupStatus process = a_status(GroupRole::Nobody, 0);
    SetMember member(history[0]);
    size_t seen = 0;
    std::map<uint64_t, GroupVerb> role_at;
    for (uint64_t now = 0; now < 400; ++now) {
      if (chance(10)) {
        SetOrder next = history.back();
        if (!next.primary) {
          next = led_by(std::vector{kSelf, kOther, kThird}[random() % 3], next.term);
        } else if (chance(50)) {
          next = electing(next.term + 1);
        } else {
          next.candidates = {kOther, kSelf, {2, 7 + random() % 5}};
        }
        history.push_back(next);
      }
      if (chance(20) && seen + 1 < history.size()) member.ordered(history[++seen], now);
      if (chance(3)) {
        process.role = GroupRole::Nobody;
        if (chance(70)) member.process_began(now);  // else nobody noticed
      }
      if (chance(2)) process.term = std::max(process.term, history.back().term);  // told by another agent's life
      bool is_fresh = chance(70);
      GroupCommand command = member.next(is_fresh);
      const SetOrder& order = history[seen];
      if (command.verb != GroupVerb::Status) CHECK(command.term == order.term);
      if (command.verb == GroupVerb::Lead) CHECK(order.primary == kSelf);
      if (command.verb == GroupVerb::Follow) CHECK((order.primary && *order.primary != kSelf));
      if (command.verb == GroupVerb::Lead || command.verb == GroupVerb::Follow) {
        auto [role, is_first] = role_at.emplace(command.term, command.verb);
        CHECK(role->second == command.verb);
      }
      if (chance(10)) {
        member.answered(command, make_error(Code::Unavailable, "lost"), now);
        continue;
      }
      if (command.verb != GroupVerb::Status && command.term < process.term) {
        member.answered(command, make_error(Code::Denied, "FENCED"), now);
        continue;
      }
      process.term = std::max(process.term, command.term);
      if (command.verb == GroupVerb::Promise) process.role = GroupRole::Nobody;
      if (command.verb == GroupVerb::Lead) process.role = GroupRole::Master;
      if (command.verb == GroupVerb::Follow) process.role = GroupRole::Follower;
      process.master = command.verb == GroupVerb::Follow ? command.host + ":6379" : process.master;
      member.answered(command, process, now);
      CHECK((!member.leads() || (process.role == GroupRole::Master && order.primary == kSelf)));
    }
    // When the wires are whole again it comes to what the record says.
    while (seen + 1 < history.size()) member.ordered(history[++seen], 1'000);
    if (process.term > history.back().term) continue;
    for (int i = 0; i < 6; ++i) {
      GroupCommand command = member.next(true);
      process.term = std::max(process.term, command.term);
      if (command.verb == GroupVerb::Promise) process.role = GroupRole::Nobody;
      if (command.verb == GroupVerb::Lead) process.role = GroupRole::Master;
      if (command.verb == GroupVerb::Follow) {
        process.role = GroupRole::Follower;
        process.master = command.host + ":6379";
      }
      member.answered(command, process, 1'000);
    }
    CHECK(member.next(true).verb == GroupVerb::Status);
    CHECK(process.term == history.back().term);
    CHECK(member.leads() == (history.back().primary == kSelf));
  }
}

// ---- the words -----------------------------------------------------------------------------------

TEST_CASE("a status is read whole or not at all") {
  std::vector<std::string_view> fields = {"role", "master", "term", "7", "rank_term", "6", "rank_generation", "2",
                                          "rank_position", "4096", "complete", "yes", "voters_revision", "3",
                                          "proposal", "2.8,0.2", "master", "", "reason", "", "later", "more"};
  auto status = parse_group_status(fields);
  REQUIRE(status.has_value());
  CHECK(status->role == GroupRole::Master);
  CHECK(status->term == 7);
  CHECK(status->rank_position == 4096);
  CHECK(status->complete);
  CHECK(status->proposal == std::vector<GroupMember>{{0, 2}, {2, 8}});
  for (size_t i = 0; i < 20; i += 2) {
    std::vector<std::string_view> fewer = fields;
    fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i), fewer.begin() + static_cast<ptrdiff_t>(i) + 2);
    CHECK(!parse_group_status(fewer).has_value());
  }
  for (auto [at, wrong] : std::vector<std::pair<size_t, std::string_view>>{
           {1, "king"}, {3, ""}, {3, "-1"}, {3, "7x"}, {9, "99999999999999999999999"}, {15, "2"}, {15, "2.8,,0.2"},
           {15, "4294967296.1"}}) {
    std::vector<std::string_view> broken = fields;
    broken[at] = wrong;
    CHECK_MESSAGE(!parse_group_status(broken).has_value(), wrong);
  }
}
