#include "contract/field_reader.h"

#include <algorithm>
#include <set>

#include "base/units.h"

namespace mcloud::contract {
namespace {

using Kind = wire::YamlNode::Kind;

std::string_view kind_word(const wire::YamlNode& node) {
  switch (node.kind) {
    case Kind::Null: return "nothing";
    case Kind::Scalar: return "a text";
    case Kind::List: return "a list";
    case Kind::Map: return "a map";
  }
  return "";
}

std::string quoted(std::string_view text) { return "\"" + shortened(text) + "\""; }

std::string joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

// "nginx -g daemon" -> "[nginx, -g, daemon]".
std::string as_list(std::string_view text) {
  std::string out;
  for (char c : shortened(text)) out += c == ' ' ? std::string(", ") : std::string(1, c);
  return "[" + out + "]";
}

std::string bounds_words(Bounds bounds, std::string (*format)(uint64_t)) {
  if (bounds.max == ~uint64_t{0}) return "at least " + format(bounds.min);
  return format(bounds.min) + " to " + format(bounds.max);
}

std::string format_number(uint64_t number) { return std::to_string(number); }

std::optional<uint64_t> whole_number(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::string child_path(std::string_view path, std::string_view key) {
  return path.empty() ? shortened(key, 100) : std::string(path) + "." + shortened(key, 100);
}

void Cursor::complain(std::string_view message, const Report::Hint& hint) const {
  report_->add(place(), path_, message, hint);
}

Cursor::Cursor(const wire::YamlNode& key, const wire::YamlNode& value, std::string path, Report& report)
    : Cursor(value, std::move(path), report) {
  if (value.kind == Kind::Null) place_ = key.place;
}

void Cursor::complain_kind(std::string_view wanted) const {
  bool empty = node_->kind == Kind::Null;
  complain((empty ? "has no value; expected " : "is " + std::string(kind_word(*node_)) + ", not ") + std::string(wanted));
}

std::optional<std::string_view> Cursor::scalar(std::string_view wanted) const {
  if (is_scalar()) return node_->scalar;
  complain_kind(wanted);
  return std::nullopt;
}

std::optional<Text> Cursor::text() const {
  std::optional<std::string_view> found = scalar("a text");
  if (!found) return std::nullopt;
  return Text{std::string(*found), place()};
}

std::optional<Text> Cursor::text(const Rule& rule) const {
  std::optional<Text> found = text();
  if (!found || rule.holds(found->value)) return found;
  complain(quoted(found->value) + " is not allowed", {std::string(rule.allowed), ""});
  return std::nullopt;
}

std::optional<Placed<uint64_t>> Cursor::number(Bounds bounds) const {
  std::optional<std::string_view> found = scalar("a number");
  if (!found) return std::nullopt;
  std::optional<uint64_t> value = whole_number(*found);
  std::string allowed = bounds_words(bounds, format_number);
  if (!value) {
    complain(quoted(*found) + " is not a whole number", {allowed, ""});
  } else if (node_->quoted) {
    complain("is a quoted text, not a number", {allowed, std::string(*found)});
  } else if (*value < bounds.min || *value > bounds.max) {
    complain(std::string(*found) + " is out of bounds", {allowed, ""});
  } else {
    return Placed<uint64_t>{*value, place()};
  }
  return std::nullopt;
}

std::optional<Placed<uint64_t>> Cursor::with_unit(Result<uint64_t> (*parse)(std::string_view),
                                                  std::string (*format)(uint64_t), Bounds bounds) const {
  std::optional<std::string_view> found = scalar("a text such as " + format(bounds.min));
  if (!found) return std::nullopt;
  Result<uint64_t> value = parse(*found);
  std::string allowed = bounds_words(bounds, format);
  if (!value) {
    // The units' own message may already list what is allowed.
    bool says_allowed = value.error().message.find("allowed") != std::string::npos;
    complain(quoted(*found) + ": " + value.error().message, {says_allowed ? "" : allowed, ""});
  } else if (*value < bounds.min || *value > bounds.max) {
    complain(quoted(*found) + " is out of bounds", {allowed, ""});
  } else {
    return Placed<uint64_t>{*value, place()};
  }
  return std::nullopt;
}

std::optional<Placed<uint64_t>> Cursor::size(Bounds bounds) const {
  return with_unit(parse_size, format_size, bounds);
}
std::optional<Placed<uint64_t>> Cursor::duration_ms(Bounds bounds) const {
  return with_unit(parse_duration_ms, format_duration_ms, bounds);
}
std::optional<Placed<uint64_t>> Cursor::cpu_milli(Bounds bounds) const {
  return with_unit(parse_cpu_milli, format_cpu_milli, bounds);
}

std::optional<bool> Cursor::boolean() const {
  static constexpr std::array<Word<bool>, 2> kWords = {{{"true", true}, {"false", false}}};
  // YAML 1.1 took these words; people still write them.
  static constexpr std::array<Word<std::string_view>, 6> kSlips = {
      {{"yes", "true"}, {"on", "true"}, {"True", "true"}, {"no", "false"}, {"off", "false"}, {"False", "false"}}};
  for (const auto& slip : kSlips) {
    if (!is_scalar() || node_->scalar != slip.word) continue;
    complain(quoted(node_->scalar) + " is not known here", {"true, false", std::string(slip.value)});
    return std::nullopt;
  }
  return plain(word(kWords));
}

std::optional<std::vector<Text>> Cursor::texts(const Rule& rule, size_t count_max) const {
  if (!is_list()) {
    if (is_scalar()) {
      complain("is a text, not a list", {"", as_list(node_->scalar)});
    } else {
      complain_kind("a list");
    }
    return std::nullopt;
  }
  if (node_->items.size() > count_max) {
    complain("has " + std::to_string(node_->items.size()) + " entries", {"at most " + std::to_string(count_max), ""});
    return std::nullopt;
  }
  std::vector<Text> out;
  for (size_t i = 0; i < node_->items.size(); ++i) {
    Cursor item(node_->items[i], path_ + "[" + std::to_string(i) + "]", *report_);
    if (std::optional<Text> text = item.text(rule)) out.push_back(std::move(*text));
  }
  return out;
}

std::optional<std::vector<Text>> Cursor::unique_texts(const Rule& rule, size_t count_max) const {
  std::optional<std::vector<Text>> found = texts(rule, count_max);
  if (!found) return std::nullopt;
  std::set<std::string> seen;
  for (const Text& text : *found) {
    if (!seen.insert(text.value).second) report_->add(text.place, path_, quoted(text.value) + " stands here twice");
  }
  return found;
}

std::vector<std::pair<Text, Cursor>> Cursor::entries(size_t count_max) const {
  std::vector<std::pair<Text, Cursor>> out;
  if (!is_map()) {
    complain_kind("a map of names to values");
    return out;
  }
  if (node_->entries.size() > count_max) {
    complain("has " + std::to_string(node_->entries.size()) + " entries", {"at most " + std::to_string(count_max), ""});
    return out;
  }
  for (const auto& [key, value] : node_->entries) {
    out.emplace_back(Text{key.scalar, key.place}, Cursor(key, value, child_path(path_, key.scalar), *report_));
  }
  return out;
}

void Cursor::complain_word(const std::vector<std::string_view>& allowed) const {
  std::optional<std::string_view> found = scalar("one of the words " + joined(allowed));
  if (!found) return;
  complain(quoted(*found) + " is not known here", {joined(allowed), nearest_spelling(*found, allowed)});
}

MapReader::MapReader(Cursor map, Place owner) : map_(std::move(map)), owner_(owner) {
  if (!map_.is_map()) map_.complain_kind("a map of fields");
}

bool MapReader::has(std::string_view key) const {
  const auto& entries = map_.node().entries;
  return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first.scalar == key; });
}

std::optional<Cursor> MapReader::find(std::string_view key) {
  asked_.emplace_back(key);
  for (const auto& [name, value] : map_.node().entries) {
    if (name.scalar != key) continue;
    Cursor found(name, value, child_path(map_.path(), key), map_.report());
    if (value.kind != Kind::Null) return found;
    found.complain("has no value", {"a value, or leave the key out", ""});
  }
  return std::nullopt;
}

std::optional<Cursor> MapReader::get(std::string_view key, std::string_view example) {
  std::optional<Cursor> found = find(key);
  if (found || !map_.is_map() || has(key)) return found;  // reported by find()
  report().add(owner_, child_path(map_.path(), key), "is missing; write for example \"" + std::string(example) + "\"");
  return std::nullopt;
}

void MapReader::finish() {
  std::vector<std::string_view> known(asked_.begin(), asked_.end());
  std::sort(known.begin(), known.end());
  for (const auto& [name, value] : map_.node().entries) {
    if (std::find(known.begin(), known.end(), name.scalar) != known.end()) continue;
    // Nobody sees the hints of what does not fit into the report, and spelling costs.
    Report::Hint hint;
    if (!report().is_full()) hint = {joined(known), nearest_spelling(name.scalar, known)};
    report().add(name.place, child_path(map_.path(), name.scalar), "unknown key", hint);
  }
}

}  // namespace mcloud::contract
