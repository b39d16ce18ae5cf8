#include "network/rules_text.h"

#include "network/nft.h"

namespace mcloud::network {
namespace {

// FNV-1a: notices a change, nobody attacks it.
std::string revision_of(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  Bytes bytes;
  append_u64_be(bytes, hash);
  return "revision_" + to_hex(bytes);
}

constexpr const char* kUnsettled = "revision_unsettled";

std::string text_of(const std::string& owner, const std::string& revision, const std::string& inet_chains,
                    const std::string& other_tables) {
  return std::string("table inet ") + kTable + " {\n  comment \"" + owner + "\"\n  chain " + revision + " { }\n" + inet_chains +
         "}\n" + other_tables;
}

// New connections go to the targets in turn.
template <typename Text>
std::string in_turn(const std::vector<Publication::Target>& targets, Text address) {
  std::string map;
  for (size_t i = 0; i < targets.size(); ++i) {
    map += (i == 0 ? "" : ", ") + std::to_string(i) + " : " + address(targets[i]) + " . " +
           std::to_string(targets[i].port);
  }
  return "numgen inc mod " + std::to_string(targets.size()) + " map { " + map + " }";
}

}  // namespace

Rules finish_rules(const std::string& owner, const std::string& inet_chains, const std::string& other_tables) {
  Rules rules;
  rules.removal = nft_remove_table("inet", kTable);
  rules.revision = revision_of(owner + inet_chains + other_tables);
  rules.text = text_of(owner, rules.revision, inet_chains, other_tables);
  return rules;
}

Rules finish_leading_rules(const std::string& owner, const std::string& inet_chains, const std::string& other_tables,
                           std::set<Led> led) {
  Rules rules = finish_rules(owner, inet_chains, other_tables);
  rules.text = text_of(owner, kUnsettled, inet_chains, other_tables);
  std::string chain = std::string(" chain inet ") + kTable + " ";
  rules.settlement = {std::move(led), "add" + chain + rules.revision + "\ndelete" + chain + kUnsettled + "\n"};
  return rules;
}

void lead(const std::string& protocol, uint16_t port, const std::vector<Publication::Target>& targets, const std::string& range6,
          std::set<Led>& led) {
  if (protocol != "udp") return;
  for (const Publication::Target& target : targets) {
    led.insert({port, target.address.text(), target.port});
    if (!range6.empty()) led.insert({port, address6_of(range6, target.address), target.port});
  }
}

std::string addresses_text(const std::vector<Ipv4>& addresses) {
  return "{ " + join(addresses, [](Ipv4 address) { return address.text(); }) + " }";
}

std::string addresses6_text(const std::vector<Ipv4>& addresses, const std::string& range6) {
  return "{ " + join(addresses, [&](Ipv4 address) { return address6_of(range6, address); }) + " }";
}

std::string set_of(const std::string& name, const std::string& type, const std::string& elements) {
  return "  " + name + " {\n    " + type + "\n" + (elements.empty() ? "" : "    elements = { " + elements + " }\n") +
         "  }\n";
}

std::string owner_comment(const ContractId& contract) { return "comment \"" + contract.hex() + "\""; }

std::string destination(const std::vector<Publication::Target>& targets) {
  auto address = [](const Publication::Target& target) { return target.address.text(); };
  if (targets.size() == 1) return address(targets[0]) + ":" + std::to_string(targets[0].port);
  return in_turn(targets, address);
}

std::string destination6(const std::vector<Publication::Target>& targets, const std::string& range6) {
  auto address = [&](const Publication::Target& target) { return address6_of(range6, target.address); };
  if (targets.size() == 1) return "[" + address(targets[0]) + "]:" + std::to_string(targets[0].port);
  return in_turn(targets, address);
}

std::string untracked_chains(uint16_t port, const std::string& arriving, const std::string& leaving) {
  auto chain = [&](const std::string& hook, const std::string& condition) {
    return "  chain untracked_" + hook + " {\n    type filter hook " + hook + " priority raw; policy accept;\n    " +
           condition + "udp dport " + std::to_string(port) + " notrack\n  }\n";
  };
  return chain("prerouting", arriving) + chain("output", leaving);
}

std::string clamp_chain(const std::string& condition) {
  return "  chain segments {\n    type filter hook forward priority mangle; policy accept;\n    " + condition +
         "tcp flags syn tcp option maxseg size set rt mtu\n  }\n";
}

}  // namespace mcloud::network
