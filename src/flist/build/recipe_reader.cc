#include "flist/build/recipe_reader.h"

#include <algorithm>
#include <charconv>

#include "image/limits.h"
#include "image/path.h"

namespace mcloud::flist {
namespace {

using wire::YamlNode;

constexpr size_t kTextsMax = 1024;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::optional<uint64_t> parse_number(std::string_view text, int base, uint64_t max) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  bool is_good = error == std::errc() && end == text.data() + text.size() && !text.empty() && value <= max;
  return is_good ? std::optional(value) : std::nullopt;
}

}  // namespace

Error RecipeReader::wrong(const YamlNode& node, const std::string& field, const std::string& why) const {
  return make_error(Code::Invalid, name_ + ":" + std::to_string(node.place.line) + ": " +
                                       (field.empty() ? "" : field.substr(0, 200) + ": ") + why);
}

Status RecipeReader::map(const YamlNode& node, const std::string& field,
                         const std::vector<std::pair<std::string, Field>>& readers) const {
  if (node.kind != YamlNode::Kind::Map) return wrong(node, field, "must be a map of fields");
  for (const auto& [key, value] : node.entries) {
    auto found = std::find_if(readers.begin(), readers.end(), [&](const auto& one) { return one.first == key.scalar; });
    if (found == readers.end()) {
      std::vector<std::string> allowed;
      for (const auto& one : readers) allowed.push_back(one.first);
      return wrong(key, field, "unknown field \"" + key.scalar.substr(0, 100) + "\" (allowed: " + joined(allowed) + ")");
    }
    TRY(found->second(value, field.empty() ? key.scalar : field + "." + key.scalar));
  }
  return {};
}

Result<std::string> RecipeReader::text(const YamlNode& node, const std::string& field) const {
  bool is_text = node.kind == YamlNode::Kind::Scalar && node.scalar.find('\0') == std::string::npos;
  if (!is_text) return wrong(node, field, "must be a text without zero bytes");
  return node.scalar;
}

Result<std::vector<std::string>> RecipeReader::texts(const YamlNode& node, const std::string& field) const {
  if (node.kind != YamlNode::Kind::List || node.items.size() > kTextsMax) {
    return wrong(node, field, "must be a list of at most 1024 texts: [a, b]");
  }
  std::vector<std::string> out;
  for (const YamlNode& item : node.items) out.push_back(TRY(text(item, field)));
  return out;
}

Result<std::string> RecipeReader::word(const YamlNode& node, const std::string& field,
                                       const std::vector<std::string>& allowed) const {
  std::string value = TRY(text(node, field));
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  return wrong(node, field, "\"" + value.substr(0, 100) + "\" (allowed: " + joined(allowed) + ")");
}

Result<uint64_t> RecipeReader::number(const YamlNode& node, const std::string& field, uint64_t max) const {
  std::string digits = TRY(text(node, field));
  std::optional<uint64_t> value = parse_number(digits, 10, max);
  if (!value.has_value()) return wrong(node, field, "must be a whole number from 0 to " + std::to_string(max));
  return *value;
}

Result<uint16_t> RecipeReader::mode(const YamlNode& node, const std::string& field) const {
  std::string digits = TRY(text(node, field));
  std::optional<uint64_t> value = parse_number(digits, 8, 07777);
  if (!value.has_value()) return wrong(node, field, "must be octal digits, as 0755, at most 7777");
  return static_cast<uint16_t>(*value);
}

Result<Recipe::Owner> RecipeReader::owner(const YamlNode& node, const std::string& field) const {
  std::string value = TRY(text(node, field));
  size_t colon = value.find(':');
  std::optional<uint64_t> user = parse_number(std::string_view(value).substr(0, colon), 10, image::kUserIdMax);
  std::optional<uint64_t> group =
      colon == std::string::npos ? user : parse_number(std::string_view(value).substr(colon + 1), 10, image::kUserIdMax);
  if (!user.has_value() || !group.has_value()) {
    return wrong(node, field, "must be USER or USER:GROUP, numbers from 0 to 65535");
  }
  return Recipe::Owner{static_cast<uint32_t>(*user), static_cast<uint32_t>(*group)};
}

Result<std::string> RecipeReader::path(const YamlNode& node, const std::string& field) const {
  std::string value = TRY(text(node, field));
  if (!value.starts_with('/')) return wrong(node, field, "must be an absolute path: /etc/motd");
  Result<std::string> normal = image::normal_path(value);
  if (!normal.has_value()) return wrong(node, field, normal.error().message);
  return normal;
}

}  // namespace mcloud::flist
