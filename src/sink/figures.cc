#include "sink/figures.h"

#include "wire/http_client.h"

namespace mcloud::sink {
namespace {

constexpr size_t kFiguresMax = 200'000;
constexpr size_t kAnswerBytesMax = 64 << 20;

Error wrong(size_t line, const char* why) {
  return make_error(Code::Invalid, "figures line " + std::to_string(line) + ": " + why);
}

// After the opening quote; takes off everything up to and with the closing one. False: it has none.
bool take_value(std::string_view& rest, std::string& value) {
  while (!rest.empty() && rest[0] != '"') {
    if (rest[0] == '\\' && rest.size() > 1) {
      value += rest[1] == 'n' ? '\n' : rest[1];
      rest.remove_prefix(2);
    } else {
      value += rest[0];
      rest.remove_prefix(1);
    }
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return true;
}

// After '{'; takes off everything up to and with '}'.
bool take_labels(std::string_view& rest, Figure& figure) {
  while (!rest.starts_with('}')) {
    const size_t equals = rest.find("=\"");
    if (equals == std::string_view::npos || equals == 0) return false;
    std::string name(rest.substr(0, equals));
    rest.remove_prefix(equals + 2);
    if (!take_value(rest, figure.labels[std::move(name)])) return false;
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  rest.remove_prefix(1);
  return true;
}

}  // namespace

Result<std::vector<Figure>> parse_figures(std::string_view text, std::string_view prefix) {
  std::vector<Figure> figures;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#') || !line.starts_with(prefix)) continue;
    if (figures.size() == kFiguresMax) return make_error(Code::Exhausted, "there are more than 200000 figures");
    Figure figure;
    const size_t name_end = std::min(line.find_first_of("{ "), line.size());
    figure.name = std::string(line.substr(0, name_end));
    line.remove_prefix(name_end);
    if (line.starts_with('{')) {
      line.remove_prefix(1);
      if (!take_labels(line, figure)) return wrong(number, "a label is not NAME=\"VALUE\"");
    }
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
    if (figure.name.empty() || line.empty()) return wrong(number, "is no sample");
    figure.value = std::string(line);
    figures.push_back(std::move(figure));
  }
  return figures;
}

Result<std::vector<Figure>> read_figures(const std::string& endpoint, std::string_view prefix) {
  wire::Endpoint where = TRY(wire::Endpoint::parse(endpoint));
  auto http = wire::HttpClient::create(
      where, {.connect_timeout_ms = 2'000, .request_timeout_ms = 5'000, .body_bytes_max = kAnswerBytesMax});
  wire::HttpRequest request;
  request.target = "/metrics";
  wire::HttpResponse response = TRY(http->send(request));
  if (response.status != 200) return wire::error_of_response(response);
  return parse_figures(response.body, prefix).with_context("the sink's answer");
}

}  // namespace mcloud::sink
