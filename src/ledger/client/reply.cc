#include "ledger/client/reply.h"

#include <map>
#include <nlohmann/json.hpp>

#include "crypto/hash.h"
#include "ledger/application.h"
#include "ledger/client/planted.h"
#include "ledger/tree/proof.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

using nlohmann::json;

constexpr size_t kReplyBytesMax = 64 << 20;

Error denied(std::string message) { return make_error(Code::Denied, std::move(message)); }

// Whatever is wrong with an answer's form: it does not prove what it should.
template <typename T>
Result<T> or_denied(Result<T> result) {
  if (result.has_value()) return result;
  return denied("the server's answer: " + result.error().message);
}

Result<Bytes> bytes_member(const json& object, std::string_view name) {
  std::string text = TRY(wire::json_string(object, name));
  return from_base64(text).with_context(name);
}

Result<Entry> parse_entry(const json& object, const Hash& state_hash) {
  Entry entry;
  std::string hex = TRY(wire::json_string(object, "key"));
  entry.key = TRY(from_hex(hex));
  auto value = object.find("value");
  if (value == object.end()) return denied("an entry has no \"value\"");
  if (!value->is_null()) entry.value = TRY(bytes_member(object, "value"));
  entry.proof = TRY(bytes_member(object, "proof"));
  if (!planted::kAnyProof) TRY(tree::verify_proof(state_hash, entry.key, entry.value, entry.proof));
  return entry;
}

Result<VerifiedEntries> parse_entries(const Trust& trust, std::string_view body) {
  json answer = TRY(or_denied(wire::parse_json(body, kReplyBytesMax, 6)));
  VerifiedEntries verified;
  Bytes head = TRY(or_denied(bytes_member(answer, "head")));
  verified.head = TRY(verify_head(trust, head));
  const json* list = TRY(or_denied(wire::json_array(answer, "entries")));
  for (const json& object : *list) {
    verified.entries.push_back(TRY(or_denied(parse_entry(object, verified.head.head.state_hash))));
  }
  verified.more = TRY(or_denied(wire::json_bool(answer, "more")));
  return verified;
}

struct VerifiedBlock {
  VerifiedHead head;
  BlockEvidence evidence;
};
using Blocks = std::map<uint64_t, VerifiedBlock>;

Result<Blocks> parse_blocks(const Trust& trust, const json& answer) {
  Blocks blocks;
  for (const json& object : *TRY(wire::json_array(answer, "blocks"))) {
    VerifiedBlock block;
    block.evidence.head = TRY(bytes_member(object, "head"));
    block.evidence.transaction_hashes = TRY(bytes_member(object, "transactions"));
    block.evidence.results = TRY(bytes_member(object, "results"));
    block.head = TRY(verify_head(trust, block.evidence.head));
    uint64_t height = block.head.head.height;
    if (!blocks.emplace(height, std::move(block)).second) return denied("a block is given twice");
  }
  return blocks;
}

// The server's word, and for what it says was executed the proof of it.
Result<SubmitOutcome> parse_outcome(const json& object, const Bytes& transaction, const Blocks& blocks) {
  SubmitOutcome outcome;
  outcome.height = TRY(wire::json_u64(object, "height"));
  outcome.result.ok = TRY(wire::json_bool(object, "ok"));
  if (!outcome.result.ok) {
    std::string code = TRY(wire::json_string(object, "code"));
    outcome.result.code = code_from_name(code);
    if (code_name(outcome.result.code) != code) return denied("there is no code \"" + code.substr(0, 40) + "\"");
  }
  if (!outcome.result.ok || object.contains("message")) {
    outcome.result.message = TRY(wire::json_string(object, "message"));
  }
  if (outcome.height == 0) {
    if (outcome.result.ok) return denied("a transaction is said to be executed, but not where");
    return outcome;
  }
  auto block = blocks.find(outcome.height);
  if (block == blocks.end()) return denied("the evidence of block " + std::to_string(outcome.height) + " is missing");
  uint8_t result = TRY(verify_outcome(block->second.head, block->second.evidence, crypto::blake2b(transaction)));
  if (result != result_byte(outcome.result)) {
    return denied("block " + std::to_string(outcome.height) + " has another outcome than the server says");
  }
  return outcome;
}

}  // namespace

Result<VerifiedEntries> verify_state_reply(const Trust& trust, const std::vector<Bytes>& keys, std::string_view body) {
  VerifiedEntries verified = TRY(parse_entries(trust, body));
  bool is_complete = verified.entries.size() == keys.size();
  for (size_t i = 0; is_complete && i < keys.size(); ++i) is_complete = verified.entries[i].key == keys[i];
  if (!is_complete) return denied("the server answered for other keys than it was asked for");
  return verified;
}

Result<VerifiedEntries> verify_list_reply(const Trust& trust, BytesView prefix, BytesView after,
                                          std::string_view body) {
  VerifiedEntries verified = TRY(parse_entries(trust, body));
  BytesView last = after;
  for (const Entry& entry : verified.entries) {
    if (!entry.key.starts_with(prefix) || entry.key <= last || !entry.value.has_value()) {
      return denied("the server listed an entry that does not belong there");
    }
    last = entry.key;
  }
  if (verified.more && verified.entries.empty()) return denied("the server listed nothing, and more of it");
  return verified;
}

Result<std::optional<VerifiedHead>> verify_head_reply(const Trust& trust, std::string_view body) {
  json answer = TRY(or_denied(wire::parse_json(body, kReplyBytesMax, 2)));
  auto head = answer.find("head");
  if (head == answer.end()) return denied("the server's answer has no \"head\"");
  if (head->is_null()) return std::optional<VerifiedHead>();
  Bytes bytes = TRY(or_denied(bytes_member(answer, "head")));
  return std::optional<VerifiedHead>(TRY(verify_head(trust, bytes)));
}

Result<VerifiedOutcomes> verify_submit_reply(const Trust& trust, const std::vector<Bytes>& signed_transactions,
                                             std::string_view body) {
  json answer = TRY(or_denied(wire::parse_json(body, kReplyBytesMax, 6)));
  const json& results = *TRY(or_denied(wire::json_array(answer, "results")));
  if (results.size() != signed_transactions.size()) return denied("the server answered for other transactions");
  Blocks blocks = TRY(or_denied(parse_blocks(trust, answer)));
  VerifiedOutcomes verified;
  for (size_t i = 0; i < results.size(); ++i) {
    verified.outcomes.push_back(TRY(or_denied(parse_outcome(results[i], signed_transactions[i], blocks))));
  }
  for (auto& [height, block] : blocks) verified.heads.push_back(std::move(block.head));
  return verified;
}

}  // namespace mcloud::ledger
