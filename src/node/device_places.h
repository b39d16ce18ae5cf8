// Behind which of a network's access points people's devices are. Each access point decides for itself: a device is where
// it was heard last, and who hears it says so to all. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "network/address.h"

namespace mcloud::node {

class DevicePlaces {
 public:
  using Key = std::pair<uint32_t, network::Ipv4>;  // the network's number, the device's address
  struct Sight {
    uint64_t received_bytes = 0;      // from the device, authenticated, since the WireGuard device was made
    bool is_claimed = false;          // another access point has said that it is there
  };

  // An agent that begins: it was here before.
  void assume(const Key& key) { places_[key].is_here = true; }
  // True: all are to be told that it is here. Again at later looks until told() was called kTellings times: a broadcast
  // may be lost.
  bool look(const Key& key, const Sight& sight);
  void told(const Key& key);
  static constexpr int kTellings = 3;
  bool is_here(const Key& key) const;
  // Counts every change of an answer of is_here().
  uint64_t revision() const { return revision_; }
  void keep_only(const std::set<Key>& keys);

 private:
  struct Place {
    bool is_here = false, was_seen = false;
    uint64_t received_bytes = 0;
    int tellings = 0;  // still to come
  };
  std::map<Key, Place> places_;
  uint64_t revision_ = 0;
};

}  // namespace mcloud::node
