#include "node/own_addresses.h"

#include <algorithm>

#include "base/log.h"

namespace mcloud::node {
namespace {

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

const network::LinkAddress* find(const std::vector<network::LinkAddress>& have, const std::string& address) {
  auto found = std::find_if(have.begin(), have.end(), [&](const auto& one) { return one.address == address; });
  return found == have.end() ? nullptr : &*found;
}

}  // namespace

OwnAddresses::OwnAddresses(const pb::NodeAddresses& configured, const std::string& uplink_interface, Read read)
    : configured_(configured), read_(std::move(read)) {
  auto add = [&](const std::string& address, const std::string& interface) {
    bool is_known = std::any_of(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.configured == address; });
    if (!address.empty() && !is_known) seats_.push_back({address, address, interface});
  };
  add(configured.uplink(), uplink_interface);
  add(configured.backplane(), "");
  for (const std::string& endpoint : configured.endpoints()) add(endpoint, "");
}

// First those that are where they were: what they have is not free for the others.
void OwnAddresses::follow(std::vector<Seat>& seats, const std::vector<network::LinkAddress>& have) {
  std::vector<std::string> taken;
  std::vector<Seat*> lost;
  for (Seat& seat : seats) {
    const network::LinkAddress* at = find(have, seat.configured);
    if (at == nullptr) at = find(have, seat.current);
    if (at == nullptr) {
      lost.push_back(&seat);
      continue;
    }
    seat.current = at->address;
    seat.interface = at->interface;
    taken.push_back(at->address);
  }
  for (Seat* seat : lost) {
    auto next = std::find_if(have.begin(), have.end(), [&](const network::LinkAddress& one) {
      return one.interface == seat->interface && is_v6(one.address) == is_v6(seat->configured) &&
             std::find(taken.begin(), taken.end(), one.address) == taken.end();
    });
    if (next == have.end()) continue;
    log::info("node", "an address of this node is another now", {{"was", seat->current}, {"is", next->address}});
    seat->current = next->address;
    taken.push_back(next->address);
  }
}

pb::NodeAddresses OwnAddresses::look() {
  auto have = read_();
  if (have.has_value()) {
    std::lock_guard lock(mutex_);
    follow(seats_, *have);
  } else {
    log::warning("node", "this node's addresses cannot be read", {{"reason", have.error().message}});
  }
  return now();
}

pb::NodeAddresses OwnAddresses::now() const {
  std::lock_guard lock(mutex_);
  auto current = [&](const std::string& address) {
    auto seat = std::find_if(seats_.begin(), seats_.end(), [&](const Seat& one) { return one.configured == address; });
    return seat == seats_.end() ? address : seat->current;
  };
  pb::NodeAddresses now = configured_;
  now.set_uplink(current(configured_.uplink()));
  now.set_backplane(current(configured_.backplane()));
  for (std::string& endpoint : *now.mutable_endpoints()) endpoint = current(endpoint);
  return now;
}

pb::NodeAddresses moved_addresses(const pb::NodeAddresses& recorded, const pb::NodeAddresses& now) {
  pb::NodeAddresses moved = recorded;
  moved.set_backplane(now.backplane());
  moved.set_uplink(now.uplink());
  *moved.mutable_endpoints() = now.endpoints();
  return moved;
}

}  // namespace mcloud::node
