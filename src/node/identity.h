// Who this node is: a key pair made at the first start, and its admission to the ledger.
#pragma once

#include <optional>
#include <string>

#include "crypto/sign.h"
#include "ledger/client/client.h"
#include "mcloud/ledger.pb.h"
#include "node/config.h"

namespace mcloud::node {

// The key in `path` (0600), made when absent. Never replaced: another key would be another node.
Result<crypto::SigningKey> load_or_create_key(const std::string& path);

// Signs actions in the sender's order. One thread.
class Sender {
 public:
  // Both are borrowed.
  Sender(ledger::Client& client, const crypto::SigningKey& key) : client_(client), key_(key) {}

  // Fills chain id, sender and sequence, signs, submits and waits. The error is the ledger's refusal or
  // what kept it from being asked; Conflict: the sequence was not ours to use, and the next try asks anew.
  Status send(pb::Transaction transaction);

 private:
  ledger::Client& client_;
  const crypto::SigningKey& key_;
  std::optional<uint64_t> next_sequence_;
};

// The node's record; admits the node with the config's token when there is none.
// Denied: there is no token, or it is used, expired or another chain's.
Result<pb::Node> ensure_admitted(const Config& config, ledger::Client& client, const crypto::SigningKey& key);

}  // namespace mcloud::node
