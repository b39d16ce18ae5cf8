#include "kv/lines.h"

#include <charconv>

#include "kv/log/bytes.h"
#include "kv/log/crc32c.h"

namespace mcloud::kv {
namespace {

constexpr size_t kCheckLine = 15;  // "check HEX8\n"

}  // namespace

Bytes with_check(Bytes text) {
  Bytes check;
  append(check, crc32c(text));
  return text + line_of("check", to_hex(check));
}

Result<BytesView> checked_lines(std::string_view what, BytesView text, BytesView first_line) {
  Lines whole(what, text);
  BytesView name = first_line.substr(0, first_line.find(' ') + 1);
  if (text.starts_with(name) && !text.starts_with(first_line))
    return make_error(Code::Unsupported, std::string(what) + ": written by a later version");
  if (!text.starts_with(first_line))
    return whole.corrupt("it does not begin with " + std::string(first_line.substr(0, first_line.size() - 1)));
  if (text.size() < first_line.size() + kCheckLine) return whole.corrupt("too short");
  Lines last(what, text.substr(text.size() - kCheckLine));
  BytesView digits = TRY(last.take("check"));
  Bytes check = TRY(from_hex(digits));
  if (check.size() != 4 || load<uint32_t>(check.data()) != crc32c(text.substr(0, text.size() - kCheckLine)))
    return whole.corrupt("its check fails");
  return text.substr(first_line.size(), text.size() - first_line.size() - kCheckLine);
}

std::string line_of(std::string_view name, std::string_view value) {
  return std::string(name) + " " + std::string(value) + "\n";
}

std::vector<BytesView> split(BytesView text, char at) {
  std::vector<BytesView> parts;
  for (size_t end = text.find(at); end != BytesView::npos; end = text.find(at)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

Error Lines::corrupt(const std::string& why) const {
  return make_error(Code::Corrupt, std::string(what_) + ": " + why);
}

bool Lines::next_is(BytesView name) const {
  return text_.starts_with(name) && text_.size() > name.size() && text_[name.size()] == ' ';
}

Result<BytesView> Lines::take(BytesView name) {
  size_t end = text_.find('\n');
  if (end == BytesView::npos || !next_is(name) || end < name.size() + 1)
    return corrupt("no line \"" + std::string(name) + "\" where it belongs");
  BytesView value = text_.substr(name.size() + 1, end - name.size() - 1);
  text_.remove_prefix(end + 1);
  return value;
}

Result<uint64_t> Lines::number(BytesView name) {
  BytesView value = TRY(take(name));
  return to_number(value);
}

Result<bool> Lines::yes(BytesView name) {
  BytesView value = TRY(take(name));
  if (value != "yes" && value != "no") return corrupt(std::string(name) + ": neither yes nor no");
  return value == "yes";
}

Result<uint64_t> Lines::to_number(BytesView value) const {
  uint64_t number = 0;
  auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failed != std::errc{} || end != value.data() + value.size()) return corrupt("not a number");
  return number;
}

}  // namespace mcloud::kv
