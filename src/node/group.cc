#include "node/group.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "wire/resp.h"

namespace mcloud::node {
namespace {

constexpr size_t kMembersMax = 256;
constexpr size_t kTextMax = 512;

template <typename Number>
Result<Number> number_of(std::string_view name, std::string_view text) {
  Number number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return number;
  return make_error(Code::Corrupt, "group status: " + std::string(name) + " is not a number");
}

Result<GroupRole> role_of(std::string_view text) {
  if (text == "nobody") return GroupRole::Nobody;
  if (text == "master") return GroupRole::Master;
  if (text == "follower") return GroupRole::Follower;
  if (text == "deposed") return GroupRole::Deposed;
  return make_error(Code::Corrupt, "group status: an unknown role");
}

Result<std::vector<GroupMember>> members_of(std::string_view text) {
  std::vector<GroupMember> members;
  if (text == "-") return members;  // none
  while (!text.empty()) {
    std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    size_t dot = one.find('.');
    if (dot == std::string_view::npos || members.size() == kMembersMax)
      return make_error(Code::Corrupt, "group status: the proposal is malformed");
    members.push_back({TRY(number_of<uint32_t>("a member", one.substr(0, dot))),
                       TRY(number_of<uint64_t>("a member", one.substr(dot + 1)))});
  }
  std::sort(members.begin(), members.end());
  return members;
}

}  // namespace

std::string member_name(const GroupMember& member) {
  return std::to_string(member.index) + "." + std::to_string(member.epoch);
}

std::string member_names(const std::vector<GroupMember>& members) {
  std::string names;
  for (const GroupMember& member : members) names += (names.empty() ? "" : ",") + member_name(member);
  return names;
}

std::vector<std::string> group_words(const GroupCommand& command) {
  std::string term = std::to_string(command.term);
  switch (command.verb) {
    case GroupVerb::Status: return {"GROUP", "STATUS"};
    case GroupVerb::Promise: return {"GROUP", "PROMISE", term};
    case GroupVerb::Lead:
      return {"GROUP", "LEAD", term, member_name(command.member), std::to_string(command.copies),
              std::to_string(command.voters_revision), member_names(command.voters), member_names(command.candidates)};
    case GroupVerb::Follow:
      return {"GROUP", "FOLLOW", term, member_name(command.member), command.host, std::to_string(command.port)};
  }
  return {};
}

std::string describe(const GroupCommand& command) {
  std::string line;
  for (const std::string& word : group_words(command)) line += (line.empty() ? "" : " ") + word;
  return line;
}

Result<std::optional<std::vector<std::string>>> parse_kv_reply(BytesView reply) {
  size_t end = reply.find("\r\n");
  if (reply.starts_with('+') || reply.starts_with('-')) {
    if (end == BytesView::npos) return std::nullopt;
    std::string text(reply.substr(1, end - 1));
    if (reply[0] == '+') return std::vector<std::string>{text};
    return make_error(text.starts_with("FENCED") ? Code::Denied : Code::Unavailable, text.substr(0, 200));
  }
  // An array of bulk strings looks like a request.
  wire::RespRequestParser parser({.arguments_max = 64, .argument_bytes_max = 16 << 10,
                                  .request_bytes_max = kKvReplyBytesMax});
  switch (parser.parse(reply)) {
    case wire::RespRequestParser::Step::NeedMore: return std::nullopt;
    case wire::RespRequestParser::Step::Faulty: return make_error(Code::Corrupt, "its reply is malformed");
    case wire::RespRequestParser::Step::Complete: break;
  }
  return std::vector<std::string>(parser.arguments().begin(), parser.arguments().end());
}

Result<GroupStatus> parse_group_status(const std::vector<std::string_view>& fields) {
  std::map<std::string_view, std::string_view> values;
  for (size_t i = 0; i + 1 < fields.size(); i += 2) values[fields[i]] = fields[i + 1];
  for (std::string_view name : {"role", "term", "rank_term", "rank_generation", "rank_position", "complete",
                                "voters_revision", "proposal", "master", "reason"}) {
    if (!values.contains(name)) return make_error(Code::Corrupt, "group status: " + std::string(name) + " is missing");
  }
  GroupStatus status;
  status.role = TRY(role_of(values["role"]));
  status.term = TRY(number_of<uint64_t>("term", values["term"]));
  status.rank_term = TRY(number_of<uint64_t>("rank_term", values["rank_term"]));
  status.rank_generation = TRY(number_of<uint64_t>("rank_generation", values["rank_generation"]));
  status.rank_position = TRY(number_of<uint64_t>("rank_position", values["rank_position"]));
  status.complete = values["complete"] == "yes";
  status.voters_revision = TRY(number_of<uint64_t>("voters_revision", values["voters_revision"]));
  status.proposal = TRY(members_of(values["proposal"]));
  status.master = values["master"].substr(0, kTextMax);
  status.reason = values["reason"].substr(0, kTextMax);
  return status;
}

}  // namespace mcloud::node
