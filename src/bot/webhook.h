// Events to a URL of somebody's choice: one POST each, in order, again until it is taken.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "wire/http_client.h"

namespace mcloud::bot {

// "sha256=HEX": HMAC-SHA256 of the body, by which the receiver knows who sent it.
std::string webhook_signature(BytesView secret, BytesView body);

class Webhook {
 public:
  // Waits, at most so long; Cancelled ends a delivery.
  using Wait = std::function<Status(uint64_t ms)>;
  // `url`: http or https, with a path. `secret`: "" = requests are not signed.
  static Result<std::unique_ptr<Webhook>> make(const std::string& url, Bytes secret, Wait wait);

  // Until the receiver answers 200 to 299; else it is sent again after 1 s, 2 s, ... 60 s, as long as `wait` lets it.
  // `trouble` is told why, each time. `id` stays the same, so that a receiver knows what it has had already.
  Status deliver(const std::string& id, const std::string& event, const std::string& body,
                 const std::function<void(const Error&)>& trouble);

 private:
  Webhook(std::unique_ptr<wire::HttpClient> client, std::string target, Bytes secret, Wait wait)
      : client_(std::move(client)), target_(std::move(target)), secret_(std::move(secret)), wait_(std::move(wait)) {}

  std::unique_ptr<wire::HttpClient> client_;
  std::string target_;
  Bytes secret_;
  Wait wait_;
};

}  // namespace mcloud::bot
