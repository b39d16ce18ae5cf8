#include "kv/replication/role.h"

#include <algorithm>

#include "kv/lines.h"
#include "kv/meta.h"
#include "kv/planted.h"

namespace mcloud::kv {
namespace {

constexpr BytesView kTermLine = "mcloud-kv-term 1\n";
constexpr BytesView kRoleLine = "mcloud-kv-role 1\n";
constexpr uint64_t kFileBytesMax = 256 << 10;

bool is_member_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == ':' || c == '-';
}

Status parse_upstream(Lines& lines, Upstream& upstream) {
  BytesView host = TRY(lines.take("host"));
  upstream.host = TRY(from_hex(host));
  uint64_t port = TRY(lines.number("port"));
  if (port > 65535) return lines.corrupt("port: out of bounds");
  upstream.port = static_cast<uint16_t>(port);
  BytesView password = TRY(lines.take("password"));
  upstream.password = TRY(from_hex(password));
  return {};
}

Result<Bytes> read_or_empty(Disk& disk, const std::string& path) {
  auto text = read_whole(disk, path, kFileBytesMax);
  if (!text.has_value() && text.error().code == Code::NotFound) return Bytes();
  return text;
}

}  // namespace

std::string_view word_of(Role role) {
  switch (role) {
    case Role::Nobody: return "nobody";
    case Role::Master: return "master";
    case Role::Follower: return "follower";
  }
  return "";
}

bool is_member_name(std::string_view text) {
  return !text.empty() && text != "-" && text.size() <= kMemberBytesMax && std::ranges::all_of(text, is_member_byte);
}

Result<Members> parse_members(std::string_view text) {
  Members members;
  if (text.empty() || text == "-") return members;
  for (BytesView word : split(text, ',')) {
    if (!is_member_name(word)) return make_error(Code::Invalid, "a member is a word of at most 64 bytes");
    members.emplace(word);
  }
  if (members.size() > kMembersMax) return make_error(Code::Invalid, "at most 64 members are allowed");
  return members;
}

std::string text_of(const Members& members) {
  std::string text;
  for (const std::string& member : members) text += (text.empty() ? "" : ",") + member;
  return text.empty() ? "-" : text;
}

Bytes encode_term(uint64_t term) { return with_check(Bytes(kTermLine) + line_of("term", std::to_string(term))); }

Result<uint64_t> parse_term(BytesView text) {
  BytesView between = TRY(checked_lines("term", text, kTermLine));
  Lines lines("term", between);
  uint64_t term = TRY(lines.number("term"));
  if (encode_term(term) != text) return lines.corrupt("it is not as it is written");
  return term;
}

Bytes encode_role(const RoleRecord& record) {
  Bytes out(kRoleLine);
  out += line_of("role", word_of(record.role));
  out += line_of("managed", record.is_managed ? "yes" : "no");
  out += line_of("copies", std::to_string(record.copies));
  out += line_of("member", record.member.empty() ? "-" : record.member);
  out += line_of("term", std::to_string(record.term));
  out += line_of("revision", std::to_string(record.revision));
  out += line_of("voters", text_of(record.voters));
  for (const Members& proposal : record.proposals) out += line_of("proposal", text_of(proposal));
  out += line_of("host", to_hex(record.upstream.host));
  out += line_of("port", std::to_string(record.upstream.port));
  out += line_of("password", to_hex(record.upstream.password));
  return with_check(std::move(out));
}

Result<RoleRecord> parse_role(BytesView text) {
  BytesView between = TRY(checked_lines("role", text, kRoleLine));
  Lines lines("role", between);
  RoleRecord record;
  record.role = TRY(lines.word<Role>("role", {"nobody", "master", "follower"}));
  record.is_managed = TRY(lines.yes("managed"));
  record.copies = TRY(lines.number("copies"));
  if (record.copies == 0 || record.copies > kMembersMax) return lines.corrupt("copies: out of bounds");
  BytesView member = TRY(lines.take("member"));
  if (member != "-") record.member = member;
  if (member != "-" && !is_member_name(member)) return lines.corrupt("member: no word");
  record.term = TRY(lines.number("term"));
  record.revision = TRY(lines.number("revision"));
  BytesView voters = TRY(lines.take("voters"));
  record.voters = TRY(parse_members(voters));
  while (lines.next_is("proposal")) {
    BytesView proposal = TRY(lines.take("proposal"));
    record.proposals.push_back(TRY(parse_members(proposal)));
    if (record.proposals.size() > kProposalsMax) return lines.corrupt("too many proposals");
  }
  TRY(parse_upstream(lines, record.upstream));
  if (encode_role(record) != text) return lines.corrupt("it is not as it is written");
  return record;
}

Result<uint64_t> load_term(Disk& disk, const std::string& folder) {
  Bytes text = TRY(read_or_empty(disk, folder + "/term"));
  if (text.empty()) return uint64_t{0};
  return parse_term(text).with_context(folder);
}

Status save_term(Disk& disk, const std::string& folder, uint64_t term) {
  if (planted::kForgetsPromises) return {};
  return replace_file(disk, folder, "term", encode_term(term));
}

Result<RoleRecord> load_role(Disk& disk, const std::string& folder) {
  Bytes text = TRY(read_or_empty(disk, folder + "/role"));
  if (text.empty()) return RoleRecord();
  return parse_role(text).with_context(folder);
}

bool has_role(Disk& disk, const std::string& folder) {
  return disk.open(folder + "/role", OpenMode::Read).has_value();
}

Status save_role(Disk& disk, const std::string& folder, const RoleRecord& record) {
  return replace_file(disk, folder, "role", encode_role(record));
}

}  // namespace mcloud::kv
