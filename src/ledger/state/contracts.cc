#include <algorithm>

#include "contract/header.h"
#include "contract/secrets.h"
#include "ledger/state/addresses.h"
#include "ledger/state/agenda.h"
#include "ledger/state/approvals.h"
#include "ledger/state/call.h"
#include "ledger/state/logic.h"
#include "ledger/state/names.h"
#include "ledger/state/records.h"
#include "ledger/state/rules.h"

namespace mcloud::ledger {
namespace {

constexpr uint64_t kReplicasMax = 10'000;  // of all workloads of a contract: a block has to look at them

Result<pb::Contract> load_own(const Call& call, const std::string& id, const StateReader& state) {
  std::optional<pb::Contract> contract = load_contract(state, id);
  if (!contract) return make_error(Code::NotFound, "there is no contract " + to_hex(BytesView(id).substr(0, 4)));
  if (contract->owner() == call.sender.view()) return *std::move(contract);
  return make_error(Code::Denied, "contract " + contract->name() + ": only its owner may do that");
}

bool is_over(const pb::Contract& contract) {
  const pb::ContractVersion& version = contract.has_current() ? contract.current() : contract.proposed();
  return version.state() == pb::CONTRACT_CANCELLED;
}

// SubmitContract, UpdateContract and Reseal name a keyring in the same two fields.
template <typename Action>
Status check_keyring(const Action& action, bool sealed_secrets) {
  if (!sealed_secrets) {
    if (action.keyring_hash().empty() && action.keyring_nodes().empty()) return {};
    return make_error(Code::Invalid, "keyring: the header has no sealed secrets, so there must be none");
  }
  if (action.keyring_hash().size() != Hash::kSize) {
    return make_error(Code::Invalid, "keyring_hash: the header has sealed secrets, so 32 bytes are needed");
  }
  return check_keys("keyring_nodes", action.keyring_nodes(), contract::kKeyringBoxesMax);
}

// To the first logic the fields that came later are unknown, and a header that has them is not understood.
Status check_logic_of(const pb::ContractHeader& header) {
  bool is_known = std::all_of(header.workloads().begin(), header.workloads().end(),
                              [](const pb::Facets& facets) { return facets.names().empty(); }) &&
                  std::all_of(header.spaces().begin(), header.spaces().end(), [](const pb::AddressSpace& space) {
                    return !space.devices() && space.members().empty();
                  });
  if (is_known) return {};
  return make_error(Code::Invalid, "header: names, devices and members need logic version " +
                                       std::to_string(kLogicNetworks) + " of the ledger");
}

Status check_header(const Call& call, const pb::ContractHeader& header, const StateReader& state) {
  if (header.owner() != call.sender.view()) {
    return make_error(Code::Denied, "header: its owner is not the sender of the transaction");
  }
  if (header.expires_ms() <= call.time_ms) {
    return make_error(Code::Invalid, "header: expires_ms is in the past: no approval could be accepted");
  }
  uint64_t replicas = 0;
  for (const pb::Facets& facets : header.workloads()) replicas += facets.replicas();
  if (replicas > kReplicasMax) {
    return make_error(Code::Exhausted, "header: " + std::to_string(replicas) + " replicas, allowed: " +
                                           std::to_string(kReplicasMax) + " in all workloads together");
  }
  for (const pb::Signer& signer : header.approvals().signers()) {
    if (exists(state, keys::identity(key_of(signer.key())))) continue;
    return make_error(Code::NotFound, "header: signer " + to_hex(BytesView(signer.key()).substr(0, 4)) + " (" +
                                          signer.role() + ") is no registered identity");
  }
  return call.logic_version < kLogicNetworks ? check_logic_of(header) : check_names(state, header);
}

// A name belongs to one live contract of its owner.
Status take_name(StateWriter& state, const PublicKey& owner, const std::string& name, const ContractId& id) {
  Bytes key = keys::contract_name(owner, name);
  std::optional<Bytes> holder = state.get(key);
  if (holder && *holder != id.view()) {
    return make_error(Code::AlreadyExists, "you have a live contract named " + name + " already");
  }
  if (!holder) state.put(key, id.bytes());
  return {};
}

template <typename Action>
Status propose(const Call& call, const Action& action, const pb::ContractHeader& header, pb::Contract& contract,
             StateWriter& state) {
  if (contract.proposed().state() == pb::CONTRACT_PENDING) {
    agenda::remove_due(state, parse_header(contract.proposed().header()).expires_ms(), keys::Due::Expiry,
                       contract.id());
  }
  contract.clear_proposed();
  pb::ContractVersion& proposed = *contract.mutable_proposed();
  proposed.set_version(header.version());
  proposed.set_header(action.header());
  proposed.set_header_hash(contract::header_hash(action.header()).bytes());
  proposed.set_state(pb::CONTRACT_PENDING);
  proposed.set_submitted_ms(call.time_ms);
  contract.set_proposed_keyring_hash(action.keyring_hash());
  *contract.mutable_proposed_keyring_nodes() = action.keyring_nodes();
  agenda::add_due(state, header.expires_ms(), keys::Due::Expiry, contract.id());
  TRY(conclude_proposal(call, contract, state));
  store(state, keys::contract(contract_id_of(contract.id())), contract);
  return {};
}

// Replicas of both versions run side by side for a while, so their networks must not be mistaken.
Status check_spaces(const pb::ContractHeader& header, const pb::SpaceGrant& grant) {
  const Ipv4Range granted = parse_ipv4_range(grant.range()).value_or(Ipv4Range());
  for (const pb::AddressSpace& space : header.spaces()) {
    if (space.name() == grant.name()) {
      if (space.range() == grant.range()) continue;
      return make_error(Code::Invalid, "header: network " + space.name() + " keeps its range " + grant.range() +
                                           "; a new range needs a new network name");
    }
    const Ipv4Range range = parse_ipv4_range(space.range()).value_or(Ipv4Range());
    if (range.network > granted.broadcast || granted.network > range.broadcast) continue;
    return make_error(Code::Invalid, "header: the range of network " + space.name() + " overlaps that of network " +
                                         grant.name() + ", which runs until the update is through");
  }
  return {};
}

Status check_successor(const pb::ContractHeader& header, const pb::Contract& contract) {
  uint64_t last = std::max(contract.current().version(), contract.proposed().version());
  if (header.version() != last + 1) {
    return make_error(Code::Conflict, "header: version is " + std::to_string(header.version()) + ", the next is " +
                                          std::to_string(last + 1));
  }
  if (header.name() != contract.name()) {
    return make_error(Code::Invalid,
                      "header: name is " + header.name() + ", a contract keeps its name: " + contract.name());
  }
  for (const pb::SpaceGrant& grant : contract.spaces()) TRY(check_spaces(header, grant));
  return {};
}

}  // namespace

Status submit_contract(const Call& call, const pb::SubmitContract& action, StateWriter& state) {
  pb::ContractHeader header = TRY(contract::decode_header(action.header()).with_context("header"));
  TRY(check_header(call, header, state));
  TRY(check_keyring(action, header.sealed_secrets()));
  if (header.version() != 1) return make_error(Code::Invalid, "header: the first version is 1");
  ContractId id = contract::contract_id(header);
  if (exists(state, keys::contract(id))) {
    return make_error(Code::AlreadyExists, "contract " + id.short_hex() + " is there already: update it");
  }
  TRY(take_name(state, call.sender, header.name(), id));
  pb::Contract contract;
  contract.set_id(id.bytes());
  contract.set_name(header.name());
  contract.set_owner(header.owner());
  return propose(call, action, header, contract, state);
}

Status update_contract(const Call& call, const pb::UpdateContract& action, StateWriter& state) {
  pb::ContractHeader header = TRY(contract::decode_header(action.header()).with_context("header"));
  TRY(check_header(call, header, state));
  TRY(check_keyring(action, header.sealed_secrets()));
  ContractId id = contract::contract_id(header);
  pb::Contract contract = TRY(load_own(call, id.bytes(), state));
  if (is_over(contract)) {
    return make_error(Code::Conflict, "contract " + contract.name() + " is cancelled: submit a new one");
  }
  TRY(check_successor(header, contract));
  TRY(take_name(state, call.sender, header.name(), id));
  return propose(call, action, header, contract, state);
}

Status cancel_contract(const Call& call, const pb::CancelContract& action, StateWriter& state) {
  pb::Contract contract = TRY(load_own(call, action.contract(), state));
  bool adds_erasure = action.erase_volumes() && !contract.erase_volumes() && contract.has_current();
  if (is_over(contract) && !adds_erasure) {
    return make_error(Code::Conflict, "contract " + contract.name() + " is cancelled already");
  }
  ContractId id = contract_id_of(contract.id());
  if (contract.proposed().state() == pb::CONTRACT_PENDING) {
    uint64_t expires_ms = parse_header(contract.proposed().header()).expires_ms();
    agenda::remove_due(state, expires_ms, keys::Due::Expiry, contract.id());
  }
  if (!is_over(contract)) {
    contract.set_cancelled_ms(call.time_ms);
    free_name(state, contract);
    const bool binds = call.logic_version >= kLogicNetworks && contract.has_current();
    if (binds) free_names(state, parse_header(contract.current().header()));
  }
  if (contract.has_proposed()) contract.mutable_proposed()->set_state(pb::CONTRACT_CANCELLED);
  if (contract.has_current()) contract.mutable_current()->set_state(pb::CONTRACT_CANCELLED);
  contract.set_erase_volumes(action.erase_volumes());
  store(state, keys::contract(id), contract);
  if (contract.has_current()) agenda::mark_dirty(state, id);
  return {};
}

Status reseal(const Call& call, const pb::Reseal& action, StateWriter& state) {
  pb::Contract contract = TRY(load_own(call, action.contract(), state));
  bool runs = contract.current().state() == pb::CONTRACT_ACTIVE;
  if (!runs && contract.proposed().state() != pb::CONTRACT_PENDING) {
    return make_error(Code::Conflict, "contract " + contract.name() + " is over: there is nothing to reseal");
  }
  const pb::ContractVersion& version = runs ? contract.current() : contract.proposed();
  if (!parse_header(version.header()).sealed_secrets()) {
    return make_error(Code::Conflict, "contract " + contract.name() + " has no sealed secrets");
  }
  TRY(check_keyring(action, true));
  ContractId id = contract_id_of(contract.id());
  if (runs) {
    contract.set_keyring_hash(action.keyring_hash());
    *contract.mutable_keyring_nodes() = action.keyring_nodes();
    agenda::mark_revised(state, id);
  } else {
    contract.set_proposed_keyring_hash(action.keyring_hash());
    *contract.mutable_proposed_keyring_nodes() = action.keyring_nodes();
  }
  store(state, keys::contract(id), contract);
  return {};
}

Status retry(const Call& call, const pb::Retry& action, StateWriter& state) {
  pb::Contract contract = TRY(load_own(call, action.contract(), state));
  ContractId id = contract_id_of(contract.id());
  auto workload = load<pb::Workload>(state, keys::workload(id, action.workload()));
  if (!workload) {
    return make_error(Code::NotFound, "contract " + contract.name() + " places no workload named " + action.workload());
  }
  for (pb::Replica& replica : *workload->mutable_replicas()) {
    replica.clear_exclusions();
    replica.clear_tries();
    if (replica.state() != pb::REPLICA_STUCK) continue;
    // One that is bound to its node is started anew there.
    replica.set_state(replica.node().empty() ? pb::REPLICA_WAITING : pb::REPLICA_CANNOT_RUN);
    replica.set_since_ms(call.time_ms);
  }
  store(state, keys::workload(id, action.workload()), *workload);
  agenda::mark_dirty(state, id);
  return {};
}

}  // namespace mcloud::ledger
