// Where this node can be reached now: what its config says, as long as an interface has it, and what the interface has
// instead when it moved: a laptop on another uplink, a public address that was changed.
#pragma once

#include <functional>
#include <mutex>  // the agent's pool looks, its loop and the networks' lane ask
#include <string>
#include <vector>

#include "mcloud/ledger.pb.h"
#include "network/links.h"
#include "node/trouble_book.h"

namespace mcloud::node {

// Follows each configured address to the interface on which it was last seen, rather to an address that has come than to
// one that was there beside it. One that was never seen on any (a NAT or a balancer has it) stays as configured, but for
// the uplink's, whose interface is known. An address that comes back counts again. While an interface has no address of
// that family, the last one stands. What this node gives itself for networks (198.18.0.0/15) is none of others' concern.
//
//   DATA/network/addresses   pb::LocalAddresses: what was seen last, for an agent that starts after a change
class OwnAddresses {
 public:
  using Read = std::function<Result<std::vector<network::LinkAddress>>()>;
  // `read`: what this machine's interfaces have, from any thread. `file`: in a folder that is there; "" = none. One that
  // cannot be read or written is a warning.
  OwnAddresses(const pb::NodeAddresses& configured, const std::string& uplink_interface, Read read, std::string file = "");

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
  void follow(const std::vector<network::LinkAddress>& have);
  const network::LinkAddress* next_of(const Seat& seat, const std::vector<network::LinkAddress>& have,
                                      const std::vector<std::string>& taken) const;
  void recall();
  void remember(const std::vector<network::LinkAddress>& have);

  const pb::NodeAddresses configured_;
  const Read read_;
  const std::string file_;
  mutable std::mutex mutex_;
  std::vector<Seat> seats_;  // each address once, however often it is configured
  std::vector<network::LinkAddress> seen_;  // on the seats' interfaces, at the last look
  Bytes kept_;                              // as it is in the file
  TroubleBook troubles_;
};

// The ledger's record of a node with its addresses as they are now; what it is to others stays as it has joined.
pb::NodeAddresses moved_addresses(const pb::NodeAddresses& recorded, const pb::NodeAddresses& now);

}  // namespace mcloud::node
