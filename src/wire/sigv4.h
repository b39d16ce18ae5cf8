// AWS Signature Version 4 as S3 asks for it (AWS General Reference, "Create a signed AWS API request"; the numbered
// steps in sigv4.cc are its). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "wire/http.h"

namespace mcloud::wire {

struct SigV4Key {
  std::string id;
  std::string secret;
  std::string region;
  std::string service = "s3";
};

struct SigV4Request {
  std::string method;
  std::string path;                            // as sent: percent-encoded once, as S3 wants it
  std::string query;                           // as sent, without the "?"
  std::map<std::string, std::string> headers;  // to be signed, names in lower case; with host
  std::string payload_hash;                    // SHA-256 of the body in hexadecimal
};

std::string sigv4_time(uint64_t wall_ms);  // "20150830T123600Z"
std::string sigv4_canonical_request(const SigV4Request& request);
// What the Authorization header says. `time` as above.
std::string sigv4_authorization(const SigV4Request& request, const SigV4Key& key, const std::string& time);

// Adds x-amz-date, x-amz-content-sha256 and authorization to what is sent to `endpoint` at `wall_ms`.
void sigv4_sign(HttpRequest& request, const Endpoint& endpoint, const SigV4Key& key, uint64_t wall_ms);

}  // namespace mcloud::wire
