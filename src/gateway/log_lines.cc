#include "gateway/log_lines.h"

#include <array>
#include <ctime>

#include "base/check.h"

namespace mcloud::gateway {

void LogLines::feed(std::string_view bytes, std::vector<std::string_view>& lines) {
  for (bool is_first = true; !bytes.empty(); is_first = false) {
    size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end);
    bool is_alone = waiting_.empty() && !is_too_long_ && part.size() <= kLineBytesMax;
    if (end == bytes.npos || !is_alone) wait_for_end(part);
    if (end == bytes.npos) return;
    if (is_alone) {
      lines.push_back(part);
    } else if (!is_too_long_) {
      DCHECK(is_first);
      joined_.swap(waiting_);
      lines.push_back(joined_);
    }
    waiting_.clear();
    is_too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
}

void LogLines::wait_for_end(std::string_view part) {
  if (waiting_.size() + part.size() > kLineBytesMax) is_too_long_ = true;
  if (is_too_long_) waiting_.clear();
  else waiting_ += part;
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

namespace {

// Without a branch per byte, so that the compiler takes many at once.
bool has_controls(std::string_view text) {
  unsigned found = 0;
  for (char c : text) found |= static_cast<unsigned>(static_cast<unsigned char>(c) < 0x20) | static_cast<unsigned>(c == 0x7f);
  return found != 0;
}

void append_cut(std::string& out, std::string_view text) {
  out += "{\"cut\":\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += "\"}";
}

}  // namespace

void append_line(std::string& out, std::string_view head, std::string_view text) {
  out += head;
  size_t begin = out.size();
  if (text.starts_with('{') && text.ends_with('}')) out += text;
  else append_cut(out, text);
  if (has_controls(text)) {
    for (size_t at = begin; at < out.size(); ++at) {
      if (static_cast<unsigned char>(out[at]) < 0x20 || out[at] == 0x7f) out[at] = '?';
    }
  }
  out += '\n';
}

}  // namespace mcloud::gateway
