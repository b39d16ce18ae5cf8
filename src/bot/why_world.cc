#include "bot/why_world.h"

#include <algorithm>

#include "base/ip_prefix.h"
#include "network/address.h"

namespace mcloud::bot {
namespace {

// What nodes never let out (docs/reference/networks.md).
constexpr const char* kNowhere[] = {"198.18.0.0/15", "fc00::/7", "fe80::/10", "ff00::/8"};

// What is wrong with the address itself, "" = nothing.
std::string address_problem(const NetworkFacts& facts, const WorldWay& way) {
  auto address = IpAddress::parse(way.address);
  if (!address.has_value()) return "";
  for (const pb::SpaceGrant& grant : facts.record.spaces()) {
    auto range = IpPrefix::parse(grant.range());
    const bool is_inside = range.has_value() && range->holds(*address);
    if (is_inside) return way.address + " is of network " + grant.name() + ", not of the world: ask about the workload by its name";
  }
  for (const char* text : kNowhere) {
    if (IpPrefix::parse(text).value().holds(*address)) return "nodes let nothing out to " + std::string(text);
  }
  return "";
}

WhyStep rule_step(const NetworkFacts& facts, const WorldWay& way, const std::string& network) {
  const pb::NetworkBody* body = find_network(facts, network);
  if (body == nullptr || !body->restricted()) return {"network " + network + " has no allow list: its members may go out", true};
  const std::string& name = way.workload.name();
  for (const pb::Allow& rule : body->allow()) {
    const bool is_fitting = rule.protocol().empty() || (rule.protocol() == way.protocol && rule.port_first() <= way.port &&
                                                        way.port <= rule.port_last());
    if (is_fitting && fits_rule(rule, name, kWorld)) return {"rule \"" + rule_text(rule) + "\" allows it, checked at " + name, true};
  }
  const std::string wanted = name + " -> " + kWorld + ":" + std::to_string(way.port) + (way.protocol == "tcp" ? "" : "/" + way.protocol);
  return {"no rule of network " + network + " lets " + name + " out on " + way.protocol + " " + std::to_string(way.port) +
              ": it is dropped at " + name + "; \"" + wanted + "\" in `allow` would",
          false};
}

}  // namespace

std::vector<WhyStep> world_steps(const NetworkFacts& facts, const WorldWay& way) {
  if (way.workload.spaces().empty()) return {{way.workload.name() + " is in no network: it has no way out", false}};
  // Its default route goes through its first interface.
  const std::string& network = way.workload.spaces(0);
  std::vector<WhyStep> steps = {{way.workload.name() + " goes out by its first network, " + network, true}};
  if (std::string problem = address_problem(facts, way); !problem.empty()) {
    steps.push_back({problem, false});
    return steps;
  }
  const pb::NetworkBody* body = find_network(facts, network);
  const bool has_ipv6 = body == nullptr || body->encryption() != pb::ENCRYPTION_UNSET;
  if (way.address.find(':') != std::string::npos && !has_ipv6) steps.push_back({"network " + network + " has no IPv6", false});
  steps.push_back(rule_step(facts, way, network));
  if (way.node == nullptr) {
    steps.push_back({"it has no node", false});
  } else {
    steps.push_back({"it leaves through the uplink of " + way.node->name() + " under that node's address, unless the node's config forbids the range", true});
  }
  return steps;
}

}  // namespace mcloud::bot
