// How packets of a network get from one node to another, as both nodes work it out from the ledger
// (docs/design/network.md 1). Pure.
#pragma once

#include <string>

#include "bot/network_facts.h"

namespace mcloud::bot {

enum class Way {
  SameNode,
  Backplane,  // both on their farm's
  Endpoint,   // the first calls the second's public address
  Called,     // the first takes no calls back: the second, which can be called, is called by it, and answers there
  Relay,      // both are hidden: they meet at a relay
  None,       // `problem` says why
};

struct NodePath {
  Way way = Way::None;
  std::string from, to;       // names of the nodes
  std::string text;           // "backplane 10.251.0.1 to 10.251.0.2"
  std::string relay;          // name of the node
  std::string problem;        // what is in the way; "" = it should work
  bool is_encrypted = false;  // between the nodes
  bool is_preshared = false;  // and safe against quantum computers that keep what they heard

  bool works() const { return problem.empty(); }
};

NodePath path_between(const NetworkFacts& facts, const pb::Node& from, const pb::Node& to, std::string_view network);

// Where strangers reach the node: its first endpoint, else its uplink; "" = nowhere.
std::string public_address(const pb::Node& node);
// "192.0.2.1:51900", "[2001:db8::1]:51900".
std::string with_port(const std::string& address, uint32_t port);

std::string_view way_name(Way way);  // "backplane": stable words, also in JSON

}  // namespace mcloud::bot
