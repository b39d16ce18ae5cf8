#include "ledger/state/schedule.h"

#include "ledger/state/agenda.h"
#include "ledger/state/approvals.h"
#include "ledger/state/liveness.h"
#include "ledger/state/records.h"

namespace mcloud::ledger {
namespace {

void do_due(StateWriter& state, const Moment& moment, const agenda::DueItem& item) {
  switch (item.kind) {
    case keys::Due::Contract: return agenda::mark_dirty(state, contract_id_of(item.id));
    case keys::Due::Expiry: return expire_proposal(state, contract_id_of(item.id), moment.time_ms);
    case keys::Due::Node: return settle_loss(state, key_of(item.id));
  }
}

// First what changed, then what waits for room.
void reconcile_some(StateWriter& state, const Moment& moment) {
  Ground ground(state);
  Reconciled all;
  auto look_at = [&](const agenda::DirtyItem& item) {
    Reconciled one = reconcile(state, ground, moment, item);
    all.replicas += one.replicas;
    all.freed = all.freed || one.freed;
  };
  for (const agenda::DirtyItem& item : agenda::first_dirty(state, kContractsPerBlock)) {
    if (all.replicas >= kReplicasPerBlock) break;
    agenda::clear_dirty(state, item.contract);
    look_at(item);
  }
  for (const ContractId& contract : agenda::first_waiting(state, kWaitingPerBlock)) {
    if (all.replicas >= kReplicasPerBlock) break;
    agenda::set_waiting(state, contract, true);
    look_at({contract, agenda::Mark::Changed});
  }
  ground.store();
  if (all.freed) agenda::something_freed(state);
}

}  // namespace

void end_block(StateWriter& state, const Moment& moment) {
  for (const agenda::DueItem& item : agenda::take_due(state, moment.time_ms, kDuePerBlock)) {
    do_due(state, moment, item);
  }
  reconcile_some(state, moment);
  agenda::forget_tokens(state, moment.time_ms, kTokensPerBlock);
}

}  // namespace mcloud::ledger
