#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "bot/nearest.h"

namespace mcloud::cli {
namespace {

constexpr std::string_view kVersion = "0.1.0";

struct Group {
  std::string_view name;
  std::string_view summary;
};
constexpr Group kGroups[] = {
    {"cluster", "a cluster of nodes on this machine"},
    {"key", "the keys that you sign with"},
    {"contract", "contract files"},
    {"identity", "people on the ledger"},
    {"farm", "owners of nodes"},
    {"node", "nodes: tokens to join"},
    {"ledger", "the ledger process"},
    {"sink", "the sink process"},
    {"lab", "processes of a local cluster"},
};

struct GlobalOption {
  std::string_view name;
  std::string_view value;  // "" = a flag
  std::string_view help;
};
constexpr GlobalOption kGlobalOptions[] = {
    {"--json", "", "print one JSON document instead of tables"},
    {"--cluster", "DIR", "folder of the local cluster (MCLOUD_CLUSTER; else the default one)"},
    {"--ledger", "URL", "ledger to talk to, instead of a local cluster's; needs --trust"},
    {"--trust", "FILE", "which validators to trust: what `mcloud ledger init` printed"},
    {"--key", "NAME", "whose key signs (MCLOUD_KEY)"},
};

bool takes_value(std::string_view argument) {
  return std::ranges::any_of(
      kGlobalOptions, [&](const GlobalOption& option) { return option.name == argument && !option.value.empty(); });
}

std::string first_word(const std::string& path) { return path.substr(0, path.find(' ')); }

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

const Command* find_command(const Commands& commands, std::string_view path) {
  auto found = std::ranges::find_if(commands, [&](const Command& command) { return command.path() == path; });
  return found == commands.end() ? nullptr : &*found;
}

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
         "Then:   mcloud apply recipes/hello/contract.yaml\n"
         "More:   mcloud COMMAND --help\n";
}

std::string group_help(const Commands& commands, const std::string& group) {
  std::string text =
      "mcloud " + group + ": " + summary_of(commands, group) + "\n\nCommands:\n" + list_help(commands, group);
  return text + "\nMore:  mcloud " + group + " COMMAND --help\n";
}

void add_parameter(CLI::App& app, const Parameter& parameter) {
  CLI::Option* option = nullptr;
  std::visit(
      [&](auto* target) {
        using Target = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<Target, bool>)
          option = app.add_flag(parameter.name, *target, parameter.help);
        else
          option = app.add_option(parameter.name, *target, parameter.help);
      },
      parameter.target);
  if (!parameter.value.empty())
    option->type_name(parameter.value);
  else if (parameter.kind == Parameter::Kind::Argument)
    option->type_name("");
  if (std::holds_alternative<std::vector<std::string>*>(parameter.target) &&
      parameter.kind == Parameter::Kind::Option) {
    option->expected(1)->take_all();
  }
  if (parameter.required) option->required();
}

void build(CLI::App& app, const Command& command, Globals& globals) {
  app.name("mcloud " + command.path());
  app.description(command.summary() + (command.description().empty() ? "" : "\n\n" + command.description()));
  app.allow_extras();
  app.option_defaults()->group("Options");
  for (const Parameter& parameter : command.parameters()) add_parameter(app, parameter);
  app.option_defaults()->group("For every command");
  std::string* values[] = {nullptr, &globals.cluster, &globals.ledger, &globals.trust, &globals.key};
  for (size_t i = 0; i < std::size(kGlobalOptions); i++) {
    const GlobalOption& option = kGlobalOptions[i];
    if (values[i] == nullptr)
      app.add_flag(std::string(option.name), globals.json, std::string(option.help));
    else
      app.add_option(std::string(option.name), *values[i], std::string(option.help))
          ->type_name(std::string(option.value));
  }
  std::string examples = command.examples().size() == 1 ? "\nExample:\n" : "\nExamples:\n";
  for (const std::string& example : command.examples()) examples += "  " + example + "\n";
  app.footer(examples);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

Error see_help(const Command& command, const std::string& what) {
  return make_error(Code::Invalid, what + "; see: mcloud " + command.path() + " --help");
}

Globals globals_only(const std::vector<std::string>& arguments) {
  Globals globals;
  globals.json = std::ranges::find(arguments, "--json") != arguments.end();
  return globals;
}

// Prints its own error; the value is the exit status.
int run_command(const Commands& commands, const Selected& selected, Globals globals) {
  bool wants_help = false;
  Status parsed = parse_parameters(*selected.command, selected.arguments, globals, wants_help);
  Output output(stdout, stderr, globals.json);
  if (parsed && wants_help) {
    std::fputs(help_text(commands, selected.command->path()).c_str(), stdout);
    return 0;
  }
  // People asked for an answer, not for the log of the parts that find it.
  if (!selected.command->is_hidden() && std::getenv("MCLOUD_LOG") == nullptr) log::set_level(log::Level::Warning);
  Status status = parsed;
  if (parsed) {
    Desk desk(globals, output);
    status = (*selected.command)(desk);
  }
  if (status) return 0;
  output.error(status.error());
  return exit_status(status.error().code);
}

}  // namespace

int exit_status(Code code) {
  switch (code) {
    case Code::Internal: return 1;
    case Code::Invalid: return kExitInvalid;
    case Code::NotFound: return 3;
    case Code::Denied: return 4;
    case Code::Conflict: return 5;
    case Code::AlreadyExists: return 5;
    case Code::Unavailable: return 6;
    case Code::TimedOut: return 6;
    case Code::Exhausted: return 7;
    case Code::Corrupt: return 8;
    case Code::Unsupported: return 9;
    case Code::Cancelled: return 130;
  }
  return 1;
}

Result<Selected> select(const Commands& commands, const std::vector<std::string>& arguments) {
  Selected selected;
  std::string path;
  size_t i = 0;
  for (; i < arguments.size(); i++) {
    const std::string& argument = arguments[i];
    if (argument.starts_with("-")) {
      selected.arguments.push_back(argument);
      if (takes_value(argument) && i + 1 < arguments.size()) selected.arguments.push_back(arguments[++i]);
      continue;
    }
    std::string longer = path.empty() ? argument : path + " " + argument;
    const Command* command = find_command(commands, longer);
    bool group = is_group(commands, longer);
    if (command == nullptr && !group) {
      std::string where = path.empty() ? "" : path + " ";
      return make_error(Code::Invalid, "there is no command \"" + where + argument.substr(0, 40) + "\"" +
                                           bot::did_you_mean(argument, names_at(commands, path)) + "; see: mcloud " +
                                           where + "--help");
    }
    path = longer;
    if (command != nullptr && !group) break;
  }
  selected.command = find_command(commands, path);
  for (i++; i < arguments.size(); i++) selected.arguments.push_back(arguments[i]);
  return selected;
}

std::string help_text(const Commands& commands, const std::string& path) {
  if (path.empty()) return root_help(commands);
  const Command* command = find_command(commands, path);
  if (command == nullptr) return is_group(commands, path) ? group_help(commands, path) : "";
  Globals unused;
  CLI::App app;
  build(app, *command, unused);
  return app.help();
}

Status parse_parameters(const Command& command, const std::vector<std::string>& arguments, Globals& globals,
                        bool& help) {
  CLI::App app;
  build(app, command, globals);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // CLI11 takes them from the back
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    help = true;
    return {};
  } catch (const CLI::ParseError& error) {
    return see_help(command, error.what());
  }
  std::vector<std::string> extra = app.remaining();
  if (extra.empty()) return {};
  std::string first = extra[0].substr(0, extra[0].find('=')).substr(0, 60);
  if (!first.starts_with("-")) return see_help(command, "\"" + first + "\" is one argument too many");
  return see_help(command, "there is no option " + first + bot::did_you_mean(first, option_names(app)));
}

int run_program(const Commands& commands, const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  Globals globals = globals_only(arguments);
  if (!arguments.empty() && arguments[0] == "--version") {
    std::fputs(("mcloud " + std::string(kVersion) + "\n").c_str(), stdout);
    return 0;
  }
  Result<Selected> selected = select(commands, arguments);
  if (!selected) {
    Output(stdout, stderr, globals.json).error(selected.error());
    return exit_status(selected.error().code);
  }
  if (selected->command != nullptr) return run_command(commands, *selected, globals);
  bool group = !arguments.empty() && !arguments[0].starts_with("-");
  std::fputs(help_text(commands, group ? arguments[0] : "").c_str(), stdout);
  return 0;
}

}  // namespace mcloud::cli
