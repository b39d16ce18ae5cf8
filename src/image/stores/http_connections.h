// Requests of a store over kept HTTP connections, with and without TLS.
#pragma once

#include <memory>

#include "image/stores/kept_connections.h"
#include "image/stores/store.h"
#include "image/stores/store_url.h"
#include "io/interrupt.h"
#include "wire/http_client.h"

namespace mcloud::image {

// Thread-safe.
class HttpConnections {
 public:
  // Invalid when the file of authorities cannot be used.
  static Result<std::unique_ptr<HttpConnections>> make(const StoreUrl& url, const StoreOptions& options);

  const wire::Endpoint& endpoint() const { return endpoint_; }
  // Any status is a response; a body beyond kStoredBytesMax is Corrupt. The request may be sent twice.
  Result<wire::HttpResponse> send(const wire::HttpRequest& request, uint64_t timeout_ms);
  void cancel();

 private:
  HttpConnections(wire::Endpoint endpoint, wire::HttpClient::Options options, io::Interrupt interrupt, size_t max);

  const wire::Endpoint endpoint_;
  const io::Interrupt interrupt_;
  const wire::HttpClient::Options options_;
  KeptConnections<wire::HttpClient> connections_;
};

// What a status that is no success means for a block's store: NotFound for 404 only.
Error error_of_status(const wire::HttpResponse& response, std::string_view detail = "");

}  // namespace mcloud::image
