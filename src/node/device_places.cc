#include "node/device_places.h"

namespace mcloud::node {

bool DevicePlaces::look(const Key& key, const Sight& sight) {
  Place& place = places_[key];
  // What was received before the first look tells nothing against somebody who claims the device.
  bool is_heard = place.was_seen ? sight.received_bytes > place.received_bytes : sight.received_bytes > 0 && !sight.is_claimed;
  place.received_bytes = sight.received_bytes;
  place.was_seen = true;
  bool is_here = is_heard || (place.is_here && !sight.is_claimed);
  if (is_heard && (!place.is_here || sight.is_claimed)) place.tellings = kTellings;
  if (!is_here) place.tellings = 0;
  if (is_here != place.is_here) ++revision_;
  place.is_here = is_here;
  return place.tellings > 0;
}

void DevicePlaces::told(const Key& key) {
  auto found = places_.find(key);
  if (found != places_.end() && found->second.tellings > 0) --found->second.tellings;
}

bool DevicePlaces::is_here(const Key& key) const {
  auto found = places_.find(key);
  return found != places_.end() && found->second.is_here;
}

void DevicePlaces::keep_only(const std::set<Key>& keys) {
  std::erase_if(places_, [&](const auto& entry) { return !keys.contains(entry.first); });
}

}  // namespace mcloud::node
