// What a store durably knows of its place among others: two small text files in its folder, each replaced as a whole.
// The text is pure.
//
//   term:  mcloud-kv-term 1            role:  mcloud-kv-role 1
//          term N                             role nobody | master | follower
//          check HEX8                         managed yes | no
//                                             copies N
//                                             member WORD        of this place; "-": it has none
//                                             term N             that the lines below belong to
//                                             revision N         of the voters
//                                             voters WORDS       commas between; "-": none
//                                             proposal WORDS     as many lines as there are
//                                             host HEX           of the master
//                                             port N
//                                             password HEX       that it is told
//                                             check HEX8         CRC-32C of all lines before
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/disk.h"

namespace mcloud::kv {

using Members = std::set<std::string>;
inline constexpr size_t kMembersMax = 64;
inline constexpr size_t kMemberBytesMax = 64;
inline constexpr size_t kProposalsMax = 16;

enum class Role : uint8_t { Nobody, Master, Follower };
std::string_view word_of(Role role);

struct Upstream {
  std::string host;
  uint16_t port = 0;
  std::string password;
  bool operator==(const Upstream&) const = default;
};

struct RoleRecord {
  Role role = Role::Master;
  bool is_managed = false;
  uint64_t copies = 1;
  std::string member;
  uint64_t term = 0;
  uint64_t revision = 0;
  Members voters;
  std::vector<Members> proposals;
  Upstream upstream;
  bool operator==(const RoleRecord&) const = default;
};

Bytes encode_term(uint64_t term);
Result<uint64_t> parse_term(BytesView text);  // Corrupt, Unsupported
Bytes encode_role(const RoleRecord& record);
Result<RoleRecord> parse_role(BytesView text);  // Corrupt, Unsupported

// "a,b": 1 to kMembersMax words of [A-Za-z0-9._:-]; "-" or nothing: none. Invalid.
Result<Members> parse_members(std::string_view text);
std::string text_of(const Members& members);  // none: "-"
bool is_member_name(std::string_view text);

// Missing files: term 0, a RoleRecord as made.
Result<uint64_t> load_term(Disk& disk, const std::string& folder);
Status save_term(Disk& disk, const std::string& folder, uint64_t term);
bool has_role(Disk& disk, const std::string& folder);  // something is remembered
Result<RoleRecord> load_role(Disk& disk, const std::string& folder);
Status save_role(Disk& disk, const std::string& folder, const RoleRecord& record);

}  // namespace mcloud::kv
