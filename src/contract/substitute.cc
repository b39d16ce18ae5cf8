#include "contract/substitute.h"

#include <algorithm>

#include "contract/judge.h"
#include "contract/reference.h"

namespace mcloud::contract {
namespace {

namespace bounds = parameter_bounds;

// What a declaration says about values.
struct Declaration {
  ParameterType type = ParameterType::Text;
  Bounds bounds;
  uint64_t length_max = bounds::kDefaultLength;
  std::vector<std::string> words;
};

bool is_amount(ParameterType type) {
  return type == ParameterType::Number || type == ParameterType::Size || type == ParameterType::Duration ||
         type == ParameterType::Cpu;
}

std::optional<uint64_t> read_amount(const Cursor& cursor, ParameterType type, Bounds within) {
  switch (type) {
    case ParameterType::Size: return plain(cursor.size(within));
    case ParameterType::Duration: return plain(cursor.duration_ms(within));
    case ParameterType::Cpu: return plain(cursor.cpu_milli(within));
    default: return plain(cursor.number(within));
  }
}

size_t letters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool check_word(const Cursor& cursor, const std::vector<std::string>& words) {
  std::optional<Text> text = cursor.text();
  if (!text || contains(words, text->value)) return text.has_value();
  cursor.complain("\"" + shortened(text->value) + "\" is not known here", {joined_names(words), nearest_spelling(text->value, words)});
  return false;
}

bool check_text(const Cursor& cursor, uint64_t length_max) {
  std::optional<Text> text = cursor.text(kValueRule);
  if (!text || letters(text->value) <= length_max) return text.has_value();
  cursor.complain("has " + std::to_string(letters(text->value)) + " letters", {"at most " + std::to_string(length_max), ""});
  return false;
}

// Reports when the value is not what the declaration says.
bool check_value(const Cursor& cursor, const Declaration& declaration) {
  switch (declaration.type) {
    case ParameterType::Text: return check_text(cursor, declaration.length_max);
    case ParameterType::Name: return cursor.text(kNameRule).has_value();
    case ParameterType::Flag: return cursor.boolean().has_value();
    case ParameterType::Word: return check_word(cursor, declaration.words);
    default: return read_amount(cursor, declaration.type, declaration.bounds).has_value();
  }
}

std::string_view type_word(ParameterType type) {
  for (const auto& word : kParameterTypeWords) {
    if (word.value == type) return word.word;
  }
  return "";
}

void refuse_for(const std::optional<Cursor>& found, ParameterType type) {
  if (found) found->complain("means nothing for a " + std::string(type_word(type)), {"leave it out", ""});
}

Declaration read_declaration(MapReader& fields) {
  Declaration out;
  if (auto found = fields.get("type", "type: size")) {
    if (auto type = found->word(kParameterTypeWords)) out.type = type->value;
  }
  std::optional<Cursor> min = fields.find("min"), max = fields.find("max"), length = fields.find("max_length"),
                        words = fields.find("words");
  if (is_amount(out.type)) {
    if (min) out.bounds.min = read_amount(*min, out.type, {}).value_or(0);
    if (max) out.bounds.max = read_amount(*max, out.type, {out.bounds.min, ~uint64_t{0}}).value_or(~uint64_t{0});
  } else {
    refuse_for(min, out.type);
    refuse_for(max, out.type);
  }
  if (length) {
    auto number = length->number(bounds::kLength);
    if (number && out.type == ParameterType::Text) out.length_max = number->value;
    if (number && out.type != ParameterType::Text) refuse_for(length, out.type);
  }
  if (out.type == ParameterType::Word && !words) fields.get("words", "words: [small, large]");
  if (words) {
    for (Text& text : words->unique_texts(kValueRule, bounds::kWords).value_or(std::vector<Text>{})) out.words.push_back(text.value);
    if (out.type != ParameterType::Word) refuse_for(words, out.type);
    if (out.type == ParameterType::Word && words->is_list() && words->node().items.empty()) words->complain("is empty");
  }
  if (auto says = fields.find("says")) check_text(*says, bounds::kDefaultLength);
  return out;
}

// In words, for what is missing.
std::string allowed_words(const Declaration& declaration) {
  std::string out = "a " + std::string(type_word(declaration.type));
  if (declaration.type == ParameterType::Word) out = joined_names(declaration.words);
  return out;
}

Parameter read_parameter(const Text& name, const Cursor& cursor, const GivenValues& given) {
  Parameter out;
  MapReader fields(cursor, name.place);
  Declaration declaration = read_declaration(fields);
  out.type = declaration.type;
  std::optional<Cursor> fallback = fields.find("default");
  fields.finish();
  if (fallback && check_value(*fallback, declaration)) {
    out.value = {fallback->node().scalar, fallback->place()};
    out.from = "default";
  }
  auto found = given.find(name.value);
  if (found == given.end()) {
    if (!fallback && !fields.has("default")) {
      cursor.report().add(name.place, cursor.path(), "has no value; write --set " + shortened(name.value) + "=VALUE", {allowed_words(declaration), ""});
    }
    return out;
  }
  wire::YamlNode node;
  node.kind = wire::YamlNode::Kind::Scalar;
  node.scalar = found->second.value;
  node.place = name.place;
  if (check_value(Cursor(node, cursor.path() + " (" + shortened(found->second.from) + ")", cursor.report()), declaration)) {
    out.value = {node.scalar, name.place};
    out.from = found->second.from;
  }
  return out;
}

// Walks the tree and puts values in.
class Substitution {
 public:
  Substitution(Parameters& parameters, Report& report) : parameters_(parameters), report_(report) {
    for (const auto& [name, parameter] : parameters) names_.push_back(name);
  }

  void walk(wire::YamlNode& node, const std::string& path) {
    if (node.kind == wire::YamlNode::Kind::Scalar) return put(node, path);
    for (size_t i = 0; i < node.items.size(); ++i) walk(node.items[i], path + "[" + std::to_string(i) + "]");
    for (auto& [key, value] : node.entries) walk(value, child_path(path, key.scalar));
  }

 private:
  void put(wire::YamlNode& node, const std::string& path) {
    if (node.scalar.find("${") == std::string::npos) return;
    std::string out;
    std::string_view rest = node.scalar;
    const Parameter* whole = nullptr;
    for (size_t at = rest.find("${"); at != std::string_view::npos; at = rest.find("${")) {
      if (at > 0 && rest[at - 1] == '$') {  // $${ is ${
        out.append(rest.substr(0, at - 1)).append("${");
        rest.remove_prefix(at + 2);
        continue;
      }
      out.append(rest.substr(0, at));
      rest.remove_prefix(at + 2);
      const Parameter* found = take(rest, node.place, path);
      if (found == nullptr) return;
      whole = out.empty() && rest.empty() ? found : nullptr;
      out += found->value.value;
      if (!count(found->value.value.size(), node.place, path)) return;
    }
    node.scalar = out.append(rest);
    // A number stays one though "${count}" must be quoted between braces; a text never becomes one.
    if (whole != nullptr) node.quoted = whole->type == ParameterType::Text;
  }

  // NAME} at the front, cut off; reports and returns nullptr when it is nothing.
  const Parameter* take(std::string_view& rest, Place place, const std::string& path) {
    size_t end = rest.find('}');
    if (end == std::string_view::npos) {
      report_.add(place, path, "\"${\" without \"}\"", {"${NAME}, or $${ for the characters themselves", ""});
      return nullptr;
    }
    const std::string name(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    auto found = parameters_.find(name);
    if (found == parameters_.end()) {
      report_.add(place, path, "there is no parameter \"" + shortened(name) + "\"",
                  {joined_names(names_) + "; $${ for the characters themselves", nearest_spelling(name, names_)});
      return nullptr;
    }
    found->second.used = true;
    return &found->second;
  }

  bool count(size_t bytes, Place place, const std::string& path) {
    const bool was_full = bytes_ > bounds::kBytesPutIn;
    bytes_ += bytes;
    if (bytes_ <= bounds::kBytesPutIn) return true;
    if (!was_full) report_.add(place, path, "with this value the parameters make the file too large", {"1MiB in all", ""});
    return false;
  }

  Parameters& parameters_;
  Report& report_;
  std::vector<std::string> names_;
  size_t bytes_ = 0;
};

}  // namespace

Parameters read_parameters(const Cursor& declared, const GivenValues& given) {
  Parameters out;
  std::vector<std::string> names;
  for (const auto& [name, value] : declared.entries(bounds::kParameters)) {
    names.push_back(name.value);
    if (!kParameterNameRule.holds(name.value)) {
      declared.report().add(name.place, value.path(), "is not a parameter's name", {std::string(kParameterNameRule.allowed), ""});
    }
    out[name.value] = read_parameter(name, value, given);
  }
  for (const auto& [name, value] : given) {
    if (out.contains(name)) continue;
    declared.complain("there is no parameter \"" + shortened(name) + "\" (" + shortened(value.from) + ")",
                      {joined_names(names), nearest_spelling(name, names)});
  }
  return out;
}

void substitute(wire::YamlNode& tree, Parameters& parameters, Report& report) {
  Substitution(parameters, report).walk(tree, "");
}

}  // namespace mcloud::contract
