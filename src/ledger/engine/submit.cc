#include "ledger/engine/submit.h"

#include <nlohmann/json.hpp>

#include "ledger/engine/api.h"
#include "wire/json.h"

namespace mcloud::ledger {
namespace {

using nlohmann::json;

struct Request {
  std::vector<Bytes> transactions;
  bool waits = false;
  bool wants_proof = false;
};

Result<bool> flag(const json& body, std::string_view name) {
  if (!body.contains(name)) return false;
  return wire::json_bool(body, name);
}

Result<Request> parse(const std::string& text) {
  json body = TRY(wire::parse_json(text, 4 << 20, 4));
  const json& list = *TRY(wire::json_array(body, "transactions"));
  if (list.empty() || list.size() > kSubmitTransactionsMax) {
    return make_error(Code::Invalid,
                      "\"transactions\" has " + std::to_string(list.size()) + " entries, 1 to 100 are allowed");
  }
  Request request;
  for (const json& entry : list) {
    if (!entry.is_string()) return make_error(Code::Invalid, "a transaction is not a base64 string");
    request.transactions.push_back(TRY(from_base64(entry.get_ref<const std::string&>()).with_context("transaction")));
  }
  request.waits = TRY(flag(body, "wait"));
  request.wants_proof = TRY(flag(body, "prove"));
  return request;
}

json results_json(const std::vector<Outcome>& outcomes) {
  json results = json::array();
  for (const Outcome& outcome : outcomes) {
    json entry = {{"height", outcome.height}, {"ok", outcome.result.ok}};
    if (!outcome.result.ok) entry["code"] = code_name(outcome.result.code);
    if (!outcome.result.ok || !outcome.result.message.empty()) entry["message"] = outcome.result.message;
    results.push_back(std::move(entry));
  }
  return results;
}

json blocks_json(const Submission& submission) {
  json blocks = json::array();
  for (const auto& [height, evidence] : submission.blocks) {
    blocks.push_back({{"height", height},
                      {"head", to_base64(evidence->head)},
                      {"transactions", to_base64(evidence->transaction_hashes)},
                      {"results", to_base64(evidence->results)}});
  }
  return blocks;
}

// The answer's text and the stream it goes to come from two threads in either order; both are handed over on the loop.
struct Reply {
  std::optional<std::string> text;
  std::shared_ptr<wire::HttpStream> stream;

  void send_when_complete() {
    if (!text.has_value() || stream == nullptr) return;
    stream->write(std::move(*text));
    stream->close();
    stream.reset();
  }
};

}  // namespace

Result<wire::HttpAnswer> submit_transactions(Solo& engine, io::Loop& loop, const wire::HttpRequest& http_request) {
  Request request = TRY(parse(http_request.body));
  if (!request.waits) {
    auto outcomes = TRY(engine.submit(std::move(request.transactions), [](const Submission&) {}));
    wire::HttpResponse response;
    response.body = wire::json_text({{"results", results_json(outcomes)}});
    return response;
  }
  auto reply = std::make_shared<Reply>();
  TRY(engine.submit(std::move(request.transactions),
                    [reply, proves = request.wants_proof](const Submission& submission) {
                      json answer = {{"results", results_json(submission.outcomes)}};
                      if (proves) answer["blocks"] = blocks_json(submission);
                      reply->text = wire::json_text(answer);
                      reply->send_when_complete();
                    }));
  return wire::HttpStreaming{"application/json", [&loop, reply](std::shared_ptr<wire::HttpStream> stream) {
                               loop.post([reply, stream] {
                                 reply->stream = stream;
                                 reply->send_when_complete();
                               });
                             }};
}

}  // namespace mcloud::ledger
