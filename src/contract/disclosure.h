// Who beside a contract's own workloads could read what it says, and who may join its networks: for plans, so that
// nobody finds out later. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "contract/diff.h"

namespace mcloud::contract {

struct Disclosure {
  std::string workload;
  std::string kind;            // "publish" at gateways, "network"
  bool gateways_read = false;  // gateways see what is said
  std::string who;             // "the gateways, which end its TLS"; "nobody in between"
  bool devices = false;        // of a network: people's devices may join
  std::vector<Bytes> members;  // whose, beside the owner's: keys
};

// Publications at gateways and networks, sorted by name.
std::vector<Disclosure> disclosures(const ContractView& view);

}  // namespace mcloud::contract
