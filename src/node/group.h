// The words that an agent and a managed `mcloud kv serve` say to each other (docs/design/kv-replication.md). Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mcloud::node {

// One life of a replica: placed anew it is another member.
struct GroupMember {
  uint32_t index = 0;
  uint64_t epoch = 0;

  auto operator<=>(const GroupMember&) const = default;
};
std::string member_name(const GroupMember& member);                   // "0.3"
std::string member_names(const std::vector<GroupMember>& members);    // "0.3,2.1"

enum class GroupVerb { Status, Promise, Lead, Follow };

struct GroupCommand {
  GroupVerb verb = GroupVerb::Status;
  uint64_t term = 0;                    // all but Status
  GroupMember member;                   // Lead, Follow: who is asked
  uint32_t copies = 0;                  // Lead
  uint64_t voters_revision = 0;         // Lead
  std::vector<GroupMember> voters;      // Lead; sorted
  std::vector<GroupMember> candidates;  // Lead; sorted
  std::string host;                     // Follow
  uint16_t port = 0;                    // Follow

  bool operator==(const GroupCommand&) const = default;
};
std::vector<std::string> group_words(const GroupCommand& command);  // "GROUP", "PROMISE", "5"
std::string describe(const GroupCommand& command);                  // the same in one line, for logs

enum class GroupRole { Nobody, Master, Follower, Deposed };

struct GroupStatus {
  GroupRole role = GroupRole::Nobody;
  uint64_t term = 0;  // promised: it obeys no lower one
  uint64_t rank_term = 0, rank_generation = 0, rank_position = 0;
  bool complete = false;
  uint64_t voters_revision = 0;       // in force
  std::vector<GroupMember> proposal;  // sorted
  std::string master;                 // "host:port"
  std::string reason;                 // why it is not what was asked

  bool operator==(const GroupStatus&) const = default;
};
// A reply as far as it is there: the words of an array of bulk strings, or the one of a simple string; nullopt: more is
// to come. An error reply is Denied when it begins with FENCED, else Unavailable; Corrupt: it is no reply.
inline constexpr size_t kKvReplyBytesMax = 64 << 10;
Result<std::optional<std::vector<std::string>>> parse_kv_reply(BytesView reply);

// Names and values in turn; unknown names are passed over. Corrupt says what is missing or malformed.
Result<GroupStatus> parse_group_status(const std::vector<std::string_view>& fields);

}  // namespace mcloud::node
