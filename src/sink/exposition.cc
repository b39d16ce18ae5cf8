#include "sink/exposition.h"

#include <algorithm>
#include <charconv>

namespace mcloud::sink {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

// The name at the front of `rest`, which it takes off; "" when there is none.
std::string_view take_name(std::string_view& rest) {
  size_t length = 0;
  if (!rest.empty() && is_name_start(rest[0])) {
    while (length < rest.size() && is_name_part(rest[length])) ++length;
  }
  std::string_view name = rest.substr(0, length);
  rest.remove_prefix(length);
  return name;
}

void skip_blanks(std::string_view& rest) {
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
}

bool is_number(std::string_view text) {
  if (text == "NaN" || text == "+Inf" || text == "-Inf") return true;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

class Parser {
 public:
  Parser(const AddedLabel& label, const ExpositionLimits& limits) : label_(label), limits_(limits) {}

  Result<Families> parse(std::string_view text) {
    if (text.size() > limits_.bytes_max)
      return make_error(Code::Exhausted, "metrics have more than " + std::to_string(limits_.bytes_max) + " bytes");
    for (; !text.empty(); ++number_) {
      size_t end = text.find('\n');
      if (end == std::string_view::npos) return wrong("the last line has no end");
      TRY(line(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    return std::move(families_);
  }

 private:
  Error wrong(const std::string& why) const {
    return make_error(Code::Invalid, "metrics line " + std::to_string(number_) + ": " + why);
  }

  Status line(std::string_view text) {
    if (text.size() > limits_.line_bytes_max)
      return wrong("is longer than " + std::to_string(limits_.line_bytes_max) + " bytes");
    for (char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return wrong("has a control character");
    }
    if (text.empty()) return {};
    if (text.starts_with("# ")) return comment(text.substr(2));
    return sample(text);
  }

  Status comment(std::string_view rest) {
    bool is_type = rest.starts_with("TYPE ");
    if (!is_type && !rest.starts_with("HELP ")) return {};
    rest.remove_prefix(5);
    std::string_view name = take_name(rest);
    skip_blanks(rest);
    if (name.empty()) return wrong("a comment about no metric");
    if (std::any_of(rest.begin(), rest.end(),
                    [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == '\\'; })) {
      return wrong("a comment has more than plain ASCII");
    }
    if (is_type && rest != "counter" && rest != "gauge" && rest != "untyped") {
      return wrong("type " + std::string(rest) + "; allowed: counter, gauge, untyped");
    }
    (is_type ? family(name).type : family(name).help) = rest;
    return {};
  }

  Status sample(std::string_view rest) {
    if (++samples_ > limits_.samples_max) return wrong("more than " + std::to_string(limits_.samples_max) + " samples");
    std::string_view name = take_name(rest);
    if (name.empty()) return wrong("is no sample");
    std::string labels = label_.name + "=" + quoted_label(label_.value);
    if (rest.starts_with('{')) {
      rest.remove_prefix(1);
      TRY(read_labels(rest, labels));
    }
    skip_blanks(rest);
    // A timestamp would be the node's clock: the sink's own time of scraping counts.
    if (!is_number(rest)) return wrong("the value is no number");
    family(name).samples.push_back(std::string(name) + "{" + labels + "} " + std::string(rest));
    return {};
  }

  // After '{'; takes off everything up to and with '}'.
  Status read_labels(std::string_view& rest, std::string& labels) {
    while (!rest.starts_with('}')) {
      std::string_view name = take_name(rest);
      if (name.empty() || !rest.starts_with("=\"")) return wrong("a label is not NAME=\"VALUE\"");
      if (name == label_.name) return wrong("label " + std::string(name) + " is not for nodes to set");
      rest.remove_prefix(2);
      size_t end = 0;
      while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
      if (end >= rest.size()) return wrong("a label has no end");
      TRY(check_value(rest.substr(0, end)));
      labels += "," + std::string(name) + "=\"" + std::string(rest.substr(0, end)) + "\"";
      rest.remove_prefix(end + 1);
      if (rest.starts_with(','))
        rest.remove_prefix(1);
      else if (!rest.starts_with('}'))
        return wrong("labels are not separated by commas");
    }
    rest.remove_prefix(1);
    return {};
  }

  // A scraper throws the whole page away for one bad value, other nodes' figures included.
  Status check_value(std::string_view value) const {
    for (size_t i = 0; i < value.size(); ++i) {
      if (static_cast<unsigned char>(value[i]) >= 0x80) return wrong("a label's value has more than ASCII");
      if (value[i] != '\\') continue;
      bool is_known = value[++i] == '\\' || value[i] == '"' || value[i] == 'n';
      if (!is_known) return wrong("a label's value has an unknown escape");
    }
    return {};
  }

  MetricFamily& family(std::string_view name) {
    auto found = families_.find(name);
    if (found == families_.end()) found = families_.emplace(std::string(name), MetricFamily{.type = "untyped"}).first;
    return found->second;
  }

  const AddedLabel& label_;
  const ExpositionLimits& limits_;
  Families families_;
  size_t number_ = 1;
  size_t samples_ = 0;
};

}  // namespace

std::string quoted_label(std::string_view value) {
  std::string quoted = "\"";
  for (char c : value) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

Result<Families> parse_exposition(std::string_view text, const AddedLabel& label, const ExpositionLimits& limits) {
  return Parser(label, limits).parse(text);
}

void merge_into(Families& all, const Families& more) {
  for (const auto& [name, family] : more) {
    auto [found, is_new] = all.try_emplace(name, family);
    if (is_new) continue;
    found->second.samples.insert(found->second.samples.end(), family.samples.begin(), family.samples.end());
  }
}

std::string format_exposition(const Families& families) {
  std::string text;
  for (const auto& [name, family] : families) {
    if (!family.help.empty()) text += "# HELP " + name + " " + family.help + "\n";
    text += "# TYPE " + name + " " + family.type + "\n";
    for (const std::string& sample : family.samples) text += sample + "\n";
  }
  return text;
}

}  // namespace mcloud::sink
