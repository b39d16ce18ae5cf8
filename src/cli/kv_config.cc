// The --config file of `mcloud kv serve`. YAML, because contracts are YAML and their reader knows every place.
#include "bot/nearest.h"
#include "cli/kv_options.h"
#include "wire/yaml.h"

namespace mcloud::cli {
namespace {

constexpr wire::YamlLimits kLimits = {.bytes_max = 64 << 10, .depth_max = 4, .nodes_max = 256};

Error at(const std::string& file, const wire::YamlPlace& place, const std::string& what) {
  return make_error(Code::Invalid, file + ":" + std::to_string(place.line) + ": " + what);
}

Result<const ServeOption*> find_option(const std::string& file, const wire::YamlNode& key) {
  std::vector<std::string> names;
  for (const ServeOption& option : serve_options()) {
    if (option.name == key.scalar) return &option;
    names.emplace_back(option.name);
  }
  std::string near = bot::did_you_mean(key.scalar, names), all;
  if (near.empty()) {
    for (const std::string& name : names) all += (all.empty() ? "; there are: " : ", ") + name;
  }
  return at(file, key.place, "there is no key \"" + key.scalar.substr(0, 60) + "\"" + near + all);
}

Status set_from(ServeOptions& options, const std::string& file, const wire::YamlNode& key,
                const wire::YamlNode& value) {
  const ServeOption* option = TRY(find_option(file, key));
  std::string where = file + ":" + std::to_string(key.place.line) + ": " + std::string(option->name);
  bool is_text = std::holds_alternative<std::string ServeOptions::*>(option->member);
  if (value.kind != wire::YamlNode::Kind::Scalar)
    return make_error(Code::Invalid, where + ": allowed: " + allowed_values(*option) + "; not a list, a map or nothing");
  if (value.quoted && !is_text)
    return make_error(Code::Invalid, where + ": allowed: " + allowed_values(*option) + ", without quotes");
  return set_option(options, *option, value.scalar, where);
}

}  // namespace

Status read_config(ServeOptions& options, const std::string& file_name, std::string_view text) {
  auto parsed = wire::parse_yaml(text, kLimits);
  if (!parsed) return at(file_name, parsed.error().place, parsed.error().message);
  if (parsed->kind == wire::YamlNode::Kind::Null) return {};
  if (parsed->kind != wire::YamlNode::Kind::Map)
    return at(file_name, parsed->place, "lines of \"key: value\" belong here");
  for (const auto& [key, value] : parsed->entries) TRY(set_from(options, file_name, key, value));
  return {};
}

}  // namespace mcloud::cli
