#include "contract/parameters.h"

#include <algorithm>

#include "contract/syntax.h"
#include "wire/utf8.h"
#include "wire/yaml.h"

namespace mcloud::contract {
namespace {

constexpr size_t kValueBytesMax = 32 << 10;

Status check_value(std::string_view name, std::string_view value) {
  if (value.size() > kValueBytesMax) {
    return make_error(Code::Invalid, std::string(name) + ": the value has " + std::to_string(value.size()) + " bytes; at most " +
                                         std::to_string(kValueBytesMax) + " are allowed");
  }
  if (!wire::find_bad_text(value)) return {};
  return make_error(Code::Invalid, std::string(name) + ": the value has a control character or is not UTF-8");
}

std::string at(std::string_view file, Place place) {
  return std::string(file) + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

}  // namespace

Status add_assignment(GivenValues& values, std::string_view assignment) {
  size_t equals = assignment.find('=');
  const std::string name(assignment.substr(0, std::min(equals, assignment.size())));
  if (equals == std::string_view::npos || !kParameterNameRule.holds(name)) {
    return make_error(Code::Invalid, "--set " + shortened(assignment) + ": write NAME=VALUE; NAME is " +
                                         std::string(kParameterNameRule.allowed));
  }
  const std::string value(assignment.substr(equals + 1));
  TRY(check_value("--set " + name, value));
  if (values.emplace(name, GivenValue{value, "--set"}).second) return {};
  return make_error(Code::Invalid, "--set " + name + " stands there twice");
}

Status add_values_file(GivenValues& values, std::string_view yaml, std::string_view file_name) {
  auto tree = wire::parse_yaml(yaml);
  if (!tree) return make_error(Code::Invalid, at(file_name, tree.error().place) + ": " + tree.error().message);
  if (tree->kind == wire::YamlNode::Kind::Null) return {};
  if (tree->kind != wire::YamlNode::Kind::Map) {
    return make_error(Code::Invalid, at(file_name, tree->place) + ": not a map of names to values");
  }
  for (const auto& [key, value] : tree->entries) {
    const std::string place = at(file_name, key.place);
    if (value.kind != wire::YamlNode::Kind::Scalar) {
      return make_error(Code::Invalid, place + ": " + shortened(key.scalar) + " is not one value");
    }
    TRY(check_value(place + ": " + shortened(key.scalar), value.scalar));
    values.emplace(key.scalar, GivenValue{value.scalar, place});
  }
  return {};
}

}  // namespace mcloud::contract
