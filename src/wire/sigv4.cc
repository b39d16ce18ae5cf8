#include "wire/sigv4.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "crypto/hash.h"

namespace mcloud::wire {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hex_sha256(BytesView bytes) { return to_hex(crypto::sha256(bytes)); }

// Parameters in the order of their bytes; one without "=" gets it.
std::string canonical_query(std::string_view query) {
  std::vector<std::string> parameters;
  while (!query.empty()) {
    std::string one(query.substr(0, query.find('&')));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    if (one.find('=') == std::string::npos) one += '=';
    parameters.push_back(std::move(one));
  }
  // By name, then by value: "=" must not take part in the order of names.
  std::ranges::sort(parameters, {}, [](const std::string& one) {
    size_t equals = one.find('=');
    return std::pair(one.substr(0, equals), one.substr(equals + 1));
  });
  std::string out;
  for (const std::string& one : parameters) out += (out.empty() ? "" : "&") + one;
  return out;
}

// Without blanks around it, runs of blanks as one.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (char c : value) {
    bool is_blank = c == ' ' || c == '\t';
    if (!is_blank) out += c;
    if (is_blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string signed_headers(const SigV4Request& request) {
  std::string out;
  for (const auto& [name, value] : request.headers) out += (out.empty() ? "" : ";") + name;
  return out;
}

std::string scope_of(const SigV4Key& key, const std::string& time) {
  return time.substr(0, 8) + "/" + key.region + "/" + key.service + "/aws4_request";
}

}  // namespace

std::string sigv4_time(uint64_t wall_ms) {
  auto seconds = static_cast<time_t>(wall_ms / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  size_t size = strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return {text, size};
}

// Step 1: create a canonical request.
std::string sigv4_canonical_request(const SigV4Request& request) {
  std::string out = request.method + "\n" + (request.path.empty() ? "/" : request.path) + "\n";
  out += canonical_query(request.query) + "\n";
  for (const auto& [name, value] : request.headers) out += name + ":" + canonical_value(value) + "\n";
  return out + "\n" + signed_headers(request) + "\n" + request.payload_hash;
}

std::string sigv4_authorization(const SigV4Request& request, const SigV4Key& key, const std::string& time) {
  // Step 2: create a hash of the canonical request. Step 3: create a string to sign.
  const std::string scope = scope_of(key, time);
  const std::string to_sign = std::string(kAlgorithm) + "\n" + time + "\n" + scope + "\n" +
                              hex_sha256(sigv4_canonical_request(request));
  // Step 4: derive a signing key.
  Bytes signing = crypto::hmac_sha256("AWS4" + key.secret, time.substr(0, 8));
  for (std::string_view part : {std::string_view(key.region), std::string_view(key.service),
                                std::string_view("aws4_request")}) {
    signing = crypto::hmac_sha256(signing, part);
  }
  // Step 5: calculate the signature. Step 6: add it to the request.
  return std::string(kAlgorithm) + " Credential=" + key.id + "/" + scope + ", SignedHeaders=" + signed_headers(request) +
         ", Signature=" + to_hex(crypto::hmac_sha256(signing, to_sign));
}

void sigv4_sign(HttpRequest& request, const Endpoint& endpoint, const SigV4Key& key, uint64_t wall_ms) {
  SigV4Request asked;
  asked.method = request.method;
  const std::string target = endpoint.prefix + request.target;
  size_t question = target.find('?');
  asked.path = target.substr(0, question);
  if (question != std::string::npos) asked.query = target.substr(question + 1);
  asked.payload_hash = hex_sha256(request.body);
  const std::string time = sigv4_time(wall_ms);
  request.headers["x-amz-date"] = time;
  request.headers["x-amz-content-sha256"] = asked.payload_hash;
  asked.headers = request.headers;
  asked.headers["host"] = endpoint.authority();
  request.headers["authorization"] = sigv4_authorization(asked, key, time);
}

}  // namespace mcloud::wire
