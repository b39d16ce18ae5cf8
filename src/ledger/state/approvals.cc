#include "ledger/state/approvals.h"

#include <algorithm>

#include "contract/approval.h"
#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/dossier.h"
#include "ledger/state/logic.h"
#include "ledger/state/names.h"
#include "ledger/state/planted.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

constexpr size_t kReasonBytesMax = 200;

std::string version_name(const pb::ContractVersion& version) { return "version " + std::to_string(version.version()); }

const char* word(pb::Decision decision) {
  switch (decision) {
    case pb::DECISION_APPROVE: return "approved";
    case pb::DECISION_REJECT: return "rejected";
    case pb::DECISION_ACCEPT: return "accepted";
    default: return "decided";
  }
}

// Approve, Reject and Accept have the same fields.
template <typename Action>
struct Vote {
  const Call& call;
  const Action& action;
  pb::Decision decision;
};

Result<pb::Contract> load_named(const StateReader& state, const std::string& id) {
  std::optional<pb::Contract> contract = load_contract(state, id);
  if (!contract) return make_error(Code::NotFound, "there is no contract " + to_hex(BytesView(id).substr(0, 4)));
  return *std::move(contract);
}

template <typename Action>
Status check_vote(const Vote<Action>& vote, const pb::ContractVersion& version, const pb::ContractHeader& header) {
  const Action& action = vote.action;
  if (action.version() != version.version()) {
    return make_error(Code::Conflict, "the version to decide on is " + std::to_string(version.version()) + ", not " +
                                          std::to_string(action.version()));
  }
  if (action.header_hash() != version.header_hash()) {
    return make_error(Code::Conflict, version_name(version) + " has another header hash than the one decided on");
  }
  if (contract::find_signer(header, vote.call.sender) == nullptr) {
    return make_error(Code::Denied, "key " + vote.call.sender.short_hex() + " is not a signer of this contract");
  }
  for (const pb::RecordedDecision& decision : version.decisions()) {
    bool same_round = (decision.decision() == pb::DECISION_ACCEPT) == (vote.decision == pb::DECISION_ACCEPT);
    if (!same_round || decision.signer() != vote.call.sender.view()) continue;
    return make_error(Code::AlreadyExists, "this signer has " + std::string(word(decision.decision())) + " " +
                                               version_name(version) + " already; a decision is final");
  }
  auto subject = contract::approval_subject(vote.call.chain_id(), header, version.header());
  if (contract::verify_decision(subject, vote.decision, vote.call.sender, action.signature())) return {};
  return make_error(Code::Denied,
                    "the signature is not this signer's over chain, contract, version, expiry, header "
                    "hash and decision");
}

template <typename Action>
void record(const Vote<Action>& vote, pb::ContractVersion& version) {
  pb::RecordedDecision* decision = version.add_decisions();
  decision->set_signer(vote.call.sender.bytes());
  decision->set_decision(vote.decision);
  decision->set_signature(vote.action.signature());
  decision->set_at_ms(vote.call.time_ms);
}

template <typename Action>
Result<pb::Contract> decide(const Vote<Action>& vote, const StateReader& state) {
  pb::Contract contract = TRY(load_named(state, vote.action.contract()));
  if (!contract.has_proposed())
    return make_error(Code::Conflict, "contract " + contract.name() + " has no proposed version");
  pb::ContractVersion& proposed = *contract.mutable_proposed();
  if (proposed.state() != pb::CONTRACT_PENDING) {
    return make_error(Code::Conflict, version_name(proposed) + " of contract " + contract.name() +
                                          " does not wait for approvals any more");
  }
  pb::ContractHeader header = parse_header(proposed.header());
  if (vote.call.time_ms >= header.expires_ms()) {
    return make_error(Code::Denied, version_name(proposed) + " of contract " + contract.name() +
                                        " has expired: decisions come too late");
  }
  TRY(check_vote(vote, proposed, header));
  record(vote, proposed);
  return contract;
}

void end_proposal(StateWriter& state, pb::Contract& contract, pb::ContractState outcome) {
  pb::ContractVersion& proposed = *contract.mutable_proposed();
  proposed.set_state(outcome);
  agenda::remove_due(state, parse_header(proposed.header()).expires_ms(), keys::Due::Expiry, contract.id());
  // Nothing of it was ever approved: others may have the name.
  if (!contract.has_current()) free_name(state, contract);
}

// The version that ran until now goes on until the new one takes over, replica by replica: its header stays.
Status make_current(const Call& call, pb::Contract& contract, StateWriter& state) {
  if (call.logic_version >= kLogicNetworks) {
    const pb::ContractHeader before = parse_header(contract.current().header());
    TRY(bind_names(state, contract.has_current() ? &before : nullptr, parse_header(contract.proposed().header())));
  }
  ContractId id = contract_id_of(contract.id());
  agenda::remove_due(state, parse_header(contract.proposed().header()).expires_ms(), keys::Due::Expiry, id.view());
  if (contract.has_current()) {
    state.put(keys::header(id, contract.current().version()), contract.current().header());
  }
  contract.mutable_current()->Swap(contract.mutable_proposed());
  contract.clear_proposed();
  contract.mutable_current()->set_state(pb::CONTRACT_ACTIVE);
  contract.mutable_current()->set_approved_ms(call.time_ms);
  contract.set_keyring_hash(contract.proposed_keyring_hash());
  contract.mutable_keyring_nodes()->Swap(contract.mutable_proposed_keyring_nodes());
  contract.clear_proposed_keyring_hash();
  contract.clear_proposed_keyring_nodes();
  agenda::mark_dirty(state, id);
  return {};
}

}  // namespace

Status conclude_proposal(const Call& call, pb::Contract& contract, StateWriter& state) {
  const pb::ContractVersion& proposed = contract.proposed();
  contract::ApprovalTally tally = contract::tally_approval(parse_header(proposed.header()), proposed.decisions());
  if (tally.reached || (planted::kAnyApproval && !tally.approved_by.empty())) {
    return make_current(call, contract, state);
  }
  if (tally.impossible) end_proposal(state, contract, pb::CONTRACT_REJECTED);
  return {};
}

void expire_proposal(StateWriter& state, const ContractId& id, uint64_t time_ms) {
  std::optional<pb::Contract> contract = load_contract(state, id.view());
  if (!contract || contract->proposed().state() != pb::CONTRACT_PENDING) return;
  if (parse_header(contract->proposed().header()).expires_ms() > time_ms) return;
  end_proposal(state, *contract, pb::CONTRACT_EXPIRED);
  store(state, keys::contract(id), *contract);
}

void free_name(StateWriter& state, const pb::Contract& contract) {
  Bytes key = keys::contract_name(key_of(contract.owner()), contract.name());
  if (state.get(key) == contract.id()) state.erase(key);
}

Status approve(const Call& call, const pb::Approve& action, StateWriter& state) {
  pb::Contract contract = TRY(decide(Vote<pb::Approve>{call, action, pb::DECISION_APPROVE}, state));
  TRY(conclude_proposal(call, contract, state));
  store(state, keys::contract(contract_id_of(contract.id())), contract);
  return {};
}

Status reject(const Call& call, const pb::Reject& action, StateWriter& state) {
  if (action.reason().size() > kReasonBytesMax) {
    return make_error(Code::Invalid, "reason: at most " + std::to_string(kReasonBytesMax) + " bytes");
  }
  pb::Contract contract = TRY(decide(Vote<pb::Reject>{call, action, pb::DECISION_REJECT}, state));
  if (!action.reason().empty()) contract.mutable_proposed()->set_reason(action.reason());
  TRY(conclude_proposal(call, contract, state));
  store(state, keys::contract(contract_id_of(contract.id())), contract);
  return {};
}

Status accept(const Call& call, const pb::Accept& action, StateWriter& state) {
  ContractId id = contract_id_of(TRY(load_named(state, action.contract())).id());
  std::optional<Dossier> dossier = Dossier::load(state, id);
  if (!dossier || dossier->contract().current().state() != pb::CONTRACT_ACTIVE) {
    return make_error(Code::Conflict, "nothing of this contract is active: there is nothing to accept");
  }
  pb::ContractVersion& current = *dossier->contract().mutable_current();
  if (dossier->header().approvals().acceptance_threshold() == 0 || current.accepted_ms() != 0) {
    return make_error(Code::Conflict, version_name(current) + " waits for no acceptance");
  }
  Vote<pb::Accept> vote{call, action, pb::DECISION_ACCEPT};
  TRY(check_vote(vote, current, dossier->header()));
  TRY(check_all_ready(state, *dossier));
  record(vote, current);
  if (contract::tally_acceptance(dossier->header(), current.decisions()).reached) {
    current.set_accepted_ms(call.time_ms);
  }
  store(state, keys::contract(id), dossier->contract());
  return {};
}

}  // namespace mcloud::ledger
