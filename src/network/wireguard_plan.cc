#include <algorithm>
#include <utility>

#include "network/planted.h"
#include "network/wireguard.h"

namespace mcloud::network {
namespace {

using Place = std::pair<std::string, std::string>;  // netns, name

Place place_of(const WireGuardDevice& device) { return {device.netns, device.name}; }

std::map<WireGuardKey, const WireGuardPeer*> by_key(const WireGuardDevice& device) {
  std::map<WireGuardKey, const WireGuardPeer*> out;
  for (const WireGuardPeer& peer : device.peers) out.try_emplace(peer.key, &peer);
  return out;
}

std::map<std::string, WireGuardKey> owners_of(const WireGuardDevice& device) {
  std::map<std::string, WireGuardKey> out;
  for (const WireGuardPeer& peer : device.peers) {
    for (const std::string& range : peer.allowed) out.try_emplace(range, peer.key);
  }
  return out;
}

bool is_same_shape(const WireGuardDevice& a, const WireGuardDevice& b) {
  return a.secret == b.secret && a.port == b.port && a.addresses == b.addresses && a.mtu == b.mtu && a.table == b.table;
}

// The steps of one device: what is new, where it leads, what goes.
class DevicePlan {
 public:
  DevicePlan(const WireGuardDevice& desired, const WireGuardDevice* before, const ActualDevice* actual)
      : desired_(desired), before_(before), actual_(actual) {}

  void add(std::vector<WireGuardStep>& steps) const {
    if (actual_ == nullptr) {
      WireGuardDevice bare = desired_;
      bare.peers.clear();
      steps.emplace_back(CreateDevice{std::move(bare)});
    } else if (!is_same_shape(desired_, actual_->device)) {
      WireGuardDevice bare = desired_;
      bare.peers.clear();
      steps.emplace_back(SetDevice{std::move(bare)});
    }
    std::vector<WireGuardKey> left = peers_that_leave();
    std::vector<WireGuardPeer> peers = changed_peers(left);
    if (!left.empty()) steps.emplace_back(RemovePeers{desired_.name, desired_.netns, std::move(left)});
    if (!peers.empty()) steps.emplace_back(SetPeers{desired_.name, desired_.netns, std::move(peers)});
  }

  void route(std::vector<WireGuardStep>& steps) const {
    std::vector<DeviceRoute> missing;
    for (const DeviceRoute& route : routes_of(desired_)) {
      if (actual_ == nullptr || !actual_->routes.contains(route)) missing.push_back(route);
    }
    if (!missing.empty()) steps.emplace_back(SetRoutes{desired_.name, desired_.netns, std::move(missing)});
  }

  void remove(std::vector<WireGuardStep>& steps) const {
    if (actual_ == nullptr) return;
    std::set<DeviceRoute> wanted = routes_of(desired_);
    std::vector<DeviceRoute> stray;
    for (const DeviceRoute& route : actual_->routes) {
      if (!wanted.contains(route)) stray.push_back(route);
    }
    if (!stray.empty()) steps.emplace_back(RemoveRoutes{desired_.name, desired_.netns, std::move(stray)});
    auto peers = by_key(desired_);
    std::vector<WireGuardKey> gone;
    std::vector<std::string> dropped;
    auto owners = owners_of(desired_);
    for (const WireGuardPeer& peer : actual_->device.peers) {
      if (!peers.contains(peer.key)) {
        if (!planted::kRevokedStay) gone.push_back(peer.key);
        continue;
      }
      for (const std::string& range : peer.allowed) {
        if (!owners.contains(range)) dropped.push_back(range);
      }
    }
    if (!dropped.empty()) steps.emplace_back(DropRanges{desired_.name, desired_.netns, std::move(dropped)});
    if (!gone.empty()) steps.emplace_back(RemovePeers{desired_.name, desired_.netns, std::move(gone)});
  }

 private:
  // Now, not before: what calls again later keeps its session. Who restarts does not know.
  std::vector<WireGuardKey> peers_that_leave() const {
    std::vector<WireGuardKey> out;
    if (actual_ == nullptr || before_ == nullptr) return out;
    auto there = by_key(actual_->device);
    auto wished = by_key(*before_);
    for (const WireGuardPeer& peer : desired_.peers) {
      auto last = wished.find(peer.key);
      bool leaves = peer.has_left && last != wished.end() && !last->second->has_left;
      if (leaves && there.contains(peer.key)) out.push_back(peer.key);
    }
    return out;
  }

  // Those of `left` are to be made anew.
  std::vector<WireGuardPeer> changed_peers(const std::vector<WireGuardKey>& left) const {
    std::map<WireGuardKey, const WireGuardPeer*> there;
    std::map<WireGuardKey, const WireGuardPeer*> wished;
    std::map<std::string, WireGuardKey> owners;
    if (actual_ != nullptr) {
      there = by_key(actual_->device);
      for (const WireGuardKey& key : left) there.erase(key);
      owners = owners_of(actual_->device);
      // The wish before is of no account for a device made anew.
      if (before_ != nullptr) wished = by_key(*before_);
    }
    std::vector<WireGuardPeer> out;
    for (const WireGuardPeer& peer : desired_.peers) {
      auto found = there.find(peer.key);
      if (found == there.end()) {
        out.push_back(peer);
        continue;
      }
      WireGuardPeer change = peer;
      auto last = wished.find(peer.key);
      bool is_wished = last != wished.end() && last->second->endpoint == peer.endpoint;
      if (is_wished || found->second->endpoint == peer.endpoint) change.endpoint.clear();
      bool has_ranges = std::all_of(peer.allowed.begin(), peer.allowed.end(), [&](const std::string& range) {
        auto owner = owners.find(range);
        return owner != owners.end() && owner->second == peer.key;
      });
      bool is_same = has_ranges && change.endpoint.empty() && found->second->preshared == peer.preshared &&
                     found->second->keepalive_s == peer.keepalive_s;
      if (!is_same) out.push_back(std::move(change));
    }
    return out;
  }

  const WireGuardDevice& desired_;
  const WireGuardDevice* before_;
  const ActualDevice* actual_;
};

struct DescribeWireGuard {
  static std::string device(const std::string& name, const std::string& netns) {
    return "WireGuard device " + name + (netns.empty() ? "" : " in " + netns);
  }
  static std::string count(size_t number, const char* what) { return std::to_string(number) + what; }
  std::string operator()(const CreateDevice& step) const { return "create " + device(step.device.name, step.device.netns); }
  std::string operator()(const RemoveDevice& step) const { return "remove " + device(step.name, step.netns); }
  std::string operator()(const SetDevice& step) const { return "set " + device(step.device.name, step.device.netns); }
  std::string operator()(const DropRanges& step) const {
    return "take " + count(step.ranges.size(), " ranges from the peers of ") + device(step.name, step.netns);
  }
  std::string operator()(const SetPeers& step) const {
    return "set " + count(step.peers.size(), " peers of ") + device(step.name, step.netns);
  }
  std::string operator()(const RemovePeers& step) const {
    return "remove " + count(step.keys.size(), " peers of ") + device(step.name, step.netns);
  }
  std::string operator()(const SetRoutes& step) const {
    return "lead " + count(step.routes.size(), " ranges into ") + device(step.name, step.netns);
  }
  std::string operator()(const RemoveRoutes& step) const {
    return "lead " + count(step.routes.size(), " ranges no more into ") + device(step.name, step.netns);
  }
};

}  // namespace

std::set<DeviceRoute> routes_of(const WireGuardDevice& device) {
  std::set<DeviceRoute> out;
  for (const WireGuardPeer& peer : device.peers) {
    for (const std::string& range : peer.allowed) {
      if (peer.is_routed) out.insert({range, 0});
      if (device.table != 0) out.insert({range, device.table});
    }
  }
  return out;
}

std::vector<WireGuardStep> wireguard_steps(const std::vector<WireGuardDevice>& desired,
                                           const std::vector<WireGuardDevice>& before,
                                           const std::vector<ActualDevice>& actual) {
  std::map<Place, const ActualDevice*> there;
  std::map<Place, const WireGuardDevice*> wished;
  for (const ActualDevice& one : actual) there.try_emplace(place_of(one.device), &one);
  for (const WireGuardDevice& one : before) wished.try_emplace(place_of(one), &one);
  std::set<Place> wanted;
  std::set<uint16_t> ports;
  std::vector<DevicePlan> plans;
  for (const WireGuardDevice& one : desired) {
    if (!wanted.insert(place_of(one)).second) continue;
    ports.insert(one.port);
    auto found = there.find(place_of(one));
    auto last = wished.find(place_of(one));
    plans.emplace_back(one, last == wished.end() ? nullptr : last->second,
                       found == there.end() ? nullptr : found->second);
  }
  std::vector<WireGuardStep> steps;
  std::vector<WireGuardStep> last_steps;
  for (const ActualDevice& one : actual) {
    if (wanted.contains(place_of(one.device))) continue;
    // Its port is free only when it is gone; otherwise it may carry packets until the others are there.
    auto& when = ports.contains(one.device.port) ? steps : last_steps;
    when.emplace_back(RemoveDevice{one.device.name, one.device.netns});
  }
  // One device after the other in the order of the wish: what comes later may call through what came before.
  for (const DevicePlan& one : plans) {
    one.add(steps);
    one.route(steps);
  }
  for (const DevicePlan& one : plans) one.remove(steps);
  steps.insert(steps.end(), last_steps.begin(), last_steps.end());
  return steps;
}

std::string describe(const WireGuardStep& step) { return std::visit(DescribeWireGuard(), step); }

}  // namespace mcloud::network
