// mcloud contract schema, mcloud contract explain
#include "cli/contract_language.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "contract/fields/explain.h"
#include "contract/fields/schema.h"

namespace mcloud::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const contract::Explained& field) {
  Json out = {{"field", field.path},
              {"says", field.says},
              {"types", field.types},
              {"is", field.is},
              {"required", field.required},
              {"default", field.fallback},
              {"default_is_words", field.fallback_is_words},
              {"min", field.min},
              {"max", field.max},
              {"words", field.words},
              {"fields", Json::array()}};
  for (const contract::Explained& below : field.below) out["fields"].push_back(json_of(below));
  return out;
}

std::string default_text(const contract::Explained& field) { return field.required ? "required" : field.fallback; }

void show(Output& out, const contract::Explained& field) {
  out.line(paint(field.path, Tone::Strong, out.colour()) + ": " + field.says);
  if (!field.is.empty()) out.line("  Value: " + field.is + ".");
  if (field.required) out.line("  Required.");
  if (!field.fallback.empty()) out.line("  Default: " + field.fallback + (field.fallback_is_words ? "." : ""));
  if (field.below.empty()) return;
  out.line("");
  Table table{{"FIELD", "DEFAULT", ""}, {}};
  for (const contract::Explained& below : field.below) table.rows.push_back({below.path, default_text(below), below.says});
  out.table(table);
}

void show_tree(Output& out, const std::vector<contract::Explained>& all) {
  Table table{{"FIELD", "TYPE", ""}, {}};
  for (const contract::Explained& field : all) {
    const size_t depth = static_cast<size_t>(std::ranges::count(field.path, '.'));
    std::string types;
    for (const std::string& type : field.types) types += (types.empty() ? "" : ", ") + type;
    table.rows.push_back({std::string(2 * depth, ' ') + field.path.substr(depth == 0 ? 0 : field.path.rfind('.') + 1), types, field.says});
  }
  out.table(table);
}

Status explain(Desk& desk, const std::string& path) {
  if (path.empty()) {
    const std::vector<contract::Explained> all = contract::explain_all();
    Json fields = Json::array();
    for (const contract::Explained& field : all) fields.push_back(json_of(field));
    desk.out().document({{"fields", std::move(fields)}});
    show_tree(desk.out(), all);
    return {};
  }
  contract::Explained field = TRY(contract::explain(path));
  desk.out().document(json_of(field));
  show(desk.out(), field);
  return {};
}

// As a shell takes it for one word.
std::string shell_word(const std::string& text) {
  const bool is_plain = !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || std::string_view("-_./:=,@+%").find(static_cast<char>(c)) != std::string_view::npos; });
  if (is_plain) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

Command& takes_contract_file(Command& command, bot::ContractFile& file) {
  return command.argument("FILE", "a contract file", file.path)
      .option("--set", "NAME=VALUE", "the value of a parameter of the file (repeatable)", file.assignments)
      .option("--values", "FILE", "a YAML map of parameters and their values", file.values_path);
}

std::string typed_values(const bot::ContractFile& file) {
  std::string out;
  for (const std::string& assignment : file.assignments) out += " --set " + shell_word(assignment);
  return file.values_path.empty() ? out : out + " --values " + shell_word(file.values_path);
}

Command contract_schema() {
  Command command("contract schema", "the contract language as JSON Schema, for editors");
  command.example("mcloud contract schema > contract.schema.json")
      .describe(
          "Draft-07, as the YAML language server takes it. A contract file switches it on with its first line:\n"
          "  # yaml-language-server: $schema=contract.schema.json\n"
          "Needs no cluster.")
      .run([](Desk& desk) -> Status {
        const std::string schema = contract::json_schema();
        desk.out().document(Json::parse(schema));
        desk.out().line(schema.substr(0, schema.size() - 1));
        return {};
      });
  return command;
}

Command contract_explain() {
  auto path = std::make_shared<std::string>();
  Command command("contract explain", "what a field of contract files means");
  command.example("mcloud contract explain container.health.interval")
      .describe("Type, bounds, words, default and a sentence; without FIELD all fields. Needs no cluster.")
      .optional_argument("FIELD", "such as container, kv.followers, approvals.threshold", *path)
      .run([path](Desk& desk) { return explain(desk, *path); });
  return command;
}

}  // namespace mcloud::cli
