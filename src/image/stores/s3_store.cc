#include "image/stores/s3_store.h"

#include <algorithm>

#include "image/stores/http_connections.h"
#include "io/clock.h"
#include "wire/sigv4.h"

namespace mcloud::image {
namespace {

// The code in an S3 error document: letters only, for people. The rest of it may repeat what was sent.
std::string_view code_in(std::string_view document) {
  constexpr std::string_view open = "<Code>";
  size_t begin = document.find(open);
  if (begin == std::string_view::npos) return "";
  std::string_view code = document.substr(begin + open.size());
  code = code.substr(0, std::min<size_t>(code.find('<'), 60));
  bool is_word = std::all_of(code.begin(), code.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)); });
  return is_word ? code : "";
}

class S3Store final : public BlockStore {
 public:
  S3Store(const StoreUrl& url, std::unique_ptr<HttpConnections> connections)
      : name_(url.without_secrets()),
        bucket_(url.space),
        key_{url.user, url.password, url.region},
        connections_(std::move(connections)) {}

  Result<Bytes> get(const Hash& id, uint64_t timeout_ms) override {
    wire::HttpResponse response = TRY(ask("GET", id, "", timeout_ms));
    if (response.status == 200) return std::move(response.body);
    return refusal(response);
  }

  Status put(const Hash& id, BytesView stored, uint64_t timeout_ms) override {
    wire::HttpResponse response = TRY(ask("PUT", id, stored, timeout_ms));
    if (response.status == 200) return {};
    Error error = refusal(response);
    if (error.code == Code::NotFound) error.code = Code::Invalid;
    return error;
  }

  Result<bool> has(const Hash& id, uint64_t timeout_ms) override {
    wire::HttpResponse response = TRY(ask("HEAD", id, "", timeout_ms));
    if (response.status == 200) return true;
    Error error = refusal(response);
    if (error.code == Code::NotFound) return false;
    return error;
  }

  void cancel() override { connections_->cancel(); }
  const std::string& name() const override { return name_; }

 private:
  Result<wire::HttpResponse> ask(const std::string& method, const Hash& id, BytesView body, uint64_t timeout_ms) {
    wire::HttpRequest request;
    request.method = method;
    request.target = "/" + bucket_ + "/" + id.hex();
    request.body = body;
    if (!key_.id.empty()) wire::sigv4_sign(request, connections_->endpoint(), key_, io::SystemClock().wall_ms());
    return connections_->send(request, timeout_ms);
  }

  static Error refusal(const wire::HttpResponse& response) {
    std::string_view code = code_in(response.body);
    Error error = error_of_status(response, code);
    // A bucket that is not there says nothing about a block.
    if (code == "NoSuchBucket") error.code = Code::Invalid;
    return error;
  }

  const std::string name_;
  const std::string bucket_;
  const wire::SigV4Key key_;
  const std::unique_ptr<HttpConnections> connections_;
};

}  // namespace

Result<std::unique_ptr<BlockStore>> make_s3_store(const StoreUrl& url, const StoreOptions& options) {
  auto connections = TRY(HttpConnections::make(url, options));
  return std::unique_ptr<BlockStore>(std::make_unique<S3Store>(url, std::move(connections)));
}

}  // namespace mcloud::image
