#include "ledger/engine/api.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "ledger/engine/figures.h"
#include "ledger/engine/submit.h"
#include "ledger/state/keys.h"
#include "ledger/store/snapshot.h"
#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

using nlohmann::json;

constexpr uint64_t kHeadWaitMaxMs = 60'000;
constexpr size_t kSnapshotReplyMax = 64 << 20;
constexpr size_t kKeyBytesMax = 256;

Error invalid(std::string message) { return make_error(Code::Invalid, std::move(message)); }

wire::HttpAnswer reply(const json& value) {
  wire::HttpResponse response;
  response.body = wire::json_text(value);
  return response;
}

wire::HttpAnswer binary(Bytes bytes) {
  wire::HttpResponse response;
  response.content_type = "application/octet-stream";
  response.body = std::move(bytes);
  return response;
}

Result<uint64_t> number(std::string_view text, std::string_view what) {
  uint64_t value = 0;
  auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stopped != text.data() + text.size()) {
    return invalid(std::string(what) + " is not a whole number from 0");
  }
  return value;
}

Result<uint64_t> number_parameter(const wire::HttpRequest& request, std::string_view name, uint64_t otherwise) {
  std::optional<std::string> text = request.parameter(name);
  if (!text.has_value()) return otherwise;
  return number(*text, name);
}

Result<Bytes> key_of(std::string_view hex) {
  Bytes key = TRY(from_hex(hex).with_context("key"));
  if (key.size() > kKeyBytesMax) return invalid("a key is longer than 256 bytes");
  return key;
}

Result<Bytes> hex_parameter(const wire::HttpRequest& request, std::string_view name) {
  std::optional<std::string> text = request.parameter(name);
  if (!text.has_value()) return Bytes();
  return key_of(*text).with_context(name);
}

// What follows the prefix of a route.
std::string_view last_part(const wire::HttpRequest& request, std::string_view prefix) {
  return request.path().substr(prefix.size());
}

}  // namespace

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> routes = {
      {"POST", "/v1/transactions", &Api::submit},
      {"GET", "/v1/state", &Api::get_state},
      {"POST", "/v1/state", &Api::post_state},
      {"GET", "/v1/list", &Api::list},
      {"GET", "/v1/head", &Api::head},
      {"GET", "/v1/follow", &Api::follow},
      {"GET", "/v1/blocks/", &Api::block},
      {"PUT", "/v1/blobs", &Api::put_blob},
      {"POST", "/v1/blobs", &Api::put_blob},
      {"GET", "/v1/blobs/", &Api::get_blob},
      {"POST", "/v1/heartbeats", &Api::heartbeat},
      {"GET", "/v1/sequence", &Api::sequence},
      {"GET", "/v1/status", &Api::status},
      {"GET", "/v1/snapshot", &Api::snapshot},
      {"GET", "/metrics", &Api::metrics},
  };
  return routes;
}

wire::HttpAnswer Api::handle(const wire::HttpRequest& request) {
  bool is_known_path = false;
  for (const Route& route : routes()) {
    bool is_prefix = route.path.ends_with('/');
    bool matches = is_prefix ? request.path().starts_with(route.path) : request.path() == route.path;
    if (!matches) continue;
    is_known_path = true;
    if (route.method != request.method) continue;
    Answer answer = (this->*route.handler)(request);
    if (answer.has_value()) return std::move(*answer);
    return wire::error_response(answer.error());
  }
  std::string what = request.method + " " + std::string(request.path().substr(0, 200));
  return wire::error_response(is_known_path ? make_error(Code::Unsupported, what + ": this path has other methods")
                                            : make_error(Code::NotFound, what + ": there is no such path"));
}

Api::Answer Api::submit(const wire::HttpRequest& request) {
  return submit_transactions(parts_.engine, parts_.loop, request);
}

Result<Bytes> Api::head_at(uint64_t height) const {
  ChainTip tip = parts_.tip.copy();
  if (tip.head.height == height) return tip.signed_header;
  Bytes stored = TRY(parts_.blocks.read(height));
  StoredBlock parts = TRY(split_stored(stored));
  auto block = TRY(wire::decode<pb::Block>(parts.block, "block", kBlockBytesMax));
  return wire::encode(block.head());
}

Api::Answer Api::state_answer(Result<QueryAnswer> result) const {
  QueryAnswer answer = TRY(std::move(result));
  json entries = json::array();
  for (const StateEntry& entry : answer.entries) {
    json value = entry.value.has_value() ? json(to_base64(*entry.value)) : json(nullptr);
    entries.push_back({{"key", to_hex(entry.key)}, {"value", std::move(value)}, {"proof", to_base64(entry.proof)}});
  }
  Bytes head = TRY(head_at(answer.height));
  return reply({{"head", to_base64(head)}, {"entries", std::move(entries)}, {"more", answer.more}});
}

Api::Answer Api::get_state(const wire::HttpRequest& request) {
  std::optional<std::string> text = request.parameter("keys");
  if (!text.has_value()) return invalid("the parameter keys=HEX,HEX,... is missing");
  std::vector<Bytes> keys;
  for (std::string_view rest = *text;;) {
    size_t comma = rest.find(',');
    keys.push_back(TRY(key_of(rest.substr(0, comma))));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return state_answer(parts_.application.query(keys));
}

Api::Answer Api::post_state(const wire::HttpRequest& request) {
  json body = TRY(wire::parse_json(request.body, 1 << 20, 4));
  const json& list = *TRY(wire::json_array(body, "keys"));
  std::vector<Bytes> keys;
  for (const json& key : list) {
    if (!key.is_string()) return invalid("\"keys\" holds something that is not a string");
    keys.push_back(TRY(key_of(key.get_ref<const std::string&>())));
  }
  return state_answer(parts_.application.query(keys));
}

Api::Answer Api::list(const wire::HttpRequest& request) {
  Application::ListRequest wanted;
  wanted.prefix = TRY(hex_parameter(request, "prefix"));
  wanted.after = TRY(hex_parameter(request, "after"));
  wanted.limit = TRY(number_parameter(request, "limit", kQueryKeysMax));
  if (request.parameter("height").has_value()) wanted.height = TRY(number_parameter(request, "height", 0));
  return state_answer(parts_.application.list(wanted));
}

Api::Answer Api::head(const wire::HttpRequest& request) {
  uint64_t above = TRY(number_parameter(request, "above", 0));
  uint64_t wait_ms = std::min(TRY(number_parameter(request, "wait_ms", 0)), kHeadWaitMaxMs);
  bool waits = request.parameter("above").has_value();
  ChainTip tip = parts_.tip.copy();
  if (!waits || tip.head.height > above || wait_ms == 0) {
    wire::HttpResponse response;
    response.body = head_json(!waits || tip.head.height > above ? &tip : nullptr);
    return response;
  }
  uint64_t deadline_ms = parts_.clock.monotonic_ms() + wait_ms;
  return wire::HttpStreaming{
      "application/json", [this, above, deadline_ms](std::shared_ptr<wire::HttpStream> stream) {
        parts_.loop.post([this, above, deadline_ms, stream] { parts_.feed.wait(stream, above, deadline_ms); });
      }};
}

Api::Answer Api::follow(const wire::HttpRequest&) {
  return wire::HttpStreaming{"text/event-stream", [this](std::shared_ptr<wire::HttpStream> stream) {
                               parts_.loop.post([this, stream] { parts_.feed.follow(stream); });
                             }};
}

Api::Answer Api::block(const wire::HttpRequest& request) {
  uint64_t height = TRY(number(last_part(request, "/v1/blocks/"), "the height"));
  Bytes stored = TRY(parts_.blocks.read(height));
  StoredBlock parts = TRY(split_stored(stored));
  return reply({{"height", height}, {"block", to_base64(parts.block)}, {"results", to_base64(parts.results)}});
}

Api::Answer Api::put_blob(const wire::HttpRequest& request) {
  Hash hash = TRY(parts_.blobs.put(request.body));
  return reply({{"hash", hash.hex()}});
}

Api::Answer Api::get_blob(const wire::HttpRequest& request) {
  Hash hash = TRY(Hash::from_hex(last_part(request, "/v1/blobs/")));
  return binary(TRY(parts_.blobs.get(hash)));
}

Api::Answer Api::heartbeat(const wire::HttpRequest& request) {
  pb::Heartbeat beat = TRY(verify_heartbeat(request.body, parts_.folder.trust.chain_id));
  NodeId id = TRY(NodeId::from_bytes(beat.node()));
  std::optional<Bytes> record = TRY(parts_.state.view()->get(keys::node(id)));
  if (!record.has_value()) return make_error(Code::NotFound, "node " + id.short_hex() + " is not on the ledger");
  auto node = TRY(wire::decode<pb::Node>(*record, "node"));
  if (beat.node_epoch() > node.epoch()) {
    return make_error(Code::Conflict, "node " + id.short_hex() + " is in epoch " + std::to_string(node.epoch()) +
                                          ", the heartbeat says " + std::to_string(beat.node_epoch()));
  }
  if (node.state() != pb::NODE_ONLINE) {
    return make_error(Code::Conflict, "node " + id.short_hex() + " is fenced since epoch " +
                                          std::to_string(node.epoch()) + ": it must rejoin");
  }
  // A heartbeat of an earlier epoch counts: the machine lives, its news of a rejoin is just late.
  parts_.loop.post([this, id, counter = beat.counter()] { parts_.watch.heartbeat(id, counter); });
  return reply({{"epoch", node.epoch()}, {"state", "online"}});
}

Api::Answer Api::sequence(const wire::HttpRequest& request) {
  PublicKey key = TRY(PublicKey::from_hex(request.parameter("key").value_or("")));
  Bytes record = TRY(parts_.state.view()->get(keys::sequence(key))).value_or("");
  auto sequence = TRY(wire::decode<pb::Sequence>(record, "sequence"));
  return reply({{"next", sequence.last() + 1}});
}

Api::Answer Api::status(const wire::HttpRequest&) {
  ChainTip tip = parts_.tip.copy();
  Status failure = parts_.engine.failure();
  Solo::Figures figures = parts_.engine.figures();
  return reply({{"chain_id", parts_.folder.trust.chain_id},
                {"engine", "solo"},
                {"height", tip.head.height},
                {"time_ms", tip.head.time_ms},
                {"block_hash", tip.head.hash.hex()},
                {"state_hash", tip.head.state_hash.hex()},
                {"logic_version_known", kLogicVersion},
                {"waiting_transactions", figures.mempool_transactions},
                {"healthy", failure.has_value()},
                {"reason", failure.has_value() ? "" : failure.error().message}});
}

Api::Answer Api::snapshot(const wire::HttpRequest&) {
  return binary(TRY(encode_snapshot(*parts_.state.view(), kSnapshotReplyMax)));
}

Api::Answer Api::metrics(const wire::HttpRequest&) {
  wire::HttpResponse response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = metrics_text(parts_.engine.figures(), parts_.tip.copy(), parts_.blobs);
  return response;
}

}  // namespace mcloud::ledger
