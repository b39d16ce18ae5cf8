#include "contract/kinds/network.h"

#include "contract/fields/patterns.h"
#include "contract/fields/table.h"
#include "contract/kinds/allow.h"
#include "contract/kinds/service.h"

namespace mcloud::contract {
namespace {

using namespace patterns;

Field allow_field() {
  const Shape rule =
      map({required({.key = "from", .says = "Who opens the connection.", .forms = {text(kEnd)}}),
           required({.key = "to", .says = "To whom.", .forms = {text(kEnd)}}),
           {.key = "port", .says = "Which port.", .forms = {text(kPorts)}, .otherwise = "all"},
           {.key = "protocol",
            .says = "The port's protocol.",
            .forms = {word({"tcp", "udp"})},
            .otherwise = "that of the port, else tcp"}});
  return {.key = "allow",
          .says = "Who may open what; all else is refused on both ends. Without it everything is allowed.",
          .forms = {list({0, allow_bounds::kWritten}, {text(kRuleText), rule})},
          .otherwise = "everything"};
}

Field access_field() {
  return {.key = "access",
          .says = "Whether people's devices may join, and where they come in.",
          .forms = {flag(),
                    map({{.key = "port",
                          .says = "UDP port of the access points.",
                          .forms = {number({1, 65535})},
                          .otherwise = "one of 20000 to 29999 that follows from contract and network"},
                         {.key = "replicas", .says = "How many access points.", .forms = {number(service_bounds::kReplicas)}, .fallback = "1"},
                         placement_field(PlacedBy::AccessPoints)})},
          .fallback = "false"};
}

}  // namespace

KindFields network_fields() {
  return {"network",
          "A private network of this contract.",
          {{.key = "range", .says = "Its private IPv4 range.", .forms = {text(kRange)}, .fallback = "10.42.0.0/16"},
           {.key = "encryption",
            .says = "What carries it between nodes: the nodes' mesh, devices and keys of its own, or nothing.",
            .forms = {word(kEncryptionWords)},
            .fallback = "wireguard"},
           {.key = "dedicated", .says = "Short for encryption: dedicated.", .forms = {flag()}, .fallback = "false"},
           allow_field(),
           access_field(),
           {.key = "members",
            .says = "People whose devices may join, beside the owner's.",
            .forms = {list({0, network_bounds::kMembers}, {text(kWho)})},
            .fallback = "[]"},
           {.key = "bridge",
            .says = "With encryption none: the physical network that takes the place of tunnels.",
            .forms = {text(kName)},
            .otherwise = "none"}}};
}

}  // namespace mcloud::contract
