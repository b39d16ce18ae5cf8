#include "sink/client.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/box.h"
#include "wire/canonical.h"
#include "wire/json.h"

namespace mcloud::sink {
namespace {

constexpr size_t kBatchBytesMax = 4 << 20;
constexpr uint64_t kJumpFirst = 60'000ull << 10;  // a minute's worth of counters
constexpr uint64_t kJumpMax = 1ull << 52;
constexpr uint64_t kTickMs = 1'000;
constexpr uint64_t kSilenceMaxMs = 60'000;  // the sink says something at least every 15 s

Result<pb::StoredBatch> decode_stored(std::string_view base64) {
  Bytes bytes = TRY(from_base64(base64));
  return wire::decode<pb::StoredBatch>(bytes, "log batch", kBatchBytesMax);
}

}  // namespace

Bytes read_statement(const SignedRead& read) {
  // Begins unlike any pb::Push, which shares the domain.
  return "read\n" + read.chain_id + "\n" + read.target + "\n" + read.time_ms;
}

Result<pb::LogBatch> seal_lines(const PublicKey& owner, const ContractId& contract, const pb::LogLines& lines) {
  pb::LogBatch batch;
  batch.set_contract(contract.bytes());
  batch.set_first_ns(lines.lines(0).time_ns());
  batch.set_last_ns(lines.lines(lines.lines_size() - 1).time_ns());
  batch.set_lines(static_cast<uint32_t>(lines.lines_size()));
  batch.set_box(TRY(crypto::seal_for(owner, contract.view(), wire::encode(lines))));
  return batch;
}

Result<pb::LogLines> open_lines(const crypto::SigningKey& owner, const pb::LogBatch& batch) {
  Bytes bytes = TRY(crypto::open_sealed(owner, batch.contract(), batch.box()));
  return wire::decode<pb::LogLines>(bytes, "log lines", kBatchBytesMax);
}

Result<std::unique_ptr<Pusher>> Pusher::open(const Options& options, const crypto::SigningKey& node,
                                             const Clock& clock) {
  wire::Endpoint endpoint = TRY(wire::Endpoint::parse(options.endpoint));
  auto http = wire::HttpClient::create(endpoint, {.connect_timeout_ms = std::min<uint64_t>(options.timeout_ms, 2'000),
                                                  .request_timeout_ms = options.timeout_ms,
                                                  .body_bytes_max = 1 << 20});
  // Wall time to begin with, so that it grows over restarts.
  return std::unique_ptr<Pusher>(new Pusher(options, node, std::move(http), clock.wall_ms() << 10));
}

Result<uint32_t> Pusher::push(std::vector<pb::LogBatch> logs, std::string metrics) {
  pb::Push push;
  push.set_chain_id(options_.chain_id);
  push.set_node(node_.public_key().bytes());
  push.set_counter(++counter_);
  for (pb::LogBatch& batch : logs) *push.add_logs() = std::move(batch);
  push.set_metrics(std::move(metrics));
  pb::SignedPush signed_push;
  signed_push.set_push(wire::encode(push));
  signed_push.set_signature(node_.sign(kDomain, signed_push.push()));
  wire::HttpRequest request{.method = "POST", .target = "/v1/push"};
  request.headers["content-type"] = "application/octet-stream";
  request.body = wire::encode(signed_push);
  wire::HttpResponse response = TRY(http_->send(request));
  if (response.status != 200) {
    Error error = wire::error_of_response(response);
    if (error.code == Code::Conflict) {
      jump_ = std::clamp(jump_ * 2, kJumpFirst, kJumpMax);
      counter_ += jump_;
    }
    return error;
  }
  jump_ = 0;
  nlohmann::json answer = TRY(wire::parse_json(response.body));
  return static_cast<uint32_t>(TRY(wire::json_u64(answer, "refused")));
}

Result<std::unique_ptr<Reader>> Reader::open(const Options& options, const crypto::SigningKey& owner,
                                             const Clock& clock) {
  wire::Endpoint endpoint = TRY(wire::Endpoint::parse(options.endpoint));
  return std::unique_ptr<Reader>(new Reader(options, owner, clock, endpoint));
}

wire::HttpRequest Reader::request_for(const LogQuery& query, bool follow) const {
  wire::HttpRequest request;
  request.target = "/v1/logs?contract=" + query.contract.hex() + "&after=" + std::to_string(query.after);
  if (!query.workload.empty()) request.target += "&workload=" + query.workload;
  if (query.index) request.target += "&index=" + std::to_string(*query.index);
  if (query.newest) request.target += "&newest=" + std::to_string(*query.newest);
  if (follow) request.target += "&follow=1";
  std::string time = std::to_string(clock_.wall_ms());
  request.headers["x-mcloud-key"] = owner_.public_key().hex();
  request.headers["x-mcloud-time"] = time;
  request.headers["x-mcloud-signature"] =
      to_base64(owner_.sign(kDomain, read_statement({options_.chain_id, request.target, time})));
  return request;
}

Result<Reader::Page> Reader::read(const LogQuery& query) {
  auto http = wire::HttpClient::create(
      endpoint_, {.connect_timeout_ms = 2'000, .request_timeout_ms = options_.timeout_ms, .body_bytes_max = 16 << 20});
  wire::HttpResponse response = TRY(http->send(request_for(query, false)));
  if (response.status != 200) return wire::error_of_response(response);
  nlohmann::json answer = TRY(wire::parse_json(response.body, 16 << 20));
  Page page;
  page.first_number = TRY(wire::json_u64(answer, "first"));
  page.has_more = TRY(wire::json_bool(answer, "more"));
  for (const nlohmann::json& entry : *TRY(wire::json_array(answer, "batches"))) {
    if (!entry.is_string()) return make_error(Code::Corrupt, "the sink's answer has a batch that is no text");
    page.batches.push_back(TRY(decode_stored(entry.get_ref<const std::string&>())));
  }
  return page;
}

Status Reader::follow(const LogQuery& query, const std::function<bool(const pb::StoredBatch&)>& visit,
                      const std::function<bool()>& is_wanted) {
  auto events = TRY(wire::EventReader::open(endpoint_, request_for(query, true),
                                            {.connect_timeout_ms = 2'000, .request_timeout_ms = options_.timeout_ms}));
  uint64_t heard_ms = clock_.monotonic_ms();
  while (is_wanted()) {
    auto event = events->next(kTickMs);
    if (event.has_value()) {
      heard_ms = clock_.monotonic_ms();
      if (!*event) continue;
      if ((*event)->name == "batch" && !visit(TRY(decode_stored((*event)->data)))) return {};
    } else if (event.error().code != Code::TimedOut) {
      return event.error();
    } else if (clock_.monotonic_ms() - heard_ms > kSilenceMaxMs) {
      return make_error(Code::TimedOut, "the sink has said nothing for a minute");
    }
  }
  return {};
}

}  // namespace mcloud::sink
