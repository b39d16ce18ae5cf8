#include "node/identity.h"

#include "base/log.h"
#include "io/file.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"

namespace mcloud::node {
namespace {

constexpr std::string_view kTransactionDomain = "mcloud/transaction";

Result<std::optional<pb::Node>> find_record(ledger::Client& client, const NodeId& id) {
  ledger::Snapshot snapshot = TRY(client.get({ledger::keys::node(id)}));
  if (snapshot.entries.size() != 1) return make_error(Code::Corrupt, "the ledger did not answer what was asked");
  if (!snapshot.entries[0].value) return std::optional<pb::Node>();
  return std::optional(TRY(wire::decode<pb::Node>(*snapshot.entries[0].value, "node record")));
}

}  // namespace

Result<crypto::SigningKey> load_or_create_key(const std::string& path) {
  if (io::exists(path)) {
    Bytes seed = TRY(io::read_file(path, 64));
    Result<crypto::SigningKey> key = crypto::SigningKey::from_seed(seed);
    return std::move(key).with_context(path);
  }
  crypto::SigningKey key = crypto::SigningKey::generate();
  TRY(io::write_file(path, key.seed(), io::Durability::Fsync, 0600));
  return key;
}

Status Sender::send(pb::Transaction transaction) {
  if (!next_sequence_) next_sequence_ = TRY(client_.next_sequence(key_.public_key()));
  transaction.set_chain_id(client_.trust().chain_id);
  transaction.set_sender(key_.public_key().bytes());
  transaction.set_sequence(*next_sequence_);
  // Whatever happens below, only a clean execution tells us the next one.
  uint64_t used = *next_sequence_;
  next_sequence_.reset();
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_transaction(wire::encode(transaction));
  signed_transaction.set_signature(key_.sign(kTransactionDomain, signed_transaction.transaction()));
  auto outcomes = TRY(client_.submit({wire::encode(signed_transaction)}));
  if (outcomes.size() != 1) return make_error(Code::Corrupt, "the ledger did not answer what was asked");
  const ledger::TransactionResult& result = outcomes[0].result;
  if (!result.ok) return make_error(result.code, result.message);
  next_sequence_ = used + 1;
  return {};
}

Result<pb::Node> ensure_admitted(const Config& config, ledger::Client& client, const crypto::SigningKey& key) {
  if (auto record = TRY(find_record(client, key.public_key()))) return *record;
  if (config.token.empty()) {
    return make_error(Code::Denied, "node " + key.public_key().hex() + " is not on the ledger and has no token to join with");
  }
  pb::Transaction transaction;
  pb::AdmitNode& admit = *transaction.mutable_admit_node();
  TRY(wire::decode_into(*admit.mutable_token(), config.token, "token", 64 << 10));
  admit.set_name(config.name);
  *admit.mutable_capacity() = TRY(offered_capacity(config));
  *admit.mutable_addresses() = config.addresses;
  for (const auto& [label, value] : config.labels) {
    pb::Label& added = *admit.add_labels();
    added.set_key(label);
    added.set_value(value);
  }
  Sender sender(client, key);
  Status sent = sender.send(std::move(transaction));
  // Sent before by a start that was killed while it waited: the record decides.
  auto record = TRY(find_record(client, key.public_key()));
  if (record) return *record;
  if (!sent.has_value()) return sent.error().with_context("join");
  return make_error(Code::Unavailable, "join: the ledger took it but has no record yet");
}

}  // namespace mcloud::node
