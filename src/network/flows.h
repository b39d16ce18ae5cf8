// Inside this room only: flows that the kernel remembers (conntrack, by nfnetlink). A rule that leads a datagram to a
// target is asked for the first one of a flow only; the rest follow it for as long as they come, also when the rule leads
// elsewhere by now, as its target is dead. So flows whose target has gone are forgotten when rules change: the next
// datagram asks the new rule. TCP connections are left alone: they end by themselves, and a target that is only to be
// drained keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "network/netlink.h"
#include "network/plan.h"

namespace mcloud::network {

// A flow of UDP whose destination was changed.
struct LedFlow {
  Led led;
  std::string original;  // its tuple and id, as the kernel wants them back
  uint32_t id = 0;
  uint8_t family = 0;
};
// Nullopt: none, or not understood. Pure.
std::optional<LedFlow> parse_led_flow(const NetlinkReply& reply);

// Whose rules lead in this namespace.
enum class Leaders {
  Ours,    // a network's or a portal's: nobody else's
  Others,  // the node's: others' too, ours to transit addresses
};
// Forgets, in the calling thread's namespace, flows that lead elsewhere than `led`.
Status forget_flows(const std::set<Led>& led, Leaders leaders);

}  // namespace mcloud::network
