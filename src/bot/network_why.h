// Does a connection from A to B work, by which steps, and what stops it? Worked out from what the ledger says, as the
// nodes do. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bot/network_view.h"

namespace mcloud::bot {

// "team/web", "team/web-0", "team/device:laptop", "internet"; of where to also ":5432", ":5432/udp", ":sql", and what lies
// outside: "192.0.2.1:443", "[2001:db8::1]:443", "world:443".
struct ConnectionEnd {
  std::string contract;  // "" = not said
  std::string name;      // a workload's, a device's
  bool is_device = false;
  bool is_internet = false;
  bool is_world = false;
  std::string port;      // as written; "" = none
  std::string protocol = "tcp";
};
// Invalid says how it is written.
Result<ConnectionEnd> parse_from(std::string_view text);
Result<ConnectionEnd> parse_to(std::string_view text);

struct WhyStep {
  std::string text;
  bool works = true;
};
struct Why {
  std::vector<WhyStep> steps;
  bool works = true;  // all of them do
};

// Both ends are of this contract. NotFound: there is no such workload, device or port's name.
Result<Why> explain(const NetworkFacts& facts, const ConnectionEnd& from, const ConnectionEnd& to);
// Of two contracts.
Why explain_apart(const ConnectionEnd& from, const ConnectionEnd& to);

}  // namespace mcloud::bot
