#include "ledger/client/client.h"

#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/hash.h"
#include "io/file.h"
#include "ledger/client/endpoints.h"
#include "ledger/client/reply.h"
#include "ledger/state/keys.h"
#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

using nlohmann::json;
using Connection = Endpoints::Connection;

constexpr size_t kKeysMax = 256;
constexpr size_t kSubmitMax = 100;
constexpr size_t kGetKeysBytesMax = 4 << 10;  // longer lists of keys go in a body
constexpr int kListTries = 3;                 // against states that are gone before the last page
constexpr size_t kListEntriesMax = 1'000'000;

void pause_ms(uint64_t ms) { ::poll(nullptr, 0, static_cast<int>(std::min<uint64_t>(ms, 60'000))); }

class VerifyingClient final : public Client {
 public:
  VerifyingClient(const Options& options, Endpoints endpoints, const Clock& clock)
      : options_(options), endpoints_(std::move(endpoints)), clock_(clock) {}

  Status load();

  const Trust& trust() const override { return options_.trust; }
  Head head() const override { return head_; }
  uint64_t last_contact_ms() const override { return last_contact_ms_; }

  Result<Snapshot> get(const std::vector<Bytes>& keys) override;
  Result<Snapshot> list(BytesView prefix) override;
  Result<std::vector<SubmitOutcome>> submit(const std::vector<Bytes>& signed_transactions) override;
  Result<uint64_t> next_sequence(const PublicKey& sender) override;
  Status put_blob(BytesView bytes) override;
  Result<Bytes> get_blob(const Hash& hash) override;
  Status send_heartbeat(const pb::SignedHeartbeat& heartbeat) override;
  Result<std::optional<Head>> wait_for_head(uint64_t above, uint64_t timeout_ms) override;

 private:
  // Moves on to a verified head. Unavailable when it is behind what was verified before, Denied when it is another
  // block of the same height.
  Status accept(const VerifiedHead& head);
  // Of a block that need not be the newest.
  Status learn(const VerifiedHead& head);
  // Before anything of the newest head is acted upon.
  Status remember();
  Result<VerifiedEntries> page(Connection& connection, BytesView prefix, BytesView after,
                               std::optional<uint64_t> height);
  Result<std::vector<Entry>> whole_list(Connection& connection, BytesView prefix);
  Status poll(Connection& connection, uint64_t above, uint64_t wait_ms, bool& came);

  const Options options_;
  Endpoints endpoints_;
  const Clock& clock_;
  Head head_;
  bool has_head_ = false;
  Bytes head_bytes_;  // the SignedBlockHeader of head_, as it is remembered
  uint64_t remembered_height_ = 0;
  bool has_remembered_ = false;
  uint64_t last_contact_ms_ = 0;
};

// The file holds the signed header itself, so it proves itself when it is read.
Status VerifyingClient::load() {
  if (options_.state_file.empty() || !io::exists(options_.state_file)) return {};
  Bytes bytes = TRY(io::read_file(options_.state_file, kHeadBytesMax));
  Result<VerifiedHead> head = verify_head(options_.trust, bytes);
  if (!head.has_value()) {
    return make_error(Code::Corrupt, options_.state_file + ": not a signed head of chain \"" + options_.trust.chain_id +
                                         "\" (" + head.error().message + "); it guards against old states, so remove " +
                                         "it only if the chain itself was made anew");
  }
  head_ = head->head;
  head_bytes_ = std::move(bytes);
  has_head_ = has_remembered_ = true;
  remembered_height_ = head_.height;
  return {};
}

Status VerifyingClient::learn(const VerifiedHead& head) {
  if (has_head_ && head.head.height == head_.height && head.head.hash != head_.hash) {
    return make_error(Code::Denied, "validators signed two different blocks of height " + std::to_string(head_.height) +
                                        ": " + head_.hash.hex() + " and " + head.head.hash.hex());
  }
  last_contact_ms_ = clock_.monotonic_ms();
  if (has_head_ && head.head.height <= head_.height) return {};
  head_ = head.head;
  head_bytes_ = head.signed_header;
  has_head_ = true;
  return {};
}

Status VerifyingClient::accept(const VerifiedHead& head) {
  if (has_head_ && head.head.height < head_.height) {
    return make_error(Code::Unavailable, "the server is at height " + std::to_string(head.head.height) + ", behind " +
                                             std::to_string(head_.height) + " that was seen before");
  }
  return learn(head);
}

Status VerifyingClient::remember() {
  if (options_.state_file.empty() || !has_head_) return {};
  if (has_remembered_ && remembered_height_ == head_.height) return {};
  TRY(io::write_file(options_.state_file, head_bytes_, io::Durability::Fsync, 0600));
  remembered_height_ = head_.height;
  has_remembered_ = true;
  return {};
}

Result<Snapshot> VerifyingClient::get(const std::vector<Bytes>& keys) {
  if (keys.empty() || keys.size() > kKeysMax) {
    return make_error(Code::Invalid, std::to_string(keys.size()) + " keys were asked for, 1 to 256 are allowed");
  }
  std::string joined;
  json list = json::array();
  for (const Bytes& key : keys) {
    joined += (joined.empty() ? "" : ",") + to_hex(key);
    list.push_back(to_hex(key));
  }
  Snapshot snapshot;
  TRY(endpoints_.attempt([&](Connection& connection) -> Status {
    bool is_short = joined.size() <= kGetKeysBytesMax;
    std::string body =
        TRY(body_of(is_short ? connection.http->get("/v1/state?keys=" + joined)
                             : connection.http->post_json("/v1/state", wire::json_text({{"keys", list}}))));
    VerifiedEntries verified = TRY(verify_state_reply(options_.trust, keys, body));
    TRY(accept(verified.head));
    snapshot = {verified.head.head, std::move(verified.entries), std::move(verified.head.signed_header)};
    return {};
  }));
  TRY(remember());
  return snapshot;
}

Result<VerifiedEntries> VerifyingClient::page(Connection& connection, BytesView prefix, BytesView after,
                                              std::optional<uint64_t> height) {
  std::string target = "/v1/list?prefix=" + to_hex(prefix);
  if (!after.empty()) target += "&after=" + to_hex(after);
  if (height.has_value()) target += "&height=" + std::to_string(*height);
  std::string body = TRY(body_of(connection.http->get(target)));
  VerifiedEntries verified = TRY(verify_list_reply(options_.trust, prefix, after, body));
  if (height.has_value() && verified.head.head.height != *height) {
    return make_error(Code::Denied, "the server changed the height in the middle of a list");
  }
  return verified;
}

Result<std::vector<Entry>> VerifyingClient::whole_list(Connection& connection, BytesView prefix) {
  VerifiedEntries first = TRY(page(connection, prefix, "", std::nullopt));
  TRY(accept(first.head));
  std::vector<Entry> entries = std::move(first.entries);
  for (bool more = first.more; more;) {
    VerifiedEntries next = TRY(page(connection, prefix, entries.back().key, first.head.head.height));
    std::move(next.entries.begin(), next.entries.end(), std::back_inserter(entries));
    more = next.more;
    if (entries.size() > kListEntriesMax) return make_error(Code::Exhausted, "a list has more than a million entries");
  }
  return entries;
}

Result<Snapshot> VerifyingClient::list(BytesView prefix) {
  Snapshot snapshot;
  TRY(endpoints_.attempt([&](Connection& connection) -> Status {
    for (int tries_left = kListTries;; --tries_left) {
      Result<std::vector<Entry>> entries = whole_list(connection, prefix);
      bool is_gone = !entries.has_value() && entries.error().code == Code::NotFound;
      if (is_gone && tries_left > 1) continue;
      if (is_gone) return make_error(Code::Unavailable, "the state changes faster than the list is read; try again");
      snapshot.entries = TRY(std::move(entries));
      snapshot.head = head_;
      return {};
    }
  }));
  TRY(remember());
  return snapshot;
}

Result<std::vector<SubmitOutcome>> VerifyingClient::submit(const std::vector<Bytes>& signed_transactions) {
  if (signed_transactions.empty() || signed_transactions.size() > kSubmitMax) {
    return make_error(Code::Invalid, std::to_string(signed_transactions.size()) +
                                         " transactions were given, 1 to 100 are allowed in one submission");
  }
  json list = json::array();
  for (const Bytes& transaction : signed_transactions) list.push_back(to_base64(transaction));
  std::string body = wire::json_text({{"transactions", std::move(list)}, {"wait", true}, {"prove", true}});
  std::vector<SubmitOutcome> outcomes;
  Status unknown;  // set once the transactions may have reached a server: then no other is asked
  TRY(endpoints_.attempt([&](Connection& connection) -> Status {
    bool came = false;
    TRY(poll(connection, 0, 0, came));  // whether it can be reached, before anything is sent that counts
    Result<wire::HttpResponse> response = connection.http->post_json("/v1/transactions", body);
    if (!response.has_value() || response->body.empty()) {
      unknown = make_error(Code::TimedOut,
                           "the transactions were sent, but no answer came, so whether they were "
                           "executed is not known" +
                               (response.has_value() ? "" : ": " + response.error().message));
      return {};
    }
    std::string text = TRY(body_of(std::move(response)));
    Result<VerifiedOutcomes> verified = verify_submit_reply(options_.trust, signed_transactions, text);
    if (!verified.has_value()) {
      unknown = verified.error();
      return {};
    }
    for (const VerifiedHead& head : verified->heads) TRY(learn(head));
    outcomes = std::move(verified->outcomes);
    return {};
  }));
  // What was executed is told even if the disk refuses; the next read says so then.
  static_cast<void>(remember());
  TRY(std::move(unknown));
  return outcomes;
}

Result<uint64_t> VerifyingClient::next_sequence(const PublicKey& sender) {
  Snapshot snapshot = TRY(get({keys::sequence(sender)}));
  auto sequence = TRY(wire::decode<pb::Sequence>(snapshot.entries[0].value.value_or(""), "sequence"));
  return sequence.last() + 1;
}

Status VerifyingClient::put_blob(BytesView bytes) {
  Hash hash = crypto::blake2b(bytes);
  return endpoints_.attempt([&](Connection& connection) -> Status {
    wire::HttpRequest request;
    request.method = "PUT";
    request.target = "/v1/blobs";
    request.headers["content-type"] = "application/octet-stream";
    request.body = bytes;
    std::string body = TRY(body_of(connection.http->send(request)));
    json answer = TRY(wire::parse_json(body, 4096, 2));
    std::string stored = TRY(wire::json_string(answer, "hash"));
    if (stored != hash.hex()) return make_error(Code::Denied, "the server stored other bytes than were sent");
    return {};
  });
}

Result<Bytes> VerifyingClient::get_blob(const Hash& hash) {
  Bytes bytes;
  TRY(endpoints_.attempt([&](Connection& connection) -> Status {
    bytes = TRY(body_of(connection.http->get("/v1/blobs/" + hash.hex())));
    if (crypto::blake2b(bytes) != hash)
      return make_error(Code::Denied, "the server sent other bytes than blob " + hash.hex());
    return {};
  }));
  return bytes;
}

Status VerifyingClient::send_heartbeat(const pb::SignedHeartbeat& heartbeat) {
  return endpoints_.attempt([&](Connection& connection) -> Status {
    wire::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/heartbeats";
    request.headers["content-type"] = "application/octet-stream";
    request.body = wire::encode(heartbeat);
    TRY(body_of(connection.http->send(request)));
    return {};
  });
}

// `wait_ms` 0: the newest head, whatever it is.
Status VerifyingClient::poll(Connection& connection, uint64_t above, uint64_t wait_ms, bool& came) {
  std::string target = "/v1/head";
  if (wait_ms > 0) target += "?above=" + std::to_string(above) + "&wait_ms=" + std::to_string(wait_ms);
  std::string body = TRY(
      body_of(wait_ms > 0 ? endpoints_.poll_client(connection, wait_ms)->get(target) : connection.http->get(target)));
  std::optional<VerifiedHead> head = TRY(verify_head_reply(options_.trust, body));
  came = head.has_value();
  if (came) return accept(*head);
  if (wait_ms == 0) return make_error(Code::Denied, "the server has no head");
  last_contact_ms_ = clock_.monotonic_ms();
  return {};
}

Result<std::optional<Head>> VerifyingClient::wait_for_head(uint64_t above, uint64_t timeout_ms) {
  uint64_t deadline_ms = clock_.monotonic_ms() + timeout_ms;
  while (true) {
    if (has_head_ && head_.height > above) return std::optional<Head>(head_);
    uint64_t now_ms = clock_.monotonic_ms();
    if (now_ms >= deadline_ms) return std::optional<Head>();
    uint64_t wait_ms = std::min(deadline_ms - now_ms, kPollMaxMs);
    bool came = false;
    Status polled = endpoints_.attempt([&](Connection& connection) { return poll(connection, above, wait_ms, came); });
    if (polled.has_value()) continue;
    uint64_t rest_ms = std::max<uint64_t>(endpoints_.rest_ms(), 1);
    if (clock_.monotonic_ms() + rest_ms >= deadline_ms) return polled.error();
    pause_ms(rest_ms);
  }
}

}  // namespace

Result<std::unique_ptr<Client>> Client::open(const Options& options, const Clock& clock) {
  Endpoints endpoints = TRY(Endpoints::open(options.endpoints, options.timeout_ms, clock));
  auto client = std::make_unique<VerifyingClient>(options, std::move(endpoints), clock);
  TRY(client->load());
  return std::unique_ptr<Client>(std::move(client));
}

}  // namespace mcloud::ledger
