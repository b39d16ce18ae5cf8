#include "bot/audit.h"

#include <algorithm>
#include <iterator>

#include "base/units.h"
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

constexpr size_t kTokenIdSize = 8;  // as `mcloud token list` shows it

std::string token_detail(const pb::SignedJoinToken& token) {
  auto inner = wire::decode<pb::JoinToken>(token.token(), "token");
  return inner ? "token " + to_hex(inner->nonce()).substr(0, kTokenIdSize) : "";
}

std::string parameters_detail(const pb::Parameters& to) {
  std::string text = "fence_after=" + format_duration_ms(to.fence_after_ms()) +
                     " mass_loss_window=" + format_duration_ms(to.mass_loss_window_ms()) +
                     " exclusion=" + format_duration_ms(to.exclusion_ms()) +
                     " tries_max=" + std::to_string(to.tries_max()) +
                     " governors: " + std::to_string(to.governors_size());
  if (to.next_logic_version() == 0) return text;
  return text + " logic " + std::to_string(to.next_logic_version()) + " from block " +
         std::to_string(to.next_logic_height());
}

void describe_name(const char* what, const std::string& name, AuditEvent& event) {
  event.what = what;
  event.subject = name;
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
      event.detail = token_detail(transaction.admit_node().token());
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
    case Kind::kSetParameters:
      event.what = "set-parameters";
      event.detail = parameters_detail(transaction.set_parameters().parameters());
      break;
    case Kind::kSuspect: describe_node("suspect", transaction.suspect().node(), event); break;
    case Kind::kRetry:
      describe_contract("retry", transaction.retry().contract(), event);
      event.detail = transaction.retry().workload();
      break;
    case Kind::kRevokeToken:
      event.what = "revoke-token";
      event.subject = transaction.revoke_token().farm();
      event.detail = "token " + to_hex(transaction.revoke_token().nonce()).substr(0, kTokenIdSize);
      break;
    case Kind::kPublishKeys: event.what = "publish-keys"; break;
    case Kind::kJoinNetwork:
      describe_contract("join-network", transaction.join_network().contract(), event);
      event.detail = transaction.join_network().name() + " to " + transaction.join_network().space();
      break;
    case Kind::kLeaveNetwork:
      describe_contract("leave-network", transaction.leave_network().contract(), event);
      event.detail = transaction.leave_network().name() + " from " + transaction.leave_network().space();
      break;
    case Kind::kBuyName: describe_name("buy-name", transaction.buy_name().name(), event); break;
    case Kind::kTransferName:
      describe_name("transfer-name", transaction.transfer_name().name(), event);
      event.detail = "to " + to_hex(transaction.transfer_name().to()).substr(0, 8);
      break;
    case Kind::kReleaseName: describe_name("release-name", transaction.release_name().name(), event); break;
    case Kind::ACTION_NOT_SET: event.what = "unknown"; break;
  }
}

bool is_by_a_machine(const AuditEvent& event) {
  return event.what == "report-results" || event.what == "suspect" || event.what == "publish-keys";
}

// The server's word about what a block holds and what became of it, against what its validators signed.
Status check_content(const FetchedBlock& fetched, const pb::BlockHeader& header) {
  std::string name = "block " + std::to_string(header.height());
  Bytes hashes;
  for (const std::string& transaction : fetched.block.transactions()) hashes += crypto::blake2b(transaction).view();
  if (ledger::hash_of_transactions(hashes).view() != header.transactions_hash())
    return make_error(Code::Denied, name + " does not hold the transactions its validators signed");
  bool fits = fetched.results.size() == static_cast<size_t>(fetched.block.transactions_size()) &&
              ledger::hash_of_results(fetched.results).view() == header.results_hash();
  if (!fits) return make_error(Code::Denied, name + " does not come with the results its validators signed");
  return {};
}

struct VerifiedBlock {
  FetchedBlock fetched;
  ledger::VerifiedHead head;
};

struct Blocks {
  std::unique_ptr<BlockSource> source;
  const ledger::Trust& trust;

  Result<VerifiedBlock> get(uint64_t height) const {
    VerifiedBlock block{TRY(source->get(height)), {}};
    block.head = TRY(ledger::verify_head(trust, wire::encode(block.fetched.block.head())));
    if (block.head.head.height == height) return block;
    return make_error(Code::Denied, "asked for block " + std::to_string(height) + ", got another");
  }
};

// Block time never goes back, so the first block that is not older is found by halving.
Result<uint64_t> first_since(const Blocks& blocks, uint64_t bottom, uint64_t top, uint64_t since_ms) {
  uint64_t end = top + 1;
  while (bottom < end) {
    uint64_t middle = bottom + (end - bottom) / 2;
    if (TRY(blocks.get(middle)).head.head.time_ms < since_ms) {
      bottom = middle + 1;
    } else {
      end = middle;
    }
  }
  return bottom;
}

bool fits(const AuditEvent& event, const AuditOptions& options) {
  if (!options.contract.is_none() && event.contract != options.contract) return false;
  if (!options.who.is_none() && event.who != options.who) return false;
  bool is_of_node = event.who.view() == options.node || event.subject == to_hex(options.node);
  if (!options.node.empty() && !is_of_node) return false;
  return options.nodes_too || !is_by_a_machine(event);
}

Result<AuditedBlock> events_in(const VerifiedBlock& verified, const AuditOptions& options, ContractNames& names) {
  TRY(check_content(verified.fetched, verified.head.header));
  AuditedBlock block{verified.fetched, verified.head, {}, {}};
  for (int i = 0; i < verified.fetched.block.transactions_size(); i++) {
    uint8_t result = static_cast<uint8_t>(verified.fetched.results[static_cast<size_t>(i)]);
    std::optional<AuditEvent> event = event_of(verified.fetched.block.transactions(i), result, verified.head.header);
    if (!event.has_value()) continue;
    names.apply(*event);
    if (!fits(*event, options)) continue;
    block.events.push_back(std::move(*event));
    block.places.push_back(static_cast<uint32_t>(i));
  }
  return block;
}

}  // namespace

void ContractNames::apply(AuditEvent& event) {
  if (event.contract.is_none()) return;
  if (!event.subject.empty()) {
    names_[event.contract] = event.subject;
  } else if (auto known = names_.find(event.contract); known != names_.end()) {
    event.subject = known->second;
  }
}

std::optional<AuditEvent> event_of(BytesView signed_transaction, uint8_t result, const pb::BlockHeader& header) {
  auto outer = wire::decode<pb::SignedTransaction>(signed_transaction, "signed transaction");
  auto inner = outer ? wire::decode<pb::Transaction>(outer->transaction(), "transaction") : outer.error();
  if (!inner) return std::nullopt;
  AuditEvent event;
  event.height = header.height();
  event.time_ms = header.time_ms();
  event.who = key_of(inner->sender());
  event.transaction = crypto::blake2b(signed_transaction);
  describe(*inner, event);
  std::optional<Code> refusal = ledger::refusal_of(result);
  event.refused = refusal.has_value();
  if (refusal.has_value()) event.refusal = std::string(code_name(*refusal));
  return event;
}

Result<std::vector<AuditEvent>> events_of(const FetchedBlock& fetched, const pb::BlockHeader& header) {
  TRY(check_content(fetched, header));
  std::vector<AuditEvent> events;
  for (int i = 0; i < fetched.block.transactions_size(); i++) {
    uint8_t result = static_cast<uint8_t>(fetched.results[static_cast<size_t>(i)]);
    if (auto event = event_of(fetched.block.transactions(i), result, header)) events.push_back(std::move(*event));
  }
  return events;
}

Result<uint64_t> walk_history(LedgerView& view, const AuditOptions& options, const std::function<Status(AuditedBlock&&)>& visit) {
  TRY(view.parameters());  // a verified head, so that nobody can hide the newest blocks below it
  uint64_t top = view.client().head().height;
  uint64_t bottom = top >= options.blocks_max ? top - options.blocks_max + 1 : 0;
  bottom = std::max(bottom, options.from);
  Blocks blocks{TRY(BlockSource::open(options.endpoints)), view.client().trust()};
  if (options.since_ms > 0) bottom = TRY(first_since(blocks, bottom, top, options.since_ms));
  ContractNames names;
  for (const pb::Contract& contract : TRY(view.contracts())) names.learn(contract_of(contract.id()), contract.name());
  for (uint64_t height = bottom; height <= top; height++) {
    VerifiedBlock verified = TRY(blocks.get(height));
    options.progress(height, top);
    if (verified.head.head.time_ms > options.until_ms) break;
    AuditedBlock block = TRY(events_in(verified, options, names));
    if (!block.events.empty()) TRY(visit(std::move(block)));
  }
  return top;
}

Result<std::vector<AuditEvent>> audit(LedgerView& view, const AuditOptions& options) {
  std::vector<AuditEvent> events;
  TRY(walk_history(view, options, [&](AuditedBlock&& block) -> Status {
    std::move(block.events.begin(), block.events.end(), std::back_inserter(events));
    return Status();
  }));
  return events;
}

}  // namespace mcloud::bot
