#include "bot/webhook.h"

#include <algorithm>

#include "crypto/hash.h"

namespace mcloud::bot {
namespace {

constexpr uint64_t kWaitFirstMs = 1'000, kWaitMostMs = 60'000;
constexpr size_t kAnswerBytesMax = 64 << 10;

}  // namespace

std::string webhook_signature(BytesView secret, BytesView body) { return "sha256=" + to_hex(crypto::hmac_sha256(secret, body)); }

Result<std::unique_ptr<Webhook>> Webhook::make(const std::string& url, Bytes secret, Wait wait) {
  size_t scheme = url.find("://");
  bool is_web = url.starts_with("http://") || url.starts_with("https://");
  if (!is_web || url.find_first_of(" #\r\n") != std::string::npos)
    return make_error(Code::Invalid, "\"" + url.substr(0, 80) + "\" is no http:// or https:// URL");
  size_t path = std::min(url.find_first_of("/?", scheme + 3), url.size());
  std::string target = url.substr(path);
  if (!target.starts_with('/')) target = "/" + target;
  wire::Endpoint endpoint = TRY(wire::Endpoint::parse(url.substr(0, path)));
  wire::HttpClient::Options options;
  options.body_bytes_max = kAnswerBytesMax;
  return std::unique_ptr<Webhook>(new Webhook(wire::HttpClient::create(endpoint, options), std::move(target), std::move(secret), std::move(wait)));
}

Status Webhook::deliver(const std::string& id, const std::string& event, const std::string& body,
                        const std::function<void(const Error&)>& trouble) {
  wire::HttpRequest request;
  request.method = "POST";
  request.target = target_;
  request.headers = {{"content-type", "application/json"}, {"user-agent", "mcloud"}, {"x-mcloud-event", event}, {"x-mcloud-delivery", id}};
  if (!secret_.empty()) request.headers["x-mcloud-signature"] = webhook_signature(secret_, body);
  request.body = body;
  for (uint64_t wait_ms = kWaitFirstMs;; wait_ms = std::min(2 * wait_ms, kWaitMostMs)) {
    Result<wire::HttpResponse> answer = client_->send(request);
    if (answer.has_value() && answer->status >= 200 && answer->status < 300) return {};
    trouble(answer.has_value() ? make_error(Code::Unavailable, "it answered " + std::to_string(answer->status)) : answer.error());
    TRY(wait_(wait_ms));
  }
}

}  // namespace mcloud::bot
