// One transaction in execution. Each action is one function in the file of its noun: it checks first,
// writes last, and names in its refusal what, where and what is allowed.
#pragma once

#include "base/ids.h"
#include "ledger/state/state.h"
#include "mcloud/ledger.pb.h"

namespace mcloud::ledger {

struct Call {
  const pb::Transaction& transaction;
  const PublicKey& sender;
  uint64_t height = 0;
  uint64_t time_ms = 0;
  uint64_t logic_version = 0;  // in force (logic.h)

  const std::string& chain_id() const { return transaction.chain_id(); }
};

// identities.cc
Status register_identity(const Call& call, const pb::RegisterIdentity& action, StateWriter& state);
// farms.cc
Status create_farm(const Call& call, const pb::CreateFarm& action, StateWriter& state);
Status admit_node(const Call& call, const pb::AdmitNode& action, StateWriter& state);
Status revoke_token(const Call& call, const pb::RevokeToken& action, StateWriter& state);
// mesh.cc
Status publish_keys(const Call& call, const pb::PublishKeys& action, StateWriter& state);
// devices.cc
Status join_network(const Call& call, const pb::JoinNetwork& action, StateWriter& state);
Status leave_network(const Call& call, const pb::LeaveNetwork& action, StateWriter& state);
// names.cc
Status buy_name(const Call& call, const pb::BuyName& action, StateWriter& state);
Status transfer_name(const Call& call, const pb::TransferName& action, StateWriter& state);
Status release_name(const Call& call, const pb::ReleaseName& action, StateWriter& state);
// nodes.cc
Status rejoin_node(const Call& call, const pb::RejoinNode& action, StateWriter& state);
Status drain_node(const Call& call, const pb::DrainNode& action, StateWriter& state);
Status resume_node(const Call& call, const pb::ResumeNode& action, StateWriter& state);
// liveness.cc
Status suspect(const Call& call, const pb::Suspect& action, StateWriter& state);
// contracts.cc
Status submit_contract(const Call& call, const pb::SubmitContract& action, StateWriter& state);
Status update_contract(const Call& call, const pb::UpdateContract& action, StateWriter& state);
Status cancel_contract(const Call& call, const pb::CancelContract& action, StateWriter& state);
Status reseal(const Call& call, const pb::Reseal& action, StateWriter& state);
Status retry(const Call& call, const pb::Retry& action, StateWriter& state);
// approvals.cc
Status approve(const Call& call, const pb::Approve& action, StateWriter& state);
Status reject(const Call& call, const pb::Reject& action, StateWriter& state);
Status accept(const Call& call, const pb::Accept& action, StateWriter& state);
// results.cc. `note` says which entries were ignored and why, when others were taken.
Status report_results(const Call& call, const pb::ReportResults& action, StateWriter& state, std::string& note);
// governance.cc
Status set_parameters(const Call& call, const pb::SetParameters& action, StateWriter& state);

}  // namespace mcloud::ledger
