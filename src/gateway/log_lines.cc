#include "gateway/log_lines.h"

#include <array>
#include <ctime>
#include <utility>

namespace mcloud::gateway {

void LogLines::feed(std::string_view bytes, std::vector<std::string>& lines) {
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end);
    if (waiting_.size() + part.size() > kLineBytesMax) is_too_long_ = true;
    if (is_too_long_) waiting_.clear();
    else waiting_ += part;
    if (end == bytes.npos) return;
    if (!is_too_long_) lines.push_back(std::exchange(waiting_, {}));
    is_too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
}

LogMessage cut_message(std::string_view line) {
  size_t space = line.find(' ');
  if (space == line.npos) return {line, {}};
  return {line.substr(0, space), line.substr(space + 1)};
}

std::string log_head(uint64_t time_ns) {
  auto seconds = static_cast<time_t>(time_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> moment{};
  size_t size = strftime(moment.data(), moment.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
  std::string fraction = std::to_string(time_ns % 1'000'000'000);
  return std::string(moment.data(), size) + std::string(9 - fraction.size(), '0') + fraction + "Z stdout F ";
}

void append_line(std::string& out, std::string_view head, std::string_view text) {
  bool is_whole = text.starts_with('{') && text.ends_with('}');
  out += head;
  if (!is_whole) out += "{\"cut\":\"";
  size_t begin = out.size();
  if (is_whole) out += text;
  else for (char c : text) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  for (size_t at = begin; at < out.size(); ++at) {
    if (static_cast<unsigned char>(out[at]) < 0x20 || out[at] == 0x7f) out[at] = '?';
  }
  out += is_whole ? "\n" : "\"}\n";
}

}  // namespace mcloud::gateway
