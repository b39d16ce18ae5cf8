#include "contract/fields/schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "contract/fields/table.h"
#include "contract/header.h"
#include "wire/yaml.h"

namespace mcloud::contract {
namespace {

using Json = nlohmann::ordered_json;
using Type = Shape::Type;

// Where a parameter stands in a value, its text is checked when the parameters are known. Patterns of the schema hold for
// texts only, bounds for numbers only, so that one schema serves both ways to write a value.
constexpr std::string_view kParameter = "\\$\\{";

std::string or_parameter(std::string_view regex) { return std::string(regex) + "|" + std::string(kParameter); }

Json text_schema(std::string_view regex) {
  Json out = {{"type", "string"}};
  if (!regex.empty()) out["pattern"] = or_parameter(regex);
  return out;
}

// As a reader of YAML sees a scalar that we take for a text.
Json any_scalar(std::string_view regex) {
  Json out = {{"type", {"string", "number", "boolean"}}};
  if (!regex.empty()) out["pattern"] = or_parameter(regex);
  return out;
}

Json number_schema(const Shape& shape) {
  return {{"type", {"integer", "string"}},
          {"minimum", shape.bounds.min},
          {"maximum", shape.bounds.max},
          {"pattern", std::string(kParameter)}};
}

Json unit_schema(const Shape& shape) {
  if (shape.type == Type::Duration) return text_schema("^([0-9]+(\\.[0-9]*)?(ms|s|m|h|d))+$");
  if (shape.type == Type::Cpu) {
    return {{"type", {"number", "string"}},
            {"exclusiveMinimum", 0},
            {"maximum", shape.bounds.max / 1000},
            {"pattern", or_parameter("^[0-9]+(\\.[0-9]*)?m?$")}};
  }
  return {{"type", {"string", "number"}},
          {"minimum", shape.bounds.min},
          {"maximum", shape.bounds.max},
          {"pattern", or_parameter("^[0-9]+(\\.[0-9]*)?(B|[KMGTPE]iB|[kKMGTPE]B)?$")}};
}

Json words_schema(const Shape& shape) {
  return {{"anyOf", {Json{{"enum", shape.words}}, Json{{"type", "string"}, {"pattern", std::string(kParameter)}}}}};
}

Json shape_schema(const Shape& shape);

Json forms_schema(const std::vector<Shape>& forms) {
  if (forms.size() == 1) return shape_schema(forms.front());
  Json any = Json::array();
  for (const Shape& shape : forms) any.push_back(shape_schema(shape));
  return {{"anyOf", std::move(any)}};
}

// What is written as the default, as a reader of YAML sees it.
Json literal(const wire::YamlNode& node) {
  if (node.kind == wire::YamlNode::Kind::List) return Json::array();
  if (node.kind == wire::YamlNode::Kind::Map) return Json::object();
  const std::string& text = node.scalar;
  if (text == "true" || text == "false") return text == "true";
  const bool is_number = !text.empty() && text.size() < 10 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (is_number && (text.size() == 1 || text[0] != '0')) return std::stoi(text);
  return text;
}

Json field_schema(const Field& field) {
  Json out = field.forms.empty() ? Json::object() : forms_schema(field.forms);
  std::string says(field.says);
  if (!field.otherwise.empty()) says += " Default: " + std::string(field.otherwise) + ".";
  out["description"] = says;
  if (field.fallback.empty()) return out;
  if (auto node = wire::parse_yaml(field.fallback)) out["default"] = literal(*node);
  return out;
}

Json properties_of(const std::vector<Field>& fields) {
  Json out = Json::object();
  for (const Field& field : fields) out[std::string(field.key)] = field_schema(field);
  return out;
}

Json required_of(const std::vector<Field>& fields) {
  Json out = Json::array();
  for (const Field& field : fields) {
    if (field.required) out.push_back(std::string(field.key));
  }
  return out;
}

Json map_schema(const std::vector<Field>& fields) {
  Json out = {{"type", "object"}, {"additionalProperties", false}, {"properties", properties_of(fields)}};
  Json required = required_of(fields);
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

Json list_schema(const Shape& shape) {
  Json out = {{"type", "array"}, {"maxItems", shape.bounds.max}, {"items", forms_schema(shape.of)}};
  if (shape.bounds.min > 0) out["minItems"] = shape.bounds.min;
  return out;
}

Json names_schema(const Shape& shape) {
  return {{"type", "object"},
          {"maxProperties", shape.bounds.max},
          {"propertyNames", {{"pattern", std::string(shape.pattern.regex)}}},
          {"additionalProperties", forms_schema(shape.of)}};
}

Json shape_schema(const Shape& shape) {
  switch (shape.type) {
    case Type::Text: return any_scalar(shape.pattern.regex);
    case Type::Number: return number_schema(shape);
    case Type::Size:
    case Type::Duration:
    case Type::Cpu: return unit_schema(shape);
    case Type::Flag: return {{"type", {"boolean", "string"}}, {"pattern", or_parameter("^(true|false)$")}};
    case Type::Word: return words_schema(shape);
    case Type::List: return list_schema(shape);
    case Type::Map: return map_schema(shape.fields);
    case Type::Names: return names_schema(shape);
  }
  return Json::object();
}

// Only the fields of its kind: `kind` decides which.
Json workload_schema() {
  Json out = {{"type", "object"}, {"properties", properties_of(workload_fields())}, {"required", required_of(workload_fields())}};
  out["allOf"] = Json::array();
  for (const KindFields& kind : kind_fields()) {
    Json if_kind = {{"properties", {{"kind", {{"const", std::string(kind.kind)}}}}}, {"required", {"kind"}}};
    out["allOf"].push_back({{"if", std::move(if_kind)}, {"then", {{"$ref", "#/definitions/" + std::string(kind.kind)}}}});
  }
  return out;
}

Json kind_schema(const KindFields& kind) {
  std::vector<Field> fields = workload_fields();
  fields.insert(fields.end(), kind.fields.begin(), kind.fields.end());
  Json out = map_schema(fields);
  out["description"] = std::string(kind.says);
  // What is required may come from a set of fields.
  out["anyOf"] = {Json{{"required", out["required"]}}, Json{{"required", {"use"}}}};
  out["required"] = required_of(workload_fields());
  return out;
}

}  // namespace

std::string json_schema() {
  Json root = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "MagicCloud contract"}};
  root.update(map_schema(contract_fields()));
  root["required"] = {"name"};
  root["anyOf"] = {Json{{"required", {"workloads"}}}, Json{{"required", {"include"}}}};
  root["properties"]["fields"]["type"] = "object";
  root["properties"]["fields"]["additionalProperties"] = {{"type", "object"}};
  Json& workloads = root["properties"]["workloads"];
  workloads["type"] = "object";
  workloads["minProperties"] = 1;
  workloads["maxProperties"] = kWorkloadsMax;
  workloads["propertyNames"] = {{"pattern", "^[a-z][a-z0-9-]{0,39}$"}};
  workloads["additionalProperties"] = {{"$ref", "#/definitions/workload"}};
  root["definitions"]["workload"] = workload_schema();
  for (const KindFields& kind : kind_fields()) root["definitions"][std::string(kind.kind)] = kind_schema(kind);
  return root.dump(2) + "\n";
}

}  // namespace mcloud::contract
