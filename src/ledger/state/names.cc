#include "ledger/state/names.h"

#include <set>

#include "contract/header.h"
#include "ledger/state/call.h"
#include "ledger/state/planted.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kNamesPerOwnerMax = 1000;
constexpr size_t kNamesPerContractMax = 64;

std::set<std::string> names_of(const pb::ContractHeader& header) {
  std::set<std::string> names;
  for (const pb::Facets& facets : header.workloads()) names.insert(facets.names().begin(), facets.names().end());
  return names;
}

std::optional<pb::NamedRecord> load_name(const StateReader& state, const std::string& name) {
  return load<pb::NamedRecord>(state, keys::name(name));
}

uint64_t count_of(const StateReader& state, BytesView owner) {
  return load_number(state, keys::name_count(key_of(owner))).value_or(0);
}

Status check_room(const StateReader& state, BytesView owner) {
  if (count_of(state, owner) < kNamesPerOwnerMax) return {};
  return make_error(Code::Exhausted, "names: identity " + to_hex(owner.substr(0, 4)) + " owns " +
                                         std::to_string(kNamesPerOwnerMax) + ", which is the most anybody may");
}

void give(StateWriter& state, pb::NamedRecord& record, BytesView owner) {
  record.set_owner(Bytes(owner));
  state.put(keys::name_of(key_of(owner), record.name()), "");
  store_number(state, keys::name_count(key_of(owner)), count_of(state, owner) + 1);
}

void take_away(StateWriter& state, const pb::NamedRecord& record) {
  const PublicKey owner = key_of(record.owner());
  state.erase(keys::name_of(owner, record.name()));
  const uint64_t left = count_of(state, record.owner()) - 1;
  if (left == 0) {
    state.erase(keys::name_count(owner));
  } else {
    store_number(state, keys::name_count(owner), left);
  }
}

// The sender's, and nothing depends on it.
Result<pb::NamedRecord> load_free(const Call& call, const std::string& name, const StateReader& state) {
  std::optional<pb::NamedRecord> record = load_name(state, name);
  if (!record) return make_error(Code::NotFound, "nobody owns the name " + name);
  if (record->owner() != call.sender.view()) {
    return make_error(Code::Denied, "name " + name + ": only its owner may do that");
  }
  if (record->contract().empty()) return *std::move(record);
  return make_error(Code::Conflict, "name " + name + ": contract " + to_hex(BytesView(record->contract()).substr(0, 4)) +
                                        " uses it: cancel or update that first");
}

Status check_name_of(const StateReader& state, const pb::ContractHeader& header, const std::string& name) {
  TRY(check_public_name(name));
  std::optional<pb::NamedRecord> record = load_name(state, name);
  if (!record) return make_error(Code::NotFound, "name " + name + ": nobody owns it; buy it first");
  if (planted::kAnyOwner) return {};
  if (record->owner() != header.owner()) {
    return make_error(Code::Denied, "name " + name + ": the contract's owner does not own it");
  }
  if (record->contract().empty() || record->contract() == contract::contract_id(header).view()) return {};
  return make_error(Code::Conflict, "name " + name + ": contract " + to_hex(BytesView(record->contract()).substr(0, 4)) +
                                        " uses it");
}

void set_contract(StateWriter& state, const std::string& name, BytesView contract) {
  pb::NamedRecord record = *load_name(state, name);
  record.set_contract(Bytes(contract));
  store(state, keys::name(name), record);
}

}  // namespace

Status check_names(const StateReader& state, const pb::ContractHeader& header) {
  const std::set<std::string> names = names_of(header);
  size_t count = 0;
  for (const pb::Facets& facets : header.workloads()) count += static_cast<size_t>(facets.names_size());
  if (count != names.size()) return make_error(Code::Invalid, "header: a name is there twice");
  if (count > kNamesPerContractMax) {
    return make_error(Code::Exhausted, "header: " + std::to_string(count) + " names, allowed: " +
                                           std::to_string(kNamesPerContractMax));
  }
  for (const std::string& name : names) TRY(check_name_of(state, header, name).with_context("header"));
  return {};
}

Status bind_names(StateWriter& state, const pb::ContractHeader* before, const pb::ContractHeader& next) {
  TRY(check_names(state, next));
  const std::set<std::string> had = before == nullptr ? std::set<std::string>() : names_of(*before);
  const std::set<std::string> wanted = names_of(next);
  for (const std::string& name : had) {
    if (!wanted.contains(name)) set_contract(state, name, "");
  }
  for (const std::string& name : wanted) {
    if (!had.contains(name)) set_contract(state, name, contract::contract_id(next).view());
  }
  return {};
}

void free_names(StateWriter& state, const pb::ContractHeader& current) {
  for (const std::string& name : names_of(current)) set_contract(state, name, "");
}

Status buy_name(const Call& call, const pb::BuyName& action, StateWriter& state) {
  TRY(check_public_name(action.name()));
  if (exists(state, keys::name(action.name()))) {
    return make_error(Code::AlreadyExists, "name " + action.name() + " is taken");
  }
  TRY(check_room(state, call.sender.view()));
  pb::NamedRecord record;
  record.set_name(action.name());
  record.set_since_ms(call.time_ms);
  give(state, record, call.sender.view());
  store(state, keys::name(action.name()), record);
  return {};
}

Status transfer_name(const Call& call, const pb::TransferName& action, StateWriter& state) {
  pb::NamedRecord record = TRY(load_free(call, action.name(), state));
  PublicKey to = TRY(PublicKey::from_bytes(action.to()));
  if (!exists(state, keys::identity(to))) {
    return make_error(Code::NotFound, "name " + action.name() + ": " + to.short_hex() + " is no registered identity");
  }
  if (to == call.sender) return make_error(Code::Conflict, "name " + action.name() + " is yours already");
  TRY(check_room(state, to.view()));
  take_away(state, record);
  give(state, record, to.view());
  record.set_since_ms(call.time_ms);
  store(state, keys::name(action.name()), record);
  return {};
}

Status release_name(const Call& call, const pb::ReleaseName& action, StateWriter& state) {
  pb::NamedRecord record = TRY(load_free(call, action.name(), state));
  take_away(state, record);
  state.erase(keys::name(action.name()));
  return {};
}

}  // namespace mcloud::ledger
