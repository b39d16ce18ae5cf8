#include "bot/audit_bundle.h"

#include <set>

#include "crypto/hash.h"
#include "ledger/state/keys.h"
#include "ledger/tree/proof.h"
#include "mcloud/audit.pb.h"
#include "wire/canonical.h"

namespace mcloud::bot {
namespace {

constexpr std::string_view kMagic = "MCAUDIT1";
constexpr size_t kKeysAtOnce = 128;
constexpr std::string_view kIdentities = "identity/", kNodes = "node/", kContracts = "contract/";

Error denied(const std::string& what) { return make_error(Code::Denied, "audit bundle: " + what); }

Error too_large() {
  return make_error(Code::Exhausted, "the bundle would be larger than 256 MiB; name a contract or a time (--since, --until)");
}

// ---- making ------------------------------------------------------------------------------------

pb::AuditBlock evidence_of(const AuditedBlock& block) {
  pb::AuditBlock out;
  out.set_head(block.head.signed_header);
  for (const std::string& transaction : block.fetched.block.transactions())
    *out.mutable_transaction_hashes() += crypto::blake2b(transaction).view();
  out.set_results(block.fetched.results);
  for (uint32_t place : block.places) {
    pb::AuditTransaction& one = *out.add_transactions();
    one.set_place(place);
    one.set_transaction(block.fetched.block.transactions(static_cast<int>(place)));
  }
  return out;
}

// Whose names and which contracts readers will want.
std::set<Bytes> keys_of(const std::vector<AuditEvent>& events) {
  std::set<Bytes> keys;
  for (const AuditEvent& event : events) {
    keys.insert(ledger::keys::identity(event.who));
    keys.insert(ledger::keys::node(event.who));
    if (!event.contract.is_none()) keys.insert(ledger::keys::contract(event.contract));
    Result<NodeId> node = NodeId::from_hex(event.subject);
    if (node.has_value()) keys.insert(ledger::keys::node(*node));
  }
  return keys;
}

Status add_states(ledger::Client& client, const std::set<Bytes>& keys, pb::AuditBundle& bundle) {
  std::vector<Bytes> some;
  for (auto key = keys.begin(); key != keys.end();) {
    some.push_back(*key++);
    if (some.size() < kKeysAtOnce && key != keys.end()) continue;
    ledger::Snapshot snapshot = TRY(client.get(some));
    some.clear();
    pb::AuditState& state = *bundle.add_states();
    state.set_head(snapshot.signed_head);
    for (const ledger::Entry& entry : snapshot.entries) {
      if (!entry.value.has_value()) continue;
      pb::AuditRecord& record = *state.add_records();
      record.set_key(entry.key);
      record.set_value(*entry.value);
      record.set_proof(entry.proof);
    }
  }
  return {};
}

// ---- verifying ---------------------------------------------------------------------------------

class Verification {
 public:
  explicit Verification(const ledger::Trust& trust) : trust_(trust) {}

  Result<VerifiedBundle> run(const pb::AuditBundle& bundle) {
    if (bundle.chain_id() != trust_.chain_id)
      return denied("it is of the ledger " + bundle.chain_id() + ", not of " + trust_.chain_id);
    out_.chain_id = bundle.chain_id();
    out_.newest = TRY(ledger::verify_head(trust_, bundle.newest()).with_context("audit bundle: its newest block")).head;
    for (const pb::AuditState& state : bundle.states()) TRY(check_state(state));
    std::optional<uint64_t> before;
    for (const pb::AuditBlock& block : bundle.blocks()) TRY(check_block(block, before));
    return std::move(out_);
  }

 private:
  Status check_state(const pb::AuditState& state);
  Status check_block(const pb::AuditBlock& block, std::optional<uint64_t>& before);
  Status learn(const pb::AuditRecord& record);

  const ledger::Trust& trust_;
  VerifiedBundle out_;
  ContractNames names_;
};

Status Verification::check_state(const pb::AuditState& state) {
  ledger::VerifiedHead head = TRY(ledger::verify_head(trust_, state.head()).with_context("audit bundle: records"));
  for (const pb::AuditRecord& record : state.records()) {
    TRY(ledger::tree::verify_proof(head.head.state_hash, record.key(), record.value(), record.proof()));
    TRY(learn(record));
  }
  return {};
}

Status Verification::learn(const pb::AuditRecord& record) {
  BytesView key = record.key();
  if (key.starts_with(kIdentities)) {
    auto identity = TRY(wire::decode<pb::Identity>(record.value(), "identity"));
    PublicKey who = TRY(PublicKey::from_bytes(identity.key()));
    if (key == ledger::keys::identity(who)) out_.names[who] = identity.name();
  } else if (key.starts_with(kNodes)) {
    auto node = TRY(wire::decode<pb::Node>(record.value(), "node"));
    PublicKey who = TRY(PublicKey::from_bytes(node.key()));
    if (key == ledger::keys::node(who)) out_.names[who] = node.farm() + "/" + node.name();
  } else if (key.starts_with(kContracts)) {
    auto contract = TRY(wire::decode<pb::Contract>(record.value(), "contract"));
    ContractId id = TRY(ContractId::from_bytes(contract.id()));
    if (key != ledger::keys::contract(id)) return denied("a contract's record is another's");
    names_.learn(id, contract.name());
    out_.contracts.push_back(std::move(contract));
  }
  return {};
}

Status Verification::check_block(const pb::AuditBlock& block, std::optional<uint64_t>& before) {
  ledger::VerifiedHead head = TRY(ledger::verify_head(trust_, block.head()).with_context("audit bundle: a block"));
  uint64_t height = head.head.height;
  std::string name = "block " + std::to_string(height);
  if (before.has_value() && height <= *before) return denied(name + " comes after block " + std::to_string(*before));
  if (height > out_.newest.height) return denied(name + " is newer than the newest");
  before = height;
  BytesView hashes = block.transaction_hashes();
  bool is_named = hashes.size() % Hash::kSize == 0 &&
                  ledger::hash_of_transactions(hashes).view() == head.header.transactions_hash();
  if (!is_named) return denied(name + ": not the transactions that its validators signed");
  TRY(ledger::verify_results(head.header, block.results(), hashes.size() / Hash::kSize));
  std::optional<uint32_t> last;
  for (const pb::AuditTransaction& one : block.transactions()) {
    bool is_there = one.place() < block.results().size() && (!last.has_value() || one.place() > *last) &&
                    crypto::blake2b(one.transaction()).view() == hashes.substr(one.place() * Hash::kSize, Hash::kSize);
    if (!is_there) return denied(name + " has another transaction at place " + std::to_string(one.place()));
    last = one.place();
    std::optional<AuditEvent> event =
        event_of(one.transaction(), static_cast<uint8_t>(block.results()[one.place()]), head.header);
    if (!event.has_value()) return denied(name + ": a transaction does not decode");
    names_.apply(*event);
    out_.events.push_back(std::move(*event));
  }
  return {};
}

}  // namespace

Result<AuditBundle> make_bundle(LedgerView& view, const AuditOptions& options) {
  AuditBundle made;
  pb::AuditBundle bundle;
  bundle.set_chain_id(view.chain_id());
  size_t bytes = 0;
  TRY(walk_history(view, options, [&](AuditedBlock&& block) -> Status {
    *bundle.add_blocks() = evidence_of(block);
    bytes += bundle.blocks().rbegin()->ByteSizeLong();
    std::move(block.events.begin(), block.events.end(), std::back_inserter(made.events));
    return bytes <= kBundleBytesMax ? Status() : too_large();
  }));
  TRY(add_states(view.client(), keys_of(made.events), bundle));
  ledger::Snapshot newest = TRY(view.client().get({ledger::keys::parameters()}));
  bundle.set_newest(newest.signed_head);
  made.file = Bytes(kMagic) + wire::encode(bundle);
  if (made.file.size() > kBundleBytesMax) return too_large();
  return made;
}

Result<VerifiedBundle> verify_bundle(const ledger::Trust& trust, BytesView file) {
  if (!file.starts_with(kMagic)) return make_error(Code::Invalid, "not an audit bundle: it does not begin with MCAUDIT1");
  auto bundle = TRY(wire::decode<pb::AuditBundle>(file.substr(kMagic.size()), "audit bundle", kBundleBytesMax));
  return Verification(trust).run(bundle);
}

}  // namespace mcloud::bot
