// Where this node can be reached now: what its config says, as long as an interface has it, and what the interface has
// instead when it moved: a laptop on another uplink, a public address that was changed.
#pragma once

#include <functional>
#include <mutex>  // the agent's pool looks, its loop and the networks' lane ask
#include <string>
#include <vector>

#include "mcloud/ledger.pb.h"
#include "network/links.h"

namespace mcloud::node {

// Follows each configured address to the interface on which it was last seen. One that was never seen on any (a NAT or a
// balancer has it) stays as configured, but for the uplink's, whose interface is known. An address that comes back counts
// again. While an interface has no address of that family, the last one stands.
class OwnAddresses {
 public:
  using Read = std::function<Result<std::vector<network::LinkAddress>>()>;
  // `read`: what this machine's interfaces have, from any thread.
  OwnAddresses(const pb::NodeAddresses& configured, const std::string& uplink_interface, Read read);

  // Reads and follows. From any thread; blocks some ms. What cannot be read changes nothing.
  pb::NodeAddresses look();
  // As the last look() found them; from any thread.
  pb::NodeAddresses now() const;

 private:
  struct Seat {
    std::string configured;
    std::string current;
    std::string interface;  // "" = not known
  };
  static void follow(std::vector<Seat>& seats, const std::vector<network::LinkAddress>& have);

  const pb::NodeAddresses configured_;
  const Read read_;
  mutable std::mutex mutex_;
  std::vector<Seat> seats_;  // each address once, however often it is configured
};

// The ledger's record of a node with its addresses as they are now; what it is to others stays as it has joined.
pb::NodeAddresses moved_addresses(const pb::NodeAddresses& recorded, const pb::NodeAddresses& now);

}  // namespace mcloud::node
