#include "ledger/state/machine.h"

#include "base/check.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/state/agenda.h"
#include "ledger/state/call.h"
#include "ledger/state/governance.h"
#include "ledger/state/records.h"
#include "ledger/state/schedule.h"
#include "ledger/state/statements.h"
#include "wire/canonical.h"

namespace mcloud::ledger {
namespace {

using Action = pb::Transaction::ActionCase;

// What the sender of an action must be. A node that asks to be admitted is nothing yet.
enum class Role { Identity, Node, Validator, Newcomer };

Role role_of(Action action) {
  switch (action) {
    case Action::kAdmitNode: return Role::Newcomer;
    case Action::kReportResults:
    case Action::kPublishKeys:
    case Action::kRejoinNode: return Role::Node;
    case Action::kSuspect: return Role::Validator;
    default: return Role::Identity;
  }
}

bool is_validator(const StateReader& state, const PublicKey& key) {
  pb::ValidatorSet validators = load_validators(state);
  for (const pb::Validator& validator : validators.validators()) {
    if (validator.key() == key.view()) return true;
  }
  return false;
}

Status check_role(const VerifiedTransaction& transaction, const StateReader& state) {
  const PublicKey& sender = transaction.sender();
  auto require = [&](bool fits, const char* what) -> Status {
    if (fits) return {};
    return make_error(Code::Denied, "sender " + sender.short_hex() + " is not " + what + " of this ledger");
  };
  switch (role_of(transaction.transaction().action_case())) {
    case Role::Identity: return require(exists(state, keys::identity(sender)), "a registered identity");
    case Role::Node: return require(exists(state, keys::node(sender)), "an admitted node");
    case Role::Validator: return require(is_validator(state, sender), "a validator");
    case Role::Newcomer: return {};
  }
  return make_error(Code::Internal, "unknown role");
}

uint64_t last_sequence(const StateReader& state, const PublicKey& sender) {
  auto record = load<pb::Sequence>(state, keys::sequence(sender));
  return record ? record->last() : 0;
}

Status check_sequence(const VerifiedTransaction& transaction, uint64_t next) {
  if (transaction.transaction().sequence() == next) return {};
  return make_error(Code::Conflict, "sequence of " + transaction.sender().short_hex() + " is " +
                                        std::to_string(transaction.transaction().sequence()) + ", the next is " +
                                        std::to_string(next));
}

// The logic that an action came with.
uint64_t logic_of(Action action) {
  switch (action) {
    case Action::kPublishKeys:
    case Action::kJoinNetwork:
    case Action::kLeaveNetwork:
    case Action::kBuyName:
    case Action::kTransferName:
    case Action::kReleaseName: return kLogicNetworks;
    default: return 1;
  }
}

Status check_action(const Call& call) {
  const uint64_t needed = logic_of(call.transaction.action_case());
  if (needed <= call.logic_version) return {};
  return make_error(Code::Unsupported, "transaction: this ledger runs logic version " +
                                           std::to_string(call.logic_version) + ", that needs " + std::to_string(needed) +
                                           "; its governors switch: mcloud parameters set next_logic_version=" +
                                           std::to_string(call.logic_version + 1));
}

Status act(const Call& call, StateWriter& state, std::string& note) {
  TRY(check_action(call));
  const pb::Transaction& transaction = call.transaction;
  switch (transaction.action_case()) {
    case Action::kRegisterIdentity: return register_identity(call, transaction.register_identity(), state);
    case Action::kCreateFarm: return create_farm(call, transaction.create_farm(), state);
    case Action::kAdmitNode: return admit_node(call, transaction.admit_node(), state);
    case Action::kSubmitContract: return submit_contract(call, transaction.submit_contract(), state);
    case Action::kUpdateContract: return update_contract(call, transaction.update_contract(), state);
    case Action::kCancelContract: return cancel_contract(call, transaction.cancel_contract(), state);
    case Action::kApprove: return approve(call, transaction.approve(), state);
    case Action::kReject: return reject(call, transaction.reject(), state);
    case Action::kAccept: return accept(call, transaction.accept(), state);
    case Action::kReseal: return reseal(call, transaction.reseal(), state);
    case Action::kReportResults: return report_results(call, transaction.report_results(), state, note);
    case Action::kRejoinNode: return rejoin_node(call, transaction.rejoin_node(), state);
    case Action::kDrainNode: return drain_node(call, transaction.drain_node(), state);
    case Action::kResumeNode: return resume_node(call, transaction.resume_node(), state);
    case Action::kSetParameters: return set_parameters(call, transaction.set_parameters(), state);
    case Action::kSuspect: return suspect(call, transaction.suspect(), state);
    case Action::kRetry: return retry(call, transaction.retry(), state);
    case Action::kRevokeToken: return revoke_token(call, transaction.revoke_token(), state);
    case Action::kPublishKeys: return publish_keys(call, transaction.publish_keys(), state);
    case Action::kJoinNetwork: return join_network(call, transaction.join_network(), state);
    case Action::kLeaveNetwork: return leave_network(call, transaction.leave_network(), state);
    case Action::kBuyName: return buy_name(call, transaction.buy_name(), state);
    case Action::kTransferName: return transfer_name(call, transaction.transfer_name(), state);
    case Action::kReleaseName: return release_name(call, transaction.release_name(), state);
    case Action::ACTION_NOT_SET: break;
  }
  return make_error(Code::Invalid, "transaction: it names no action");
}

void use_sequence(const VerifiedTransaction& transaction, StateWriter& state) {
  pb::Sequence sequence;
  sequence.set_last(transaction.transaction().sequence());
  store(state, keys::sequence(transaction.sender()), sequence);
}

constexpr size_t kRefusalBytesMax = 500;  // some quote what was sent

TransactionResult refused(const Error& error) {
  TransactionResult result{false, error.code, error.message};
  if (result.message.size() <= kRefusalBytesMax) return result;
  size_t end = kRefusalBytesMax;
  while (end > 0 && (static_cast<uint8_t>(result.message[end]) & 0xc0) == 0x80) --end;  // whole characters of UTF-8
  result.message.resize(end);
  result.message += "...";
  return result;
}

TransactionResult execute(const VerifiedTransaction& transaction, const Moment& block, StateWriter& state) {
  const uint64_t last = last_sequence(state, transaction.sender());
  if (Status fits = check_sequence(transaction, last + 1); !fits) return refused(fits.error());
  if (Status allowed = check_role(transaction, state); !allowed) return refused(allowed.error());
  // A stranger whose admission is refused leaves no trace.
  const bool is_stranger = last == 0 && role_of(transaction.transaction().action_case()) == Role::Newcomer;
  if (!is_stranger) use_sequence(transaction, state);

  Overlay overlay(state);
  Call call{transaction.transaction(), transaction.sender(), block.height, block.time_ms,
            block.logic_version};
  std::string note;
  if (Status done = act(call, overlay, note); !done) return refused(done.error());
  for (auto& [key, value] : overlay.take_changes()) {
    if (value) {
      state.put(key, *std::move(value));
    } else {
      state.erase(key);
    }
  }
  if (is_stranger) use_sequence(transaction, state);
  return {true, Code::Internal, std::move(note)};
}

}  // namespace

Result<VerifiedTransaction> verify_transaction(BytesView signed_transaction, std::string_view chain_id) {
  auto envelope =
      TRY(wire::decode<pb::SignedTransaction>(signed_transaction, "signed transaction", kTransactionBytesMax));
  VerifiedTransaction verified;
  TRY(wire::decode_into(verified.transaction_, envelope.transaction(), "transaction", kTransactionBytesMax));
  if (verified.transaction_.chain_id() != chain_id) {
    return make_error(Code::Denied, "transaction: it is for another ledger than " + std::string(chain_id));
  }
  verified.sender_ = TRY(PublicKey::from_bytes(verified.transaction_.sender()).with_context("transaction: sender"));
  if (verified.transaction_.action_case() == Action::ACTION_NOT_SET) {
    return make_error(Code::Invalid, "transaction: it names no action");
  }
  if (!crypto::verify(verified.sender_, kTransactionDomain, envelope.transaction(), envelope.signature())) {
    return make_error(Code::Denied, "transaction: the signature is not its sender's");
  }
  verified.hash_ = crypto::blake2b(signed_transaction);
  return verified;
}

Status check_transaction(const VerifiedTransaction& transaction, const StateReader& state, uint64_t time_ms,
                         uint64_t sequence_ahead) {
  TRY(check_sequence(transaction, last_sequence(state, transaction.sender()) + 1 + sequence_ahead));
  TRY(check_role(transaction, state));
  const pb::Transaction& content = transaction.transaction();
  if (content.has_set_parameters() && content.set_parameters().parameters().next_logic_version() > kLogicVersion) {
    return make_error(Code::Unsupported, "next_logic_version: this validator's binary knows up to " +
                                             std::to_string(kLogicVersion) + "; upgrade it first");
  }
  if (!content.has_admit_node()) return {};
  Overlay overlay(state);
  std::string note;
  return act({content, transaction.sender(), 0, time_ms, load_parameters(state).logic_version()}, overlay, note);
}

Status check_logic(const StateReader& state, uint64_t height) {
  pb::Parameters parameters = load_parameters(state);
  bool switches = parameters.next_logic_version() != 0 && height >= parameters.next_logic_height();
  uint64_t version = switches ? parameters.next_logic_version() : parameters.logic_version();
  if (version <= kLogicVersion) return {};
  return make_error(Code::Unsupported, "block " + std::to_string(height) + " needs logic version " +
                                           std::to_string(version) + ", this binary knows up to " +
                                           std::to_string(kLogicVersion) + ": upgrade it");
}

std::vector<TransactionResult> execute_block(const BlockInput& block, StateWriter& state) {
  CHECK(check_logic(state, block.height).has_value());
  switch_logic(state, block.height);
  const Moment moment{block.height, block.time_ms, load_parameters(state).logic_version()};
  std::vector<TransactionResult> results;
  results.reserve(block.transactions.size());
  for (const VerifiedTransaction& transaction : block.transactions) {
    results.push_back(execute(transaction, moment, state));
  }
  end_block(state, moment);
  return results;
}

bool has_pending_time_work(const StateReader& state, uint64_t& next_due_ms) {
  return agenda::has_pending(state, next_due_ms);
}

}  // namespace mcloud::ledger
