// HTTP/1.1 requests and responses as values; the server and the client speak in them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mcloud::wire {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";                     // path and query as sent
  std::map<std::string, std::string> headers;   // names in lower case
  std::string body;
  std::string peer;                             // server side: "address:port" or "unix"

  std::string_view path() const;                // without the query
  // A query parameter, percent-decoded; the first of that name. Absent when it is not well encoded.
  std::optional<std::string> parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers;   // names in lower case
  std::string body;
};

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ becomes %XX.
std::string percent_encode(std::string_view text);
// nullopt when a % is not followed by two hexadecimal digits. A + stays a +.
std::optional<std::string> percent_decode(std::string_view text);

// The one mapping of error codes to HTTP status, and back.
int http_status(Code code);
Code code_of_http_status(int status);
// {"error":{"code":"invalid","message":"..."}} with the status of its code.
HttpResponse error_response(const Error& error);
// The Error inside such a response (any other non-2xx body is quoted, shortened).
Error error_of_response(const HttpResponse& response);

// "http://host:port/prefix" (port 80 when none; "[::1]" for IPv6), the same with https:// (port 443), or
// "unix:/path/to/socket".
struct Endpoint {
  std::string host;
  uint16_t port = 0;
  bool is_tls = false;
  std::string unix_path;
  std::string prefix;  // "/prefix" or "": goes before the target of each request
  std::string text;  // for messages
  // What a Host header says: the port when it is not the scheme's own.
  std::string authority() const;
  static Result<Endpoint> parse(std::string_view text);
};

}  // namespace mcloud::wire
