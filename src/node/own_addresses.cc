#include "node/own_addresses.h"

#include <algorithm>

#include "base/log.h"
#include "io/file.h"
#include "mcloud/node.pb.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

using network::LinkAddress;

constexpr size_t kFileBytesMax = 64 << 10;

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

// Of the mesh, of links into networks, of the resolver.
bool is_given_by_us(const std::string& address) {
  return address.starts_with("198.18.") || address.starts_with("198.19.") || address.starts_with("fd6d:6300:7472:");
}

const LinkAddress* find(const std::vector<LinkAddress>& have, const std::string& address) {
  auto found = std::find_if(have.begin(), have.end(), [&](const auto& one) { return one.address == address; });
  return found == have.end() ? nullptr : &*found;
}

}  // namespace

OwnAddresses::OwnAddresses(const pb::NodeAddresses& configured, const std::string& uplink_interface, Read read,
                           std::string file)
    : configured_(configured), read_(std::move(read)), file_(std::move(file)) {
  auto add = [&](const std::string& address, const std::string& interface) {
    bool is_known = std::any_of(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.configured == address; });
    if (!address.empty() && !is_known) seats_.push_back({address, address, interface});
  };
  add(configured.uplink(), uplink_interface);
  add(configured.backplane(), "");
  for (const std::string& endpoint : configured.endpoints()) add(endpoint, "");
  recall();
}

// What was configured otherwise since is not what it was.
void OwnAddresses::recall() {
  if (file_.empty() || !io::exists(file_)) return;
  auto bytes = io::read_file(file_, kFileBytesMax);
  auto kept = bytes.has_value() ? wire::decode<pb::LocalAddresses>(*bytes, file_, kFileBytesMax) : bytes.error();
  if (!kept.has_value()) {
    log::warning("node", "what this node's addresses were is not known", {{"reason", kept.error().message}});
    return;
  }
  kept_ = *bytes;
  for (Seat& seat : seats_) {
    for (const pb::LocalSeat& old : kept->seats()) {
      bool is_elsewhere = !seat.interface.empty() && seat.interface != old.interface();
      if (old.configured() != seat.configured || old.current().empty() || is_elsewhere) continue;
      seat.current = old.current();
      seat.interface = old.interface();
    }
  }
  for (const pb::LocalSeen& old : kept->seen()) seen_.push_back({old.interface(), old.address()});
}

// It is whole or the one before: an agent that is killed here begins from either.
void OwnAddresses::remember(const std::vector<LinkAddress>& have) {
  seen_.clear();
  for (const LinkAddress& one : have) {
    bool is_on = std::any_of(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.interface == one.interface; });
    if (is_on && !is_given_by_us(one.address)) seen_.push_back(one);
  }
  if (file_.empty()) return;
  pb::LocalAddresses kept;
  for (const Seat& seat : seats_) {
    pb::LocalSeat& added = *kept.add_seats();
    added.set_configured(seat.configured);
    added.set_current(seat.current);
    added.set_interface(seat.interface);
  }
  for (const LinkAddress& one : seen_) {
    pb::LocalSeen& added = *kept.add_seen();
    added.set_interface(one.interface);
    added.set_address(one.address);
  }
  Bytes bytes = wire::encode(kept);
  if (bytes == kept_) return;
  Status written = io::write_file(file_, bytes, io::Durability::Fsync, 0600);
  log_trouble(troubles_.note("write", written), {"this node's addresses cannot be kept", "this node's addresses are kept again"}, written);
  if (written.has_value()) kept_ = std::move(bytes);
}

const LinkAddress* OwnAddresses::next_of(const Seat& seat, const std::vector<LinkAddress>& have,
                                         const std::vector<std::string>& taken) const {
  const LinkAddress* first = nullptr;
  for (const LinkAddress& one : have) {
    if (one.interface != seat.interface || is_v6(one.address) != is_v6(seat.configured)) continue;
    if (is_given_by_us(one.address) || std::find(taken.begin(), taken.end(), one.address) != taken.end()) continue;
    if (std::find(seen_.begin(), seen_.end(), one) == seen_.end()) return &one;
    if (first == nullptr) first = &one;
  }
  return first;
}

// First those that are where they were: what they have is not free for the others.
void OwnAddresses::follow(const std::vector<LinkAddress>& have) {
  std::vector<std::string> taken;
  std::vector<Seat*> lost;
  for (Seat& seat : seats_) {
    const LinkAddress* at = find(have, seat.configured);
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
    const LinkAddress* next = next_of(*seat, have, taken);
    if (next == nullptr) continue;
    log::info("node", "an address of this node is another now", {{"was", seat->current}, {"is", next->address}});
    seat->current = next->address;
    taken.push_back(next->address);
  }
}

pb::NodeAddresses OwnAddresses::look() {
  auto have = read_();
  {
    std::lock_guard lock(mutex_);
    Status read = have.has_value() ? Status() : Status(have.error());
    log_trouble(troubles_.note("read", read), {"this node's addresses cannot be read", "this node's addresses are read again"}, read);
    if (have.has_value()) {
      follow(*have);
      remember(*have);
    }
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
