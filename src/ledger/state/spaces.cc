#include "ledger/state/spaces.h"

#include <algorithm>
#include <vector>

#include "ledger/state/devices.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

constexpr uint32_t kVniFirst = 4096;  // below: room for numbers given by hand
constexpr uint32_t kVniLast = (1u << 24) - 1;
constexpr size_t kDevicesMax = 1024;  // of a space
constexpr int kVniTries = 4096;  // numbers looked at for one grant: no block may search through millions

// Upwards from the last one, so that a freed number rests long before another network gets it. nullopt when the
// next kVniTries are all taken; whoever asks again goes on behind them.
std::optional<uint32_t> take_vni(StateWriter& state, const ContractId& contract) {
  uint64_t number = load_number(state, keys::next_vni()).value_or(kVniFirst);
  std::optional<uint32_t> found;
  for (int tries = 0; tries < kVniTries && !found; ++tries) {
    auto candidate = static_cast<uint32_t>(number);
    if (!exists(state, keys::vni(candidate))) found = candidate;
    number = number >= kVniLast ? kVniFirst : number + 1;
  }
  store_number(state, keys::next_vni(), number);
  if (found) state.put(keys::vni(*found), contract.bytes());
  return found;
}

}  // namespace

AddressBook::AddressBook(StateWriter& state, const pb::Contract& contract)
    : state_(state), contract_(contract_id_of(contract.id())) {
  for (const pb::SpaceGrant& grant : contract.spaces()) {
    Space& space = spaces_[grant.name()];
    space.vni = grant.vni();
    space.range = grant.range();
    for (const pb::SpaceLease& lease : grant.leases()) {
      uint32_t address = parse_ipv4(lease.address()).value_or(0);
      space.leases[{lease.workload(), lease.index()}] = address;
      space.taken.insert(address);
    }
    for (const pb::Device& device : grant.devices()) {
      space.taken.insert(parse_ipv4(device.address()).value_or(0));
      space.devices[device.name()] = device;
    }
  }
}

void AddressBook::grant(const pb::ContractHeader& header) {
  for (const pb::AddressSpace& wanted : header.spaces()) {
    if (spaces_.contains(wanted.name())) continue;
    std::optional<uint32_t> vni = take_vni(state_, contract_);
    if (!vni) continue;  // reserve() says so
    Space& space = spaces_[wanted.name()];
    space.vni = *vni;
    space.range = wanted.range();
  }
}

bool AddressBook::drop(const pb::ContractHeader* header) {
  bool dropped = false;
  for (auto at = spaces_.begin(); at != spaces_.end();) {
    if (header != nullptr && find_space(*header, at->first) != nullptr) {
      ++at;
      continue;
    }
    state_.erase(keys::vni(at->second.vni));
    at = spaces_.erase(at);
    dropped = true;
  }
  return dropped;
}

Result<uint32_t> AddressBook::take_address(const std::string& name, Space& space) {
  const Ipv4Range range = parse_ipv4_range(space.range).value_or(Ipv4Range());
  space.next = std::max(space.next, range.first_lease());
  while (space.taken.contains(space.next)) ++space.next;
  if (space.next > range.last_lease()) {
    return make_error(Code::Exhausted, "network " + name + ": range " + space.range + " has no free address, " +
                                           std::to_string(space.taken.size()) + " are given away");
  }
  space.taken.insert(space.next);
  return space.next;
}

void AddressBook::give_back(Space& space, uint32_t address) {
  space.taken.erase(address);
  space.next = std::min(space.next, address);
}

Status AddressBook::add_lease(const std::string& name, Space& space, const Who& who) {
  if (!space.leases.contains(who)) space.leases[who] = TRY(take_address(name, space));
  return {};
}

void AddressBook::remove_lease(Space& space, const Who& who) {
  auto found = space.leases.find(who);
  if (found == space.leases.end()) return;
  give_back(space, found->second);
  space.leases.erase(found);
}

Status AddressBook::reserve(const pb::Facets& facets, uint32_t index) {
  for (const std::string& name : facets.spaces()) {
    auto space = spaces_.find(name);
    if (space == spaces_.end()) return make_error(Code::Exhausted, "network " + name + ": no network number is free");
    TRY(add_lease(name, space->second, {facets.name(), index}));
  }
  return {};
}

void AddressBook::lease(const pb::Facets& facets, pb::Replica& replica) {
  const Who who{facets.name(), replica.index()};
  replica.clear_addresses();
  for (auto& [name, space] : spaces_) {
    bool wanted = std::find(facets.spaces().begin(), facets.spaces().end(), name) != facets.spaces().end();
    if (!wanted) {
      remove_lease(space, who);
      continue;
    }
    pb::LeasedAddress* address = replica.add_addresses();
    address->set_space(name);
    address->set_address(format_ipv4(space.leases.at(who)));
  }
}

void AddressBook::release(const std::string& workload, uint32_t index) {
  for (auto& [name, space] : spaces_) remove_lease(space, {workload, index});
}

const pb::Device* AddressBook::find_device(const std::string& space, const std::string& device) const {
  auto found = spaces_.find(space);
  if (found == spaces_.end()) return nullptr;
  auto at = found->second.devices.find(device);
  return at == found->second.devices.end() ? nullptr : &at->second;
}

Status AddressBook::join(const std::string& name, pb::Device device) {
  auto found = spaces_.find(name);
  if (found == spaces_.end()) return make_error(Code::NotFound, "it has no network number yet");
  Space& space = found->second;
  if (space.devices.contains(device.name())) {
    return make_error(Code::AlreadyExists, "it has a device named " + device.name() + " already");
  }
  for (const auto& [other, there] : space.devices) {
    if (there.key() == device.key()) return make_error(Code::AlreadyExists, "device " + other + " has this key already");
  }
  if (space.devices.size() >= kDevicesMax) {
    return make_error(Code::Exhausted, "it has " + std::to_string(kDevicesMax) + " devices, which is the most it may have");
  }
  device.set_address(format_ipv4(TRY(take_address(name, space))));
  space.devices[device.name()] = std::move(device);
  return {};
}

void AddressBook::leave(const std::string& space, const std::string& device) {
  auto found = spaces_.find(space);
  if (found == spaces_.end()) return;
  auto at = found->second.devices.find(device);
  if (at == found->second.devices.end()) return;
  give_back(found->second, parse_ipv4(at->second.address()).value_or(0));
  found->second.devices.erase(at);
}

bool AddressBook::expel(const pb::ContractHeader& header) {
  std::vector<std::pair<std::string, std::string>> leaving;
  for (const auto& [name, space] : spaces_) {
    const pb::AddressSpace* wanted = find_space(header, name);
    for (const auto& [device, record] : space.devices) {
      if (wanted == nullptr || !may_join(header, *wanted, record.owner())) leaving.emplace_back(name, device);
    }
  }
  for (const auto& [space, device] : leaving) leave(space, device);
  return !leaving.empty();
}

void AddressBook::write(pb::Contract& contract) const {
  contract.clear_spaces();
  for (const auto& [name, space] : spaces_) {
    pb::SpaceGrant* grant = contract.add_spaces();
    grant->set_name(name);
    grant->set_vni(space.vni);
    grant->set_range(space.range);
    for (const auto& [who, address] : space.leases) {
      pb::SpaceLease* lease = grant->add_leases();
      lease->set_workload(who.first);
      lease->set_index(who.second);
      lease->set_address(format_ipv4(address));
    }
    for (const auto& [device, record] : space.devices) *grant->add_devices() = record;
  }
}

}  // namespace mcloud::ledger
