// What a command works with: where it prints, whose keys there are, which ledger is meant. Everything is opened when it
// is first asked for, so that `key list` needs no cluster. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/world.h"
#include "bot/ledger_view.h"
#include "cli/context.h"
#include "cli/output.h"
#include "wallet/wallet.h"

namespace mcloud::cli {

// What every command takes, before or after its words.
struct Globals {
  bool json = false;
  std::string cluster;  // folder of a local cluster
  std::string ledger;   // instead: "http://host:port", with
  std::string trust;    // the file that says which validators are trusted
  std::string key;      // whose key signs
};

class Desk {
 public:
  Desk(const Globals& globals, Output& out);
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  Output& out() { return out_; }
  const Clock& clock() const;
  const Globals& globals() const { return globals_; }

  // --cluster, else MCLOUD_CLUSTER, else the default folder; it need not be there.
  const std::string& cluster_folder() const { return cluster_folder_; }

  // The user's own keys, then those of the local cluster.
  wallet::Wallet& wallet();
  // Unavailable when there is no cluster and no ledger was named.
  Result<const Context*> context();
  // Reads it again: publications come and go.
  Result<const Context*> fresh_context();
  // A verified view of that ledger. Its client waits at most 30 s per call.
  Result<bot::LedgerView*> ledger();
  bool has_asked_ledger() const;
  // From now on a call waits that long at most: for those who would rather know soon that it does not answer.
  void set_ledger_timeout_ms(uint64_t timeout_ms);

  // What --key or MCLOUD_KEY says; "" when neither does.
  std::string named_key() const;
  // The name of the key that signs: --key, MCLOUD_KEY, the cluster's default, or the only one there is.
  Result<std::string> key_name();
  // Its public half, for telling one's own contracts from others'; none when no key can be named. NotFound when the one
  // that was named is not here.
  Result<PublicKey> own_key();
  // Of a command that did what it was asked and whose answer is "no" (`network why`); 0 otherwise.
  void set_exit_status(int status) { exit_status_ = status; }
  int exit_status() const { return exit_status_; }

  // By name or the beginning of its id; of several with one name, the own one.
  Result<pb::Contract> get_contract(std::string_view reference);

 private:
  struct Inside;
  Globals globals_;
  Output& out_;
  std::string cluster_folder_;
  std::unique_ptr<Inside> inside_;
  int exit_status_ = 0;
};

}  // namespace mcloud::cli
