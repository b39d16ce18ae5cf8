// Endpoints, percent-encoding and HTTP messages: no input ends us, and what is accepted is consistent.
#include <cstdint>
#include <cstdlib>

#include "wire/event_parser.h"
#include "wire/http.h"
#include "wire/http_codec.h"

using namespace mcloud;
using namespace mcloud::wire;

namespace {

void values(std::string_view text) {
  auto endpoint = Endpoint::parse(text);
  if (endpoint.has_value() && endpoint->host.empty() == endpoint->unix_path.empty()) std::abort();
  if (percent_decode(percent_encode(text)) != text) std::abort();
  HttpRequest request;
  request.target = text;
  static_cast<void>(request.parameter("x"));
  HttpResponse response;
  response.status = 500;
  response.body = text;
  static_cast<void>(error_of_response(response));
}

// The same bytes at once and in pieces are the same message, or neither is one.
template <typename Parser>
bool feed(Parser& parser, std::string_view text, size_t step) {
  std::string unparsed;
  for (size_t i = 0; i < text.size() && !parser.is_complete(); i += step) {
    unparsed += text.substr(i, step);
    while (!parser.is_complete()) {
      auto taken = parser.feed(unparsed);
      if (!taken.has_value()) return false;
      if (*taken == 0) break;
      unparsed.erase(0, *taken);
    }
  }
  return parser.is_complete();
}

void messages(std::string_view text) {
  HttpBounds bounds{512, 1024};
  RequestParser whole(bounds);
  RequestParser pieces(bounds);
  bool accepted = feed(whole, text, text.size() + 1);
  if (accepted != feed(pieces, text, 3)) std::abort();
  if (accepted) {
    HttpRequest request = whole.take();
    if (request.body != pieces.take().body || request.body.size() > bounds.body_bytes_max) std::abort();
    // What we would send for it is again a request.
    auto head = request_head(request, Endpoint::parse("http://h").value());
    if (head.has_value() && head->find("\r\n\r\n") != head->size() - 4) std::abort();
  }
  ResponseParser response(bounds, true);
  feed(response, text, 5);
  EventParser events(256);
  static_cast<void>(events.feed(text));
  while (events.take().has_value()) continue;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  values(text);
  messages(text);
  return 0;
}
