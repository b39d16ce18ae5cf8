#include "image/stores/http_store.h"

#include <algorithm>

#include "image/stores/http_connections.h"
#include "io/clock.h"

namespace mcloud::image {
namespace {

class HttpStore final : public BlockStore {
 public:
  HttpStore(std::string name, std::unique_ptr<HttpConnections> connections)
      : name_(std::move(name)), connections_(std::move(connections)) {}

  Result<Bytes> get(const Hash& id, uint64_t timeout_ms) override {
    wire::HttpResponse response = TRY(ask("GET", id, timeout_ms));
    if (response.status == 200) return std::move(response.body);
    return error_of_status(response);
  }

  Status put(const Hash&, BytesView, uint64_t) override {
    return make_error(Code::Unsupported, "a store on a web server is read only: put blocks into the folder that it serves");
  }

  Result<bool> has(const Hash& id, uint64_t timeout_ms) override {
    wire::HttpResponse response = TRY(ask("HEAD", id, timeout_ms));
    if (response.status == 200) return true;
    Error error = error_of_status(response);
    if (error.code == Code::NotFound) return false;
    return error;
  }

  void cancel() override { connections_->cancel(); }
  const std::string& name() const override { return name_; }

 private:
  // Where blocks lie, then where older tools left them.
  Result<wire::HttpResponse> ask(const std::string& method, const Hash& id, uint64_t timeout_ms) {
    const uint64_t deadline_ms = io::SystemClock().monotonic_ms() + timeout_ms;
    wire::HttpRequest request;
    request.method = method;
    request.target = "/" + id.hex().substr(0, 2) + "/" + id.hex();
    wire::HttpResponse response = TRY(connections_->send(request, timeout_ms));
    if (response.status != 404) return response;
    request.target = "/" + id.hex();
    uint64_t now = io::SystemClock().monotonic_ms();
    return connections_->send(request, deadline_ms > now ? deadline_ms - now : 0);
  }

  const std::string name_;
  const std::unique_ptr<HttpConnections> connections_;
};

}  // namespace

Result<std::unique_ptr<BlockStore>> make_http_store(const StoreUrl& url, const StoreOptions& options) {
  auto connections = TRY(HttpConnections::make(url, options));
  return std::unique_ptr<BlockStore>(std::make_unique<HttpStore>(url.without_secrets(), std::move(connections)));
}

}  // namespace mcloud::image
