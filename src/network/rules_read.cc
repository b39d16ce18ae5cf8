#include "network/rules_read.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "network/firewall.h"
#include "network/netlink.h"

namespace mcloud::network {
namespace {

constexpr uint8_t kCommentOfRule = 0;  // first type of a rule's user data, as libnftnl writes it

NetlinkMessage dump_of(uint8_t type, uint8_t family) {
  NetlinkMessage message(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP);
  nfgenmsg fixed{};
  fixed.nfgen_family = family;
  fixed.version = NFNETLINK_V0;
  message.append(fixed);
  return message;
}

uint64_t u64_be(std::string_view bytes) { return bytes.size() == 8 ? read_u64_be(bytes) : 0; }

// Type, length, text: of what nft keeps beside a rule.
std::string comment_in(std::string_view user_data) {
  while (user_data.size() >= 2) {
    auto type = static_cast<uint8_t>(user_data[0]);
    size_t size = static_cast<uint8_t>(user_data[1]);
    if (user_data.size() < 2 + size) return "";
    std::string_view text = user_data.substr(2, size);
    if (type == kCommentOfRule) return std::string(text.substr(0, text.find('\0')));
    user_data.remove_prefix(2 + size);
  }
  return "";
}

void read_expression(const NetlinkAttributes& expression, CountedRule& rule, bool& counts) {
  std::string name = expression.text(NFTA_EXPR_NAME);
  NetlinkAttributes data = expression.nested(NFTA_EXPR_DATA);
  if (name == "counter") {
    counts = true;
    rule.packets = u64_be(data.find(NFTA_COUNTER_PACKETS));
    rule.bytes = u64_be(data.find(NFTA_COUNTER_BYTES));
  } else if (name == "immediate") {
    NetlinkAttributes verdict = data.nested(NFTA_IMMEDIATE_DATA).nested(NFTA_DATA_VERDICT);
    rule.is_drop = verdict.has(NFTA_VERDICT_CODE) && verdict.u32_be(NFTA_VERDICT_CODE) == NF_DROP;
  }
}

Status read_rules(uint8_t family, std::vector<CountedRule>& out) {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER));
  for (const NetlinkReply& reply : TRY(socket.ask(dump_of(NFT_MSG_GETRULE, family)))) {
    NetlinkAttributes attributes = reply.attributes<nfgenmsg>();
    if (attributes.text(NFTA_RULE_TABLE) != kTable) continue;
    CountedRule rule;
    bool counts = false;
    rule.chain = attributes.text(NFTA_RULE_CHAIN);
    rule.comment = comment_in(attributes.find(NFTA_RULE_USERDATA));
    attributes.nested(NFTA_RULE_EXPRESSIONS).each(NFTA_LIST_ELEM, [&](NetlinkAttributes expression) {
      read_expression(expression, rule, counts);
    });
    if (counts && !rule.comment.empty()) out.push_back(std::move(rule));
  }
  return {};
}

}  // namespace

Result<std::string> firewall_revision() {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER));
  for (const NetlinkReply& reply : TRY(socket.ask(dump_of(NFT_MSG_GETCHAIN, NFPROTO_INET)))) {
    NetlinkAttributes attributes = reply.attributes<nfgenmsg>();
    std::string name = attributes.text(NFTA_CHAIN_NAME);
    if (attributes.text(NFTA_CHAIN_TABLE) == kTable && name.starts_with("revision_")) return name;
  }
  return std::string();
}

Result<std::set<VxlanSource>> sources_in_force() {
  NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_NETFILTER));
  NetlinkMessage message = dump_of(NFT_MSG_GETSETELEM, NFPROTO_INET);
  message.put_text(NFTA_SET_ELEM_LIST_TABLE, kTable);
  message.put_text(NFTA_SET_ELEM_LIST_SET, kSources);
  std::set<VxlanSource> out;
  auto replies = socket.ask(std::move(message));
  if (!replies.has_value()) {
    if (replies.error().code == Code::NotFound) return out;
    return replies.error().with_context("read who may send into networks");
  }
  for (const NetlinkReply& reply : replies.value()) {
    reply.attributes<nfgenmsg>().nested(NFTA_SET_ELEM_LIST_ELEMENTS).each(NFTA_LIST_ELEM, [&](NetlinkAttributes element) {
      // 4 bytes of address, 3 of VNI and 1 of padding.
      std::string_view key = element.nested(NFTA_SET_ELEM_KEY).find(NFTA_DATA_VALUE);
      if (key.size() < 7) return;
      uint64_t value = 0;
      for (unsigned char byte : key.substr(0, 7)) value = value << 8 | byte;
      out.insert({Ipv4{static_cast<uint32_t>(value >> 24)}, static_cast<uint32_t>(value & 0xFFFFFF)});
    });
  }
  return out;
}

Result<std::vector<CountedRule>> counted_rules() {
  std::vector<CountedRule> out;
  for (uint8_t family : {NFPROTO_INET, NFPROTO_BRIDGE}) TRY(read_rules(family, out));
  return out;
}

}  // namespace mcloud::network
