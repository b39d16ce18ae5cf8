#include "bot/draft.h"

#include <algorithm>
#include <filesystem>

#include "bot/resolver.h"
#include "contract/header.h"
#include "contract/parse.h"
#include "contract/secrets.h"
#include "crypto/box.h"
#include "io/file.h"
#include "wire/canonical.h"

namespace mcloud::bot {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

// The version a new one is compared with.
struct Base {
  pb::ContractHeader header;
  std::optional<pb::ContractBody> body;  // unset when it was erased
};

std::string folder_of(const std::string& path) {
  std::error_code failed;
  std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  return failed ? "." : absolute.parent_path().string();
}

Result<std::optional<Base>> load_base(LedgerView& view, const pb::Contract& record) {
  bool waits = record.proposed().state() == pb::CONTRACT_PENDING;
  if (!waits && !record.has_current()) return std::optional<Base>();
  Base base;
  base.header = TRY(contract::decode_header(waits ? record.proposed().header() : record.current().header()));
  Hash hash = TRY(Hash::from_bytes(base.header.body_hash()));
  Result<Bytes> bytes = view.client().get_blob(hash);
  if (!bytes && bytes.error().code != Code::NotFound) return bytes.error();
  if (bytes) base.body = TRY(contract::decode_body(base.header, *bytes));
  return std::optional(std::move(base));
}

// Approvals, networks and facets are compared with the rest by diff(); what it leaves out does not make a new version.
bool is_same(const Base& base, const contract::Compiled& compiled, contract::Diff& diff) {
  if (!base.body) {
    diff = contract::diff_from_nothing({compiled.header, compiled.body});
    return false;
  }
  diff = contract::diff({base.header, *base.body}, {compiled.header, compiled.body});
  return diff.empty();
}

class Drafting {
 public:
  Drafting(LedgerView& view, wallet::Wallet& wallet, const Clock& clock, const DraftSource& source)
      : view_(view), wallet_(wallet), clock_(clock), source_(source) {}

  Result<DraftOutcome> run() {
    FileOutcome file = TRY(read_contract(source_.file));
    if (!file.contract) return DraftOutcome{std::nullopt, std::move(file.diagnostics)};
    wallet::KeyInfo owner = TRY(wallet_.find(source_.owner));
    TRY(check_registered(owner));
    TRY(find_before(owner.public_key, file.contract->name.value));
    contract::CompileContext context = TRY(make_context(owner.public_key, contract::seals_secrets(*file.contract)));
    FileResolver resolver(view_, folder_of(source_.file.path));
    contract::CompileOutcome outcome = contract::compile(*file.contract, context, resolver);
    if (context.secret_key) crypto::wipe(*context.secret_key);
    if (!outcome.compiled) return DraftOutcome{std::nullopt, std::move(outcome.diagnostics)};
    draft_.compiled = std::move(*outcome.compiled);
    draft_.parameters = std::move(file.contract->parameters);
    TRY(compare());
    return DraftOutcome{std::move(draft_), {}};
  }

 private:
  Status check_registered(const wallet::KeyInfo& owner) {
    if (TRY(view_.find_identity(owner.public_key))) return {};
    return make_error(Code::Denied, "key " + owner.name +
                                        " is not registered on this ledger, so it can own no contract; a member"
                                        " vouches for it: mcloud identity register " +
                                        owner.name + " --key MEMBER");
  }

  Status find_before(const PublicKey& owner, const std::string& name) {
    std::optional<pb::Contract> found = TRY(view_.find_contract(owner, name));
    if (!found || !is_live(*found)) return {};
    draft_.before = std::move(found);
    base_ = TRY(load_base(view_, *draft_.before));
    return {};
  }

  Result<contract::CompileContext> make_context(const PublicKey& owner, bool secrets) {
    contract::CompileContext context;
    context.chain_id = view_.chain_id();
    context.owner = owner;
    context.nonce = base_ ? base_->header.nonce() : crypto::random_bytes(contract::kNonceSize);
    context.version = 1;
    if (draft_.before) {
      context.version = std::max(draft_.before->current().version(), draft_.before->proposed().version()) + 1;
    }
    context.now_ms = std::max(clock_.wall_ms(), view_.client().head().time_ms);
    if (base_ && base_->body) context.previous_body = &*base_->body;
    draft_.id = contract::contract_id(owner, context.nonce);
    if (secrets) {
      crypto::SigningKey key = TRY(wallet_.unlock(source_.owner));
      context.secret_key = contract::owner_secret_key(key, {context.chain_id, owner, context.nonce});
    }
    return context;
  }

  Status compare() {
    const pb::ContractHeader& header = draft_.compiled.header;
    std::vector<pb::Workload> existing;
    draft_.change = Draft::Change::Create;
    if (base_) {
      bool same = is_same(*base_, draft_.compiled, draft_.diff);
      draft_.change = same ? Draft::Change::None : Draft::Change::Update;
      existing = TRY(view_.workloads(draft_.id));
    } else {
      draft_.diff = contract::diff_from_nothing({header, draft_.compiled.body});
    }
    std::vector<pb::Node> nodes = TRY(view_.nodes());
    if (header.sealed_secrets()) draft_.readers = eligible_nodes(header, nodes);
    if (draft_.change == Draft::Change::None) find_not_readers();
    draft_.forecast = forecast(draft_.id, header, nodes, existing, draft_.readers);
    return {};
  }

  void find_not_readers() {
    bool waits = draft_.before->proposed().state() == pb::CONTRACT_PENDING;
    const auto& sealed_for = waits ? draft_.before->proposed_keyring_nodes() : draft_.before->keyring_nodes();
    for (const NodeId& reader : draft_.readers) {
      bool known = std::ranges::any_of(sealed_for, [&](const std::string& node) { return node == reader.view(); });
      if (!known) draft_.not_readers.push_back(reader);
    }
  }

  LedgerView& view_;
  wallet::Wallet& wallet_;
  const Clock& clock_;
  const DraftSource& source_;
  std::optional<Base> base_;
  Draft draft_;
};

}  // namespace

Result<FileOutcome> read_contract(const ContractFile& file) {
  std::string text = TRY(io::read_file(file.path, kFileBytesMax));
  contract::Surroundings around;
  for (const std::string& assignment : file.assignments) TRY(contract::add_assignment(around.values, assignment));
  if (!file.values_path.empty()) {
    std::string values = TRY(io::read_file(file.values_path, kFileBytesMax));
    TRY(contract::add_values_file(around.values, values, file.values_path));
  }
  around.read_fragment = [folder = folder_of(file.path)](const std::string& path) {
    return io::read_file(folder + "/" + path, kFileBytesMax);
  };
  contract::ParseOutcome outcome = contract::parse_contract(text, file.path, around);
  return FileOutcome{std::move(outcome.contract), std::move(outcome.diagnostics)};
}

Result<DraftOutcome> make_draft(LedgerView& view, wallet::Wallet& wallet, const Clock& clock,
                                const DraftSource& source) {
  return Drafting(view, wallet, clock, source).run();
}

Result<Bytes> make_keyring_bytes(std::string_view chain_id, const pb::ContractHeader& header, BytesView secret_key,
                                 const std::vector<NodeId>& readers) {
  constexpr uint64_t kGeneration = 1;  // the key follows from the owner's, so it never changes
  contract::SecretScope scope = contract::secret_scope(chain_id, header);
  pb::Keyring keyring = TRY(contract::make_keyring(scope, secret_key, kGeneration, readers));
  return wire::encode(keyring);
}

}  // namespace mcloud::bot
