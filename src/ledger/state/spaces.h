// Network numbers and replica addresses of a contract: granted once, stable until the network or the
// replica ends, wherever the replica runs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/ids.h"
#include "ledger/state/addresses.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

// The grants of one contract, read from its record and written back when the work on it is done.
class AddressBook {
 public:
  AddressBook(StateWriter& state, const pb::Contract& contract);

  // Grants each space of the header that has no grant yet: a network number nobody else has, its range. Without a
  // free number it stays without a grant, and reserve() refuses.
  void grant(const pb::ContractHeader& header);
  // Takes back the grants of spaces that `header` does not name; all of them for nullptr. Were there any?
  bool drop(const pb::ContractHeader* header);

  // Sets an address aside in each of `facets`' spaces, where the replica has none yet. Exhausted names the
  // space that has none left. The replica's record does not change: an old version may go on with its own.
  Status reserve(const pb::Facets& facets, uint32_t index);
  // What was reserved is the replica's now; those in other spaces are taken back.
  void lease(const pb::Facets& facets, pb::Replica& replica);
  void release(const std::string& workload, uint32_t index);

  // People's devices: each has an address in its space until it leaves or the space ends.
  // Leases an address. NotFound when the space is not granted, AlreadyExists for a name or key that is there, Exhausted
  // when nothing is free.
  Status join(const std::string& space, pb::Device device);
  void leave(const std::string& space, const std::string& device);
  const pb::Device* find_device(const std::string& space, const std::string& device) const;
  // Those that `header` does not allow any more leave. Were there any?
  bool expel(const pb::ContractHeader& header);

  void write(pb::Contract& contract) const;

 private:
  using Who = std::pair<std::string, uint32_t>;  // workload, index
  struct Space {
    uint32_t vni = 0;
    std::string range;
    std::map<Who, uint32_t> leases;
    std::map<std::string, pb::Device> devices;  // by name
    std::set<uint32_t> taken;  // of `leases` and `devices`
    uint32_t next = 0;         // nothing below is free
  };
  static Result<uint32_t> take_address(const std::string& name, Space& space);
  static void give_back(Space& space, uint32_t address);
  static Status add_lease(const std::string& name, Space& space, const Who& who);
  static void remove_lease(Space& space, const Who& who);

  StateWriter& state_;
  const ContractId contract_;
  std::map<std::string, Space> spaces_;
};

}  // namespace mcloud::ledger
