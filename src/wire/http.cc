#include "wire/http.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "wire/json.h"

namespace mcloud::wire {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool is_visible(char c) { return c > ' ' && c < 0x7f; }

Error bad_endpoint(std::string_view text, std::string_view why) {
  return make_error(Code::Invalid, "endpoint \"" + std::string(text.substr(0, 200)) + "\": " + std::string(why) +
                                       "; write http://HOST:PORT, https://HOST:PORT or unix:/PATH");
}

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

// What stands after "http://": host, port and prefix.
Result<Endpoint> parse_authority(std::string_view text, std::string_view rest, bool is_tls) {
  Endpoint endpoint;
  endpoint.is_tls = is_tls;
  endpoint.text = text;
  size_t slash = rest.find('/');
  if (slash != std::string_view::npos) endpoint.prefix = rest.substr(slash);
  while (endpoint.prefix.ends_with('/')) endpoint.prefix.pop_back();
  if (endpoint.prefix.find_first_of("?#") != std::string::npos) {
    return bad_endpoint(text, "it has a query or a fragment");
  }
  std::string_view authority = rest.substr(0, slash);
  std::string_view port;
  if (authority.starts_with('[')) {
    size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad_endpoint(text, "the \"]\" is missing");
    endpoint.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    size_t colon = authority.find(':');
    endpoint.host = authority.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  }
  if (endpoint.host.empty()) return bad_endpoint(text, "the host is missing");
  if (!std::all_of(endpoint.host.begin(), endpoint.host.end(), [](char c) { return is_unreserved(c) || c == ':'; })) {
    return bad_endpoint(text, "the host has a character that no host has");
  }
  if (port.empty()) {
    endpoint.port = is_tls ? kHttpsPort : kHttpPort;
    return endpoint;
  }
  const char* end = port.data() + port.size();
  auto [stopped, error] = std::from_chars(port.data() + 1, end, endpoint.port);
  if (port[0] != ':' || port.size() < 2 || error != std::errc() || stopped != end || endpoint.port == 0) {
    return bad_endpoint(text, "the port is not a number from 1 to 65535");
  }
  return endpoint;
}

}  // namespace

std::string_view HttpRequest::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::optional<std::string> HttpRequest::parameter(std::string_view name) const {
  size_t question = target.find('?');
  if (question == std::string::npos) return std::nullopt;
  std::string_view query = std::string_view(target).substr(question + 1);
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    size_t equals = pair.find('=');
    std::optional<std::string> key = percent_decode(pair.substr(0, equals));
    if (key != name) continue;
    return equals == std::string_view::npos ? std::string() : percent_decode(pair.substr(equals + 1));
  }
  return std::nullopt;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    out += '%';
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[c & 15];
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 3 > text.size()) return std::nullopt;
    Result<Bytes> byte = from_hex(text.substr(i + 1, 2));
    if (!byte.has_value()) return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

int http_status(Code code) {
  switch (code) {
    case Code::NotFound: return 404;
    case Code::AlreadyExists: return 409;
    case Code::Invalid: return 400;
    case Code::Corrupt: return 422;
    case Code::Denied: return 403;
    case Code::Conflict: return 409;
    case Code::Unavailable: return 503;
    case Code::TimedOut: return 504;
    case Code::Cancelled: return 499;
    case Code::Exhausted: return 429;
    case Code::Unsupported: return 501;
    case Code::Internal: return 500;
  }
  return 500;
}

Code code_of_http_status(int status) {
  switch (status) {
    case 401:
    case 403: return Code::Denied;
    case 404: return Code::NotFound;
    case 405:
    case 501: return Code::Unsupported;
    case 408:
    case 504: return Code::TimedOut;
    case 409:
    case 412: return Code::Conflict;
    case 422: return Code::Corrupt;
    case 429: return Code::Exhausted;
    case 499: return Code::Cancelled;
    case 502:
    case 503: return Code::Unavailable;
    default: return status >= 400 && status < 500 ? Code::Invalid : Code::Internal;
  }
}

HttpResponse error_response(const Error& error) {
  nlohmann::json body = {{"error", {{"code", code_name(error.code)}, {"message", error.message}}}};
  HttpResponse response;
  response.status = http_status(error.code);
  response.body = json_text(body);
  return response;
}

Error error_of_response(const HttpResponse& response) {
  Result<nlohmann::json> body = parse_json(response.body);
  if (body.has_value()) {
    Result<const nlohmann::json*> inside = json_object(*body, "error");
    if (inside.has_value()) {
      Result<std::string> code = json_string(**inside, "code");
      Result<std::string> message = json_string(**inside, "message");
      if (code.has_value() && message.has_value()) return make_error(code_from_name(*code), *message);
    }
  }
  std::string quoted;
  for (char c : std::string_view(response.body).substr(0, 200)) quoted += is_visible(c) ? c : ' ';
  while (quoted.ends_with(' ')) quoted.pop_back();
  return make_error(code_of_http_status(response.status),
                    "HTTP status " + std::to_string(response.status) + (quoted.empty() ? "" : ": " + quoted));
}

std::string Endpoint::authority() const {
  if (!unix_path.empty()) return "localhost";
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != 0 && port != (is_tls ? kHttpsPort : kHttpPort)) out += ":" + std::to_string(port);
  return out;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  constexpr std::string_view http = "http://";
  constexpr std::string_view https = "https://";
  constexpr std::string_view unix_socket = "unix:";
  constexpr size_t unix_path_max = 107;  // sockaddr_un
  if (!std::all_of(text.begin(), text.end(), is_visible)) {
    return bad_endpoint("", "it has blanks or characters that are not ASCII");
  }
  if (text.starts_with(http)) return parse_authority(text, text.substr(http.size()), false);
  if (text.starts_with(https)) return parse_authority(text, text.substr(https.size()), true);
  if (!text.starts_with(unix_socket)) return bad_endpoint(text, "it begins with none of http://, https:// and unix:");
  Endpoint endpoint;
  endpoint.text = text;
  endpoint.unix_path = text.substr(unix_socket.size());
  if (!endpoint.unix_path.starts_with('/')) return bad_endpoint(text, "the path of the socket is not absolute");
  if (endpoint.unix_path.size() > unix_path_max) {
    return bad_endpoint(text, "the path of the socket is longer than 107 bytes");
  }
  return endpoint;
}

}  // namespace mcloud::wire
