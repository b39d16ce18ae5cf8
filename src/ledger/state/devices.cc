#include <algorithm>

#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/devices.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"
#include "ledger/state/spaces.h"

namespace mcloud::ledger {
namespace {

constexpr size_t kKeySize = 32;

Result<pb::Contract> load_active(const std::string& id, const StateReader& state) {
  std::optional<pb::Contract> contract = load_contract(state, id);
  if (!contract) return make_error(Code::NotFound, "there is no contract " + to_hex(BytesView(id).substr(0, 4)));
  if (contract->current().state() == pb::CONTRACT_ACTIVE) return *std::move(contract);
  return make_error(Code::Conflict, "contract " + contract->name() + " is not active: it has no networks");
}

Status check_device(const pb::JoinNetwork& action) {
  TRY(check_name("device name", action.name()));
  if (action.key().size() == kKeySize && action.key() != Bytes(kKeySize, '\0')) return {};
  return make_error(Code::Invalid, "device key: 32 bytes, not all zero");
}

}  // namespace

const pb::AddressSpace* find_space(const pb::ContractHeader& header, const std::string& name) {
  auto at = std::find_if(header.spaces().begin(), header.spaces().end(),
                         [&](const pb::AddressSpace& space) { return space.name() == name; });
  return at == header.spaces().end() ? nullptr : &*at;
}

bool may_join(const pb::ContractHeader& header, const pb::AddressSpace& space, BytesView identity) {
  if (!space.devices()) return false;
  return identity == header.owner() || std::find(space.members().begin(), space.members().end(), identity) != space.members().end();
}

Status join_network(const Call& call, const pb::JoinNetwork& action, StateWriter& state) {
  TRY(check_device(action));
  pb::Contract contract = TRY(load_active(action.contract(), state));
  const pb::ContractHeader header = parse_header(contract.current().header());
  const std::string where = "network " + contract.name() + "/" + action.space();
  const pb::AddressSpace* space = find_space(header, action.space());
  if (space == nullptr) return make_error(Code::NotFound, "there is no " + where);
  if (!space->devices()) return make_error(Code::Denied, where + " has no access for devices");
  if (!may_join(header, *space, call.sender.view())) {
    return make_error(Code::Denied, where + ": you are neither its owner nor one of its members");
  }
  pb::Device device;
  device.set_name(action.name());
  device.set_key(action.key());
  device.set_owner(call.sender.bytes());
  device.set_since_ms(call.time_ms);
  AddressBook addresses(state, contract);
  TRY(addresses.join(action.space(), std::move(device)).with_context(where));
  addresses.write(contract);
  const ContractId id = contract_id_of(contract.id());
  store(state, keys::contract(id), contract);
  agenda::mark_revised(state, id);
  return {};
}

Status leave_network(const Call& call, const pb::LeaveNetwork& action, StateWriter& state) {
  pb::Contract contract = TRY(load_active(action.contract(), state));
  AddressBook addresses(state, contract);
  const std::string where = "network " + contract.name() + "/" + action.space();
  const pb::Device* device = addresses.find_device(action.space(), action.name());
  const bool is_owner = contract.owner() == call.sender.view();
  if (device == nullptr) return make_error(Code::NotFound, where + " has no device named " + action.name());
  if (!is_owner && device->owner() != call.sender.view()) {
    return make_error(Code::Denied, where + ": device " + action.name() + " is somebody else's");
  }
  addresses.leave(action.space(), action.name());
  addresses.write(contract);
  const ContractId id = contract_id_of(contract.id());
  store(state, keys::contract(id), contract);
  agenda::mark_revised(state, id);
  return {};
}

}  // namespace mcloud::ledger
