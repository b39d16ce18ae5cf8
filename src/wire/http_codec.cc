#include "wire/http_codec.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>
#include <optional>

namespace mcloud::wire {

namespace http = boost::beast::http;

namespace {

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Fields of one name are one list (RFC 9110 section 5.3).
template <typename Fields>
std::map<std::string, std::string> headers_of(const Fields& fields) {
  std::map<std::string, std::string> out;
  for (const auto& field : fields) {
    auto [place, is_new] = out.try_emplace(lower(view(field.name_string())), view(field.value()));
    if (!is_new) place->second.append(", ").append(view(field.value()));
  }
  return out;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// A value from elsewhere must not be able to end its line and begin another header.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name)) return;
  out.append(name).append(": ");
  for (char c : value) out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

bool frames_message(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" || name == "host";
}

std::string_view reason_of(int status) {
  auto known = http::int_to_status(static_cast<unsigned>(status));
  return view(http::obsolete_reason(known));
}

std::string status_line(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_of(status)) + "\r\n";
}

HttpRefusal refusal_of(boost::system::error_code error, const HttpBounds& bounds) {
  if (error == http::error::header_limit) {
    return {431, "the head of the request is larger than " + std::to_string(bounds.head_bytes_max) + " bytes"};
  }
  if (error == http::error::body_limit) {
    return {413, "the body of the request is larger than " + std::to_string(bounds.body_bytes_max) + " bytes"};
  }
  return {400, "not an HTTP/1.1 request: " + error.message()};
}

// Beast bounds the head of a message, but not that of a chunk.
bool is_stuck(size_t taken, std::string_view bytes, const HttpBounds& bounds) {
  return taken == 0 && bytes.size() > bounds.head_bytes_max;
}

template <typename Parser>
std::unique_ptr<Parser> make_parser(const HttpBounds& bounds) {
  auto parser = std::make_unique<Parser>();
  parser->eager(true);
  parser->header_limit(static_cast<uint32_t>(std::min<size_t>(bounds.head_bytes_max, UINT32_MAX)));
  parser->body_limit(bounds.body_bytes_max);
  return parser;
}

}  // namespace

struct RequestParser::Inside {
  std::unique_ptr<http::request_parser<http::string_body>> parser;
  bool continue_asked = false;
};

RequestParser::RequestParser(const HttpBounds& bounds) : bounds_(bounds), inside_(std::make_unique<Inside>()) {
  inside_->parser = make_parser<http::request_parser<http::string_body>>(bounds_);
}
RequestParser::~RequestParser() = default;

std::expected<size_t, HttpRefusal> RequestParser::feed(std::string_view bytes) {
  auto& parser = *inside_->parser;
  bool had_head = parser.is_header_done();
  boost::system::error_code error;
  size_t taken = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_more) return std::unexpected(refusal_of(error, bounds_));
  if (is_stuck(taken, bytes, bounds_)) return std::unexpected(HttpRefusal{400, "a chunk's head is too long"});
  if (had_head || !parser.is_header_done()) return taken;

  const auto& head = parser.get();
  if (head.method_string() == "CONNECT" || !head.target().starts_with('/')) {
    return std::unexpected(HttpRefusal{400, "the target of the request is not a path"});
  }
  auto hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11)) {
    return std::unexpected(HttpRefusal{400, "the request needs one Host header"});
  }
  return taken;
}

bool RequestParser::is_complete() const { return inside_->parser->is_done(); }

bool RequestParser::take_wants_continue() {
  auto& parser = *inside_->parser;
  if (inside_->continue_asked || !parser.is_header_done() || parser.is_done()) return false;
  inside_->continue_asked = true;
  return lower(view(parser.get()[http::field::expect])) == "100-continue" && parser.get().version() >= 11;
}

bool RequestParser::keeps_alive() const { return inside_->parser->keep_alive(); }
bool RequestParser::is_http_1_0() const { return inside_->parser->get().version() < 11; }

HttpRequest RequestParser::take() {
  auto& message = inside_->parser->get();
  HttpRequest request;
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.headers = headers_of(message);
  request.body = std::move(message.body());
  inside_->parser = make_parser<http::request_parser<http::string_body>>(bounds_);
  inside_->continue_asked = false;
  return request;
}

struct ResponseParser::Inside {
  std::unique_ptr<http::response_parser<http::string_body>> parser;
};

ResponseParser::ResponseParser(const HttpBounds& bounds, bool has_body)
    : bounds_(bounds), has_body_(has_body), inside_(std::make_unique<Inside>()) {
  inside_->parser = make_parser<http::response_parser<http::string_body>>(bounds_);
  inside_->parser->skip(!has_body_);
}
ResponseParser::~ResponseParser() = default;

Result<size_t> ResponseParser::feed(std::string_view bytes) {
  auto* parser = inside_->parser.get();
  boost::system::error_code error;
  size_t taken = parser->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::body_limit || error == http::error::header_limit) {
    return make_error(Code::Exhausted, "the answer is larger than allowed (head " +
                                           std::to_string(bounds_.head_bytes_max) + " bytes, body " +
                                           std::to_string(bounds_.body_bytes_max) + " bytes)");
  }
  if (error && error != http::error::need_more) {
    return make_error(Code::Corrupt, "the answer is not HTTP/1.1: " + error.message());
  }
  if (is_stuck(taken, bytes, bounds_)) return make_error(Code::Corrupt, "the answer has a chunk's head without end");
  if (parser->is_done() && parser->get().result_int() < 200) {
    inside_->parser = make_parser<http::response_parser<http::string_body>>(bounds_);
    inside_->parser->skip(!has_body_);
    if (endless_) set_endless();
  }
  return taken;
}

Status ResponseParser::finish() {
  boost::system::error_code error;
  if (has_head() && !is_complete()) inside_->parser->put_eof(error);
  if (error || !is_complete()) return make_error(Code::Unavailable, "the connection ended before the answer did");
  return {};
}

bool ResponseParser::has_head() const { return inside_->parser->is_header_done(); }
bool ResponseParser::is_complete() const { return inside_->parser->is_done(); }
bool ResponseParser::keeps_alive() const { return is_complete() && inside_->parser->keep_alive(); }

HttpResponse ResponseParser::head() const {
  const auto& message = inside_->parser->get();
  HttpResponse response;
  response.status = static_cast<int>(message.result_int());
  response.headers = headers_of(message);
  response.content_type = view(message[http::field::content_type]);
  return response;
}

std::string ResponseParser::take_body() { return std::exchange(inside_->parser->get().body(), {}); }

void ResponseParser::set_endless() {
  endless_ = true;
  inside_->parser->body_limit(boost::none);
}

std::string response_head(const HttpResponse& response, size_t body_size, AfterResponse after) {
  std::string out = status_line(response.status);
  if (!response.content_type.empty()) append_field(out, "content-type", response.content_type);
  for (const auto& [name, value] : response.headers) {
    if (!frames_message(name) && name != "content-type") append_field(out, name, value);
  }
  // 1xx, 204 and 304 have no body, and 204 not even a length (RFC 9110 section 8.6).
  if (response.status != 204) append_field(out, "content-length", std::to_string(body_size));
  if (after == AfterResponse::Close) append_field(out, "connection", "close");
  return out += "\r\n";
}

std::string stream_head(std::string_view content_type, bool is_chunked) {
  std::string out = status_line(200);
  append_field(out, "content-type", content_type);
  append_field(out, "cache-control", "no-store");
  if (is_chunked) append_field(out, "transfer-encoding", "chunked");
  append_field(out, "connection", "close");
  return out += "\r\n";
}

std::string chunk_of(std::string_view text) {
  std::array<char, 16> digits;
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), text.size(), 16).ptr;
  std::string out(digits.data(), end);
  return out.append("\r\n").append(text).append("\r\n");
}

Result<std::string> request_head(const HttpRequest& request, const Endpoint& endpoint) {
  const std::string target = endpoint.prefix + request.target;
  if (!is_token(request.method)) return make_error(Code::Invalid, "not an HTTP method: " + request.method);
  if (!target.starts_with('/') ||
      !std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return make_error(Code::Invalid,
                      "a request's target begins with / and has neither blanks nor other letters "
                      "than ASCII; percent-encode it");
  }
  std::string out = request.method + " " + target + " HTTP/1.1\r\n";
  append_field(out, "host", endpoint.authority());
  for (const auto& [name, value] : request.headers) {
    if (!frames_message(lower(name))) append_field(out, name, value);
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    append_field(out, "content-length", std::to_string(request.body.size()));
  }
  return out += "\r\n";
}

}  // namespace mcloud::wire
