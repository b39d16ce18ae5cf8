#include "cli/desk.h"

#include <cstdlib>

#include "io/clock.h"
#include "io/file.h"

namespace mcloud::cli {
namespace {

constexpr uint64_t kLedgerTimeoutMs = 30'000;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string default_cluster_folder() {
  if (std::string data = environment("XDG_DATA_HOME"); !data.empty()) return data + "/mcloud/clusters/default";
  std::string home = environment("HOME");
  return (home.empty() ? "/root" : home) + "/.local/share/mcloud/clusters/default";
}

}  // namespace

struct Desk::Inside {
  io::SystemClock clock;
  wallet::TerminalPassphrase passphrases;
  std::unique_ptr<wallet::Wallet> wallet;
  std::optional<Context> context;
  std::unique_ptr<ledger::Client> client;
  std::unique_ptr<bot::LedgerView> view;
  uint64_t ledger_timeout_ms = kLedgerTimeoutMs;
};

Desk::Desk(const Globals& globals, Output& out) : globals_(globals), out_(out), inside_(std::make_unique<Inside>()) {
  cluster_folder_ = globals_.cluster.empty() ? environment("MCLOUD_CLUSTER") : globals_.cluster;
  if (cluster_folder_.empty()) cluster_folder_ = default_cluster_folder();
}

Desk::~Desk() = default;

const Clock& Desk::clock() const { return inside_->clock; }

wallet::Wallet& Desk::wallet() {
  if (!inside_->wallet) {
    std::vector<std::string> folders = {wallet::default_key_folder(), cluster_folder_ + "/keys"};
    inside_->wallet = std::make_unique<wallet::Wallet>(folders, inside_->passphrases);
  }
  return *inside_->wallet;
}

Result<const Context*> Desk::context() {
  if (!inside_->context) {
    bool remote = !globals_.ledger.empty();
    inside_->context =
        remote ? TRY(remote_context(globals_.ledger, globals_.trust)) : TRY(local_context(cluster_folder_));
  }
  return &*inside_->context;
}

Result<const Context*> Desk::fresh_context() {
  inside_->context.reset();
  return context();
}

Result<bot::LedgerView*> Desk::ledger() {
  if (!inside_->view) {
    const Context* where = TRY(context());
    bool stopped = where->is_local && !io::exists(cluster_folder_ + "/control.sock");
    if (stopped)
      return make_error(Code::Unavailable,
                        "the cluster in " + cluster_folder_ + " does not run; start it: mcloud cluster up --detach");
    ledger::Client::Options options;
    options.endpoints = where->ledger;
    options.trust = where->trust;
    options.state_file = where->head_file;
    options.timeout_ms = inside_->ledger_timeout_ms;
    inside_->client = TRY(ledger::Client::open(options, inside_->clock));
    inside_->view = std::make_unique<bot::LedgerView>(*inside_->client);
  }
  return inside_->view.get();
}

std::string Desk::named_key() const { return globals_.key.empty() ? environment("MCLOUD_KEY") : globals_.key; }

Result<std::string> Desk::key_name() {
  std::string chosen = named_key();
  if (!chosen.empty()) return TRY(wallet().find(chosen)).name;
  if (Result<const Context*> where = context(); where && !(*where)->default_key.empty()) {
    if (Result<wallet::KeyInfo> key = wallet().find((*where)->default_key)) return key->name;
  }
  std::vector<wallet::KeyInfo> keys = TRY(wallet().list());
  if (keys.size() == 1) return keys[0].name;
  if (keys.empty()) return make_error(Code::NotFound, "there is no key to sign with; make one: mcloud key new NAME");
  std::string names;
  for (const wallet::KeyInfo& key : keys) names += (names.empty() ? "" : ", ") + key.name;
  return make_error(Code::Invalid, "which key shall sign? say --key NAME; there are: " + names);
}

Result<PublicKey> Desk::own_key() {
  if (std::string named = named_key(); !named.empty()) return TRY(wallet().find(named)).public_key;
  Result<std::string> name = key_name();
  if (!name) return PublicKey();
  Result<wallet::KeyInfo> key = wallet().find(*name);
  return key ? key->public_key : PublicKey();
}

Result<pb::Contract> Desk::get_contract(std::string_view reference) {
  bot::LedgerView* view = TRY(ledger());
  PublicKey own = TRY(own_key());
  return view->get_contract(reference, own);
}

bool Desk::has_asked_ledger() const { return inside_->view != nullptr; }

void Desk::set_ledger_timeout_ms(uint64_t timeout_ms) { inside_->ledger_timeout_ms = timeout_ms; }

}  // namespace mcloud::cli
