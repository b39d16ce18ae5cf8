// Inside this room only: pieces of nft's language. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "network/firewall.h"

namespace mcloud::network {

// `owner` becomes the tables' comment: "CONTRACT NAME" or "node". The revision is of all of it.
Rules finish_rules(const std::string& owner, const std::string& inet_chains, const std::string& other_tables);
// The same of rules that lead datagrams: there is a settlement.
Rules finish_leading_rules(const std::string& owner, const std::string& inet_chains, const std::string& other_tables,
                           std::set<Led> led);

template <typename Items, typename Text>
std::string join(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

// "{ a, b }" of addresses; the IPv6 ones of members.
std::string addresses_text(const std::vector<Ipv4>& addresses);
std::string addresses6_text(const std::vector<Ipv4>& addresses, const std::string& range6);

std::string set_of(const std::string& name, const std::string& type, const std::string& elements);

// "CONTRACT" as a comment of rules and elements.
std::string owner_comment(const ContractId& contract);

// A destination for dnat: one target, or several in turn.
std::string destination(const std::vector<Publication::Target>& targets);
std::string destination6(const std::vector<Publication::Target>& targets, const std::string& range6);

// Notes where a rule with these destinations leads datagrams.
void lead(const std::string& protocol, uint16_t port, const std::vector<Publication::Target>& targets, const std::string& range6,
          std::set<Led>& led);

// VXLAN packets of that port are not tracked: who sends them is looked at one by one anyway. The conditions tell them from
// what members send to the same port.
std::string untracked_chains(uint16_t port, const std::string& arriving, const std::string& leaving);

// Chains of a namespace that forwards: clamps the MSS of connections both ways.
std::string clamp_chain(const std::string& condition);

}  // namespace mcloud::network
