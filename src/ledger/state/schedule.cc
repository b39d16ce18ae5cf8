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

}  // namespace

void end_block(StateWriter& state, const Moment& moment) {
  for (const agenda::DueItem& item : agenda::take_due(state, moment.time_ms, kDuePerBlock)) {
    do_due(state, moment, item);
  }
  std::vector<agenda::DirtyItem> contracts = agenda::take_dirty(state, kContractsPerBlock);
  for (const ContractId& waiting : agenda::take_waiting(state, kWaitingPerBlock)) contracts.push_back({waiting, false});
  if (!contracts.empty()) {
    Ground ground(state);
    bool freed = false;
    for (const agenda::DirtyItem& contract : contracts) freed = reconcile(state, ground, moment, contract) || freed;
    ground.store();
    if (freed) agenda::something_freed(state);
  }
  agenda::forget_tokens(state, moment.time_ms, kTokensPerBlock);
}

}  // namespace mcloud::ledger
