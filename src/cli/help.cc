#include "cli/help.h"

#include <algorithm>

#include "cli/output.h"

namespace mcloud::cli {
namespace {

struct Group {
  std::string_view name;
  std::string_view summary;
};
constexpr Group kGroups[] = {
    {"cluster", "a cluster of nodes on this machine"},
    {"key", "the keys that you sign with"},
    {"contract", "contract files, before they are applied"},
    {"identity", "people on the ledger"},
    {"farm", "owners of nodes"},
    {"token", "one-use permissions for nodes to join a farm"},
    {"parameters", "what the ledger's members agreed on"},
    {"name", "public names, at which publications appear"},
    {"network", "private networks: who reaches whom, and people's devices"},
    {"kv", "a key-value store"},
    {"image", "images that start before they are downloaded"},
    {"ledger", "a ledger's own files"},
    {"sink", "the sink process"},
    {"lab", "processes of a local cluster"},
};

constexpr GlobalOption kGlobalOptions[] = {
    {"--json", "", "print one JSON document instead of tables"},
    {"--cluster", "DIR", "folder of the local cluster (MCLOUD_CLUSTER; else the default one)"},
    {"--ledger", "URL", "ledger to talk to, instead of a local cluster's; needs --trust"},
    {"--trust", "FILE", "which validators to trust: what `mcloud ledger init` printed"},
    {"--key", "NAME", "whose key signs (MCLOUD_KEY)"},
};

std::string first_word(const std::string& path) { return path.substr(0, path.find(' ')); }

std::string summary_of(const Commands& commands, const std::string& word) {
  if (const Command* command = find_command(commands, word)) return command->summary();
  for (const Group& group : kGroups) {
    if (group.name == word) return std::string(group.summary);
  }
  return "";
}

std::string list_help(const Commands& commands, const std::string& group) {
  Table table;
  table.heads = {"", "", ""};
  for (const std::string& name : names_at(commands, group)) {
    std::string path = group.empty() ? name : group + " " + name;
    std::string more = is_group(commands, path) ? " ..." : "";
    table.rows.push_back({Cell(""), Cell(name + more), Cell(summary_of(commands, path))});
  }
  std::string rows = render(table, false);
  return rows.substr(rows.find('\n') + 1);
}

std::string root_help(const Commands& commands) {
  return "mcloud: machines that run what signed contracts say.\n\n"
         "Usage: mcloud COMMAND ... [--json] [--cluster DIR] [--key NAME]\n\nCommands:\n" +
         list_help(commands, "") +
         "\nStart:  mcloud cluster up --detach\n"
         "Then:   HELLO_TOKEN=any-word mcloud apply recipes/hello/contract.yaml --approve-as lena\n"
         "More:   mcloud COMMAND --help\n\n"
         "Exit status: 0 done, 2 wrong input, 3 not found, 4 denied, 5 conflict, 6 not reachable or too late,\n"
         "7 exhausted, 8 damaged, 9 not offered, 1 a defect of ours (docs/reference/cli.md says more).\n";
}

std::string group_help(const Commands& commands, const std::string& group) {
  std::string text =
      "mcloud " + group + ": " + summary_of(commands, group) + "\n\nCommands:\n" + list_help(commands, group);
  return text + "\nMore:  mcloud " + group + " COMMAND --help\n";
}

// "--nodes N", "-f,--follow", "[NAME]", "NODE...".
std::string usage_of(const Parameter& parameter) {
  bool many = std::holds_alternative<std::vector<std::string>*>(parameter.target);
  if (parameter.kind != Parameter::Kind::Argument)
    return parameter.name + (parameter.value.empty() ? "" : " " + parameter.value);
  std::string name = parameter.name + (many ? "..." : "");
  return parameter.required ? name : "[" + name + "]";
}

std::string rows_of(const std::vector<std::pair<std::string, std::string>>& rows) {
  Table table{{"", "", ""}, {}};
  for (const auto& [what, help] : rows) table.rows.push_back({"", what, help});
  std::string text = render(table, false);
  return text.substr(text.find('\n') + 1);
}

std::string command_help(const Commands& commands, const Command& command) {
  std::string usage;
  std::vector<std::pair<std::string, std::string>> arguments, options = {{"-h,--help", "this help"}}, globals;
  for (const Parameter& parameter : command.parameters()) {
    bool is_argument = parameter.kind == Parameter::Kind::Argument;
    bool must = parameter.required && !is_argument;
    if (is_argument || must) usage += " " + usage_of(parameter);
    (is_argument ? arguments : options).emplace_back(usage_of(parameter), parameter.help + (must ? " (needed)" : ""));
  }
  for (const GlobalOption& option : kGlobalOptions) {
    std::string value = option.value.empty() ? "" : " " + std::string(option.value);
    globals.emplace_back(std::string(option.name) + value, std::string(option.help));
  }
  std::string text = "mcloud " + command.path() + ": " + command.summary() + "\n\nUsage: mcloud " + command.path() +
                     usage + " [OPTIONS]\n";
  if (!command.description().empty()) text += "\n" + command.description() + "\n";
  if (!arguments.empty()) text += "\nArguments:\n" + rows_of(arguments);
  if (is_group(commands, command.path())) text += "\nCommands:\n" + list_help(commands, command.path());
  text += "\nOptions:\n" + rows_of(options) + "\nFor every command:\n" + rows_of(globals);
  text += command.examples().size() == 1 ? "\nExample:\n" : "\nExamples:\n";
  for (const std::string& example : command.examples()) text += "  " + example + "\n";
  return text;
}

}  // namespace

std::span<const GlobalOption> global_options() { return kGlobalOptions; }

const Command* find_command(const Commands& commands, std::string_view path) {
  auto found = std::ranges::find_if(commands, [&](const Command& command) { return command.path() == path; });
  return found == commands.end() ? nullptr : &*found;
}

bool is_group(const Commands& commands, std::string_view word) {
  return std::ranges::any_of(commands, [&](const Command& command) {
    return command.path().size() > word.size() && first_word(command.path()) == word;
  });
}

std::vector<std::string> names_at(const Commands& commands, const std::string& group) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.is_hidden()) continue;
    if (group.empty())
      names.push_back(first_word(command.path()));
    else if (command.path().starts_with(group + " "))
      names.push_back(command.path().substr(group.size() + 1));
  }
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string help_text(const Commands& commands, const std::string& path) {
  if (path.empty()) return root_help(commands);
  const Command* command = find_command(commands, path);
  if (command == nullptr) return is_group(commands, path) ? group_help(commands, path) : "";
  return command_help(commands, *command);
}

}  // namespace mcloud::cli
