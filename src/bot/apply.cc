#include "bot/apply.h"

#include <algorithm>

#include "bot/decide.h"
#include "bot/send.h"
#include "contract/header.h"
#include "contract/secrets.h"
#include "crypto/box.h"
#include "crypto/hash.h"
#include "wallet/transactions.h"

namespace mcloud::bot {
namespace {

Result<wallet::SealedFor> put_keyring(LedgerView& view, const Draft& draft) {
  wallet::SealedFor sealed;
  if (!draft.compiled.header.sealed_secrets()) return sealed;
  Bytes keyring =
      TRY(make_keyring_bytes(view.chain_id(), draft.compiled.header, draft.compiled.secret_key, draft.readers));
  TRY(view.client().put_blob(keyring));
  sealed.keyring_hash = crypto::blake2b(keyring).bytes();
  sealed.nodes = draft.readers;
  return sealed;
}

Status submit(LedgerView& view, wallet::Wallet& wallet, const Draft& draft, const ApplyOptions& options,
              Progress& progress) {
  crypto::SigningKey owner = TRY(wallet.unlock(options.owner));
  TRY(view.client().put_blob(draft.compiled.body_bytes).with_context("store the body"));
  wallet::SealedFor sealed = TRY(put_keyring(view, draft).with_context("store the keyring"));
  bool update = draft.change == Draft::Change::Update;
  pb::Transaction action = update ? wallet::update_contract(draft.compiled.header_bytes, sealed)
                                  : wallet::submit_contract(draft.compiled.header_bytes, sealed);
  uint64_t height = TRY(send(view.client(), owner, action));
  progress.step("version " + std::to_string(draft.compiled.header.version()) + " submitted, block " +
                std::to_string(height));
  return {};
}

// The owner when the contract asks for it, and those who were named. Who has signed already is left out, so that an
// interrupted apply can be repeated.
Result<std::vector<std::string>> approvers(const wallet::Wallet& wallet, const wallet::Statement& statement,
                                           const pb::Contract& contract, const ApplyOptions& options) {
  std::vector<std::string> missing = TRY(local_signers(wallet, statement, contract));
  std::vector<std::string> chosen;
  for (const std::string& name : options.approve_as) {
    wallet::KeyInfo key = TRY(wallet.find(name));
    if (std::ranges::find(missing, key.name) != missing.end()) chosen.push_back(key.name);
  }
  wallet::KeyInfo owner = TRY(wallet.find(options.owner));
  bool asked = std::ranges::find(missing, owner.name) != missing.end();
  if (options.approve_own && asked) chosen.push_back(owner.name);
  std::ranges::sort(chosen);
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Result<bool> approve(LedgerView& view, wallet::Wallet& wallet, const Draft& draft, const ApplyOptions& options,
                     Progress& progress) {
  std::optional<pb::Contract> record = TRY(view.find_contract(draft.id));
  if (!record) return make_error(Code::NotFound, "contract " + draft.id.short_hex() + " is not on the ledger");
  if (record->proposed().state() != pb::CONTRACT_PENDING) return false;
  wallet::Statement statement = TRY(statement_about(view, *record, pb::DECISION_APPROVE));
  std::vector<std::string> names = TRY(approvers(wallet, statement, *record, options));
  if (names.empty()) return false;
  uint64_t height = TRY(decide_as(view, wallet, statement, names));
  progress.step("approved by " + joined(names) + ", block " + std::to_string(height));
  return true;
}

// The version that is there: which one is followed when nothing was submitted.
uint64_t version_there(const pb::Contract& record) {
  bool waits = record.proposed().state() == pb::CONTRACT_PENDING;
  return waits ? record.proposed().version() : record.current().version();
}

}  // namespace

Result<Applied> apply(LedgerView& view, wallet::Wallet& wallet, const Clock& clock, const Draft& draft,
                      const ApplyOptions& options, Progress& progress) {
  Applied applied;
  applied.change = draft.change;
  applied.version =
      draft.change == Draft::Change::None ? version_there(*draft.before) : draft.compiled.header.version();
  TRY(check_signers(view, wallet, draft.compiled.header, options.approve_as));  // before anything is sent
  if (draft.change != Draft::Change::None) TRY(submit(view, wallet, draft, options, progress));
  if (TRY(approve(view, wallet, draft, options, progress))) applied.approved_ms = clock.wall_ms();
  FollowOptions following{applied.version, options.wait_for_approvals, options.timeout_ms};
  if (!options.wait) {
    std::optional<pb::Contract> record = TRY(view.find_contract(draft.id));
    if (record) applied.status = TRY(contract_status(view, *record));
    return applied;
  }
  applied.status = TRY(follow(view, clock, draft.id, following, progress));
  if (applied.status.condition == Condition::Ready) applied.ready_ms = clock.wall_ms();
  return applied;
}

Result<bool> reseal(LedgerView& view, wallet::Wallet& wallet, const pb::Contract& contract, const std::string& owner) {
  pb::ContractHeader header = TRY(contract::decode_header(main_version(contract).header()));
  if (!header.sealed_secrets()) return make_error(Code::Invalid, "contract " + contract.name() + " has no secrets");
  crypto::SigningKey key = TRY(wallet.unlock(owner));
  if (key.public_key().view() != header.owner()) {
    return make_error(Code::Denied, "key " + owner + " does not own contract " + contract.name());
  }
  std::vector<pb::Node> nodes = TRY(view.nodes());
  std::vector<NodeId> readers = eligible_nodes(header, nodes);
  const auto& sealed_for = contract.has_current() ? contract.keyring_nodes() : contract.proposed_keyring_nodes();
  bool same = std::ranges::equal(readers, sealed_for,
                                 [](const NodeId& reader, const std::string& old) { return reader.view() == old; });
  if (same) return false;
  Bytes secret = contract::owner_secret_key(key, contract::secret_scope(view.chain_id(), header));
  Result<Bytes> keyring = make_keyring_bytes(view.chain_id(), header, secret, readers);
  crypto::wipe(secret);
  if (!keyring) return keyring.error();
  TRY(view.client().put_blob(*keyring));
  ContractId id = TRY(ContractId::from_bytes(contract.id()));
  TRY(send(view.client(), key, wallet::reseal(id, {crypto::blake2b(*keyring).bytes(), readers})));
  return true;
}

}  // namespace mcloud::bot
