#include "bot/audit.h"

#include <algorithm>

#include "bot/block_source.h"
#include "contract/header.h"
#include "crypto/hash.h"
#include "ledger/application.h"
#include "ledger/client/verify.h"
#include "wire/canonical.h"

namespace mcloud::bot {
namespace {

PublicKey key_of(BytesView bytes) { return PublicKey::from_bytes(bytes).value_or(PublicKey()); }
ContractId contract_of(BytesView bytes) { return ContractId::from_bytes(bytes).value_or(ContractId()); }

void describe_submission(const char* what, const Bytes& header_bytes, AuditEvent& event) {
  event.what = what;
  Result<pb::ContractHeader> header = contract::decode_header(header_bytes);
  if (!header) return;
  event.contract = contract::contract_id(*header);
  event.version = header->version();
  event.subject = header->name();
}

template <typename Vote>
void describe_vote(const char* what, const Vote& vote, AuditEvent& event) {
  event.what = what;
  event.contract = contract_of(vote.contract());
  event.version = vote.version();
}

void describe_contract(const char* what, BytesView contract, AuditEvent& event) {
  event.what = what;
  event.contract = contract_of(contract);
}

void describe_node(const char* what, BytesView node, AuditEvent& event) {
  event.what = what;
  event.subject = to_hex(node);
}

void describe(const pb::Transaction& transaction, AuditEvent& event) {
  using Kind = pb::Transaction::ActionCase;
  switch (transaction.action_case()) {
    case Kind::kRegisterIdentity:
      event.what = "register-identity";
      event.subject = transaction.register_identity().name();
      break;
    case Kind::kCreateFarm:
      event.what = "create-farm";
      event.subject = transaction.create_farm().name();
      break;
    case Kind::kAdmitNode:
      event.what = "admit-node";
      event.subject = transaction.admit_node().name();
      break;
    case Kind::kSubmitContract: describe_submission("submit", transaction.submit_contract().header(), event); break;
    case Kind::kUpdateContract: describe_submission("update", transaction.update_contract().header(), event); break;
    case Kind::kCancelContract:
      describe_contract("cancel", transaction.cancel_contract().contract(), event);
      if (transaction.cancel_contract().erase_volumes()) event.detail = "volumes erased";
      break;
    case Kind::kApprove: describe_vote("approve", transaction.approve(), event); break;
    case Kind::kReject:
      describe_vote("reject", transaction.reject(), event);
      event.detail = transaction.reject().reason();
      break;
    case Kind::kAccept: describe_vote("accept", transaction.accept(), event); break;
    case Kind::kReseal: describe_contract("reseal", transaction.reseal().contract(), event); break;
    case Kind::kReportResults: event.what = "report-results"; break;
    case Kind::kRejoinNode: event.what = "rejoin-node"; break;
    case Kind::kDrainNode: describe_node("drain-node", transaction.drain_node().node(), event); break;
    case Kind::kResumeNode: describe_node("resume-node", transaction.resume_node().node(), event); break;
    case Kind::kSetParameters: event.what = "set-parameters"; break;
    case Kind::kSuspect: describe_node("suspect", transaction.suspect().node(), event); break;
    case Kind::kRetry:
      describe_contract("retry", transaction.retry().contract(), event);
      event.detail = transaction.retry().workload();
      break;
    case Kind::kRevokeToken:
      event.what = "revoke-token";
      event.subject = transaction.revoke_token().farm();
      break;
    case Kind::ACTION_NOT_SET: event.what = "unknown"; break;
  }
}

bool is_by_a_machine(const AuditEvent& event) { return event.what == "report-results" || event.what == "suspect"; }

// The codes of a block's transactions are not in it, but their hash is signed: the guess that fits is right. All
// executed is tried first, then every one and every two of them refused, for each code.
class Outcomes {
 public:
  Outcomes(size_t count, BytesView results_hash) : bytes_(count, byte_of({.ok = true})), wanted_(results_hash) {
    for (int code = 0; code <= static_cast<int>(Code::Internal); code++) {
      refusals_.push_back(byte_of({.ok = false, .code = static_cast<Code>(code)}));
    }
  }

  // False when it needs more refusals, or more tries, than are made.
  bool find() {
    if (fits()) return true;
    return find_from(0, 1) || find_from(0, 2);
  }
  bool is_refused(size_t i) const { return bytes_[i] != byte_of({.ok = true}); }
  std::string refusal(size_t i) const {
    auto found = std::ranges::find(refusals_, bytes_[i]);
    return found == refusals_.end() ? "" : std::string(code_name(static_cast<Code>(found - refusals_.begin())));
  }

 private:
  static constexpr int kTriesMax = 200'000;
  static char byte_of(const ledger::TransactionResult& result) {
    return static_cast<char>(ledger::result_byte(result));
  }

  bool fits() {
    tries_++;
    return ledger::hash_of_results(bytes_).view() == wanted_;
  }
  bool find_from(size_t first, int refused) {
    for (size_t i = first; i < bytes_.size(); i++) {
      char before = bytes_[i];
      for (char refusal : refusals_) {
        if (tries_ >= kTriesMax) return false;
        bytes_[i] = refusal;
        if (refused == 1 ? fits() : find_from(i + 1, refused - 1)) return true;
      }
      bytes_[i] = before;
    }
    return false;
  }

  Bytes bytes_;
  Bytes wanted_;
  std::vector<char> refusals_;
  int tries_ = 0;
};

Status check_content(const pb::Block& block, const pb::BlockHeader& header) {
  Bytes hashes;
  for (const std::string& transaction : block.transactions()) hashes += crypto::blake2b(transaction).view();
  if (ledger::hash_of_transactions(hashes).view() == header.transactions_hash()) return {};
  return make_error(Code::Denied, "block " + std::to_string(header.height()) +
                                      " does not hold the transactions its validators signed");
}

}  // namespace

std::vector<AuditEvent> events_of(const pb::Block& block, const pb::BlockHeader& header) {
  std::vector<AuditEvent> events;
  Outcomes outcomes(static_cast<size_t>(block.transactions_size()), header.results_hash());
  bool known = outcomes.find();
  for (int i = 0; i < block.transactions_size(); i++) {
    auto outer = wire::decode<pb::SignedTransaction>(block.transactions(i), "signed transaction");
    auto inner = outer ? wire::decode<pb::Transaction>(outer->transaction(), "transaction") : outer.error();
    if (!inner) continue;  // refused by every validator; it names nobody
    AuditEvent event;
    event.height = header.height();
    event.time_ms = header.time_ms();
    event.who = key_of(inner->sender());
    describe(*inner, event);
    event.refused = known && outcomes.is_refused(static_cast<size_t>(i));
    if (event.refused) event.refusal = outcomes.refusal(static_cast<size_t>(i));
    if (!known) event.detail += event.detail.empty() ? "outcome unknown" : "; outcome unknown";
    events.push_back(std::move(event));
  }
  return events;
}

Result<std::vector<AuditEvent>> audit(LedgerView& view, const AuditOptions& options) {
  TRY(view.parameters());  // a verified head, so that nobody can hide the newest blocks below it
  uint64_t top = view.client().head().height;
  uint64_t bottom = top >= options.blocks_max ? top - options.blocks_max + 1 : 0;
  std::unique_ptr<BlockSource> source = TRY(BlockSource::open(options.endpoints));
  std::vector<AuditEvent> events;
  std::map<ContractId, std::string> names;
  for (const pb::Contract& contract : TRY(view.contracts())) names[contract_of(contract.id())] = contract.name();
  for (uint64_t height = bottom; height <= top; height++) {
    pb::Block block = TRY(source->get(height));
    ledger::VerifiedHead head = TRY(ledger::verify_head(view.client().trust(), wire::encode(block.head())));
    if (head.head.height != height)
      return make_error(Code::Denied, "asked for block " + std::to_string(height) + ", got another");
    TRY(check_content(block, head.header));
    for (AuditEvent& event : events_of(block, head.header)) {
      if (!event.contract.is_none() && !event.subject.empty())
        names[event.contract] = event.subject;
      else if (auto known = names.find(event.contract); known != names.end())
        event.subject = known->second;
      if (!options.contract.is_none() && event.contract != options.contract) continue;
      if (is_by_a_machine(event) && !options.nodes_too) continue;
      events.push_back(std::move(event));
    }
  }
  return events;
}

}  // namespace mcloud::bot
