#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "bot/nearest.h"
#include "cli/help.h"

namespace mcloud::cli {
namespace {

bool takes_value(std::string_view argument) {
  return std::ranges::any_of(
      global_options(), [&](const GlobalOption& option) { return option.name == argument && !option.value.empty(); });
}

// "; did you mean "cluster down"?": the nearest name at this place, else a command of some group with just that name.
std::string suggestion(const Commands& commands, const std::string& group, const std::string& word) {
  std::string before = group.empty() ? "" : group + " ";
  if (std::optional<std::string> near = bot::nearest(word, names_at(commands, group)))
    return "; did you mean \"" + before + *near + "\"?";
  for (const Command& command : commands) {
    if (!command.is_hidden() && command.path().ends_with(" " + word))
      return "; did you mean \"" + command.path() + "\"?";
  }
  return "";
}

// What is wrong with it, or "".
std::string whole_number(const std::string& text) {
  bool good =
      !text.empty() && text.size() <= 18 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return good ? "" : "a whole number is needed, not \"" + text.substr(0, 40) + "\"";
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
  if (std::holds_alternative<uint64_t*>(parameter.target)) option->check(whole_number, "");
  if (parameter.required) option->required();
}

void build(CLI::App& app, const Command& command, Globals& globals) {
  app.name(command.path().empty() ? "mcloud" : "mcloud " + command.path());
  app.allow_extras();
  for (const Parameter& parameter : command.parameters()) add_parameter(app, parameter);
  std::string* values[] = {nullptr, &globals.cluster, &globals.ledger, &globals.trust, &globals.key};
  for (size_t i = 0; i < std::size(global_options()); i++) {
    const GlobalOption& option = global_options()[i];
    if (values[i] == nullptr)
      app.add_flag(std::string(option.name), globals.json, std::string(option.help));
    else
      app.add_option(std::string(option.name), *values[i], std::string(option.help))
          ->type_name(std::string(option.value));
  }
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "...; see: mcloud nodes --help", as an own sentence behind a question.
Error see_help(const std::string& path, const std::string& what) {
  std::string where = path.empty() ? "" : path + " ";
  return make_error(Code::Invalid, what + (what.ends_with("?") ? " See" : "; see") + ": mcloud " + where + "--help");
}

// The library's words for what is wrong, as ours.
std::string words_of(const CLI::ParseError& error) {
  std::string text = error.what();
  std::string name = text.substr(0, text.find(':'));
  if (error.get_name() == "RequiredError") return text.substr(0, text.find(' ')) + " is missing";
  if (error.get_name() != "ArgumentMismatch") return text;
  return name + (text.find("received") != std::string::npos ? " is given more than once" : " needs a value");
}

Globals globals_only(const std::vector<std::string>& arguments) {
  Globals globals;
  globals.json = std::ranges::find(arguments, "--json") != arguments.end();
  return globals;
}

// Only a group, options or nothing at all: help answers that, unless an option is wrong or a script asks.
Status check_without_command(const Selected& selected, Globals globals) {
  bool wants_help = false;
  TRY(parse_parameters(Command(selected.group, ""), selected.arguments, globals, wants_help));
  if (wants_help || !globals.json) return {};
  return see_help(selected.group, "which command?");
}

// What a script does with the code is told by the exit status; people are told where to look.
Error with_remedy(Error error, const Desk& desk) {
  bool silent = error.code == Code::Unavailable || error.code == Code::TimedOut;
  if (silent && desk.has_asked_ledger() && error.message.find("mcloud ") == std::string::npos)
    error.message += "; is everything up? mcloud cluster status";
  return error;
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
    if (!status) status = with_remedy(status.error(), desk);
    if (status) return desk.exit_status();
  }
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
    if (command == nullptr && !group && find_command(commands, path) != nullptr) {  // `audit` beside `audit verify`
      i--;
      break;
    }
    if (command == nullptr && !group) {
      std::string where = path.empty() ? "" : path + " ";
      return see_help(path, "there is no command \"" + where + argument.substr(0, 40) + "\"" +
                                suggestion(commands, path, argument));
    }
    path = longer;
    if (command != nullptr && !group) break;
  }
  selected.command = find_command(commands, path);
  selected.group = selected.command == nullptr ? path : "";
  for (i++; i < arguments.size(); i++) selected.arguments.push_back(arguments[i]);
  return selected;
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
    return see_help(command.path(), words_of(error));
  }
  std::vector<std::string> extra = app.remaining();
  if (extra.empty()) return {};
  std::string first = extra[0].substr(0, extra[0].find('=')).substr(0, 60);
  if (!first.starts_with("-")) return see_help(command.path(), "\"" + first + "\" is one argument too many");
  return see_help(command.path(), "there is no option " + first + bot::did_you_mean(first, option_names(app)));
}

int run_program(const Commands& commands, std::vector<std::string> arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  Globals globals = globals_only(arguments);
  if (!arguments.empty() && arguments[0] == "help") {  // `mcloud help cluster up`
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  bool wants_version = !arguments.empty() && (arguments[0] == "--version" || arguments[0] == "version");
  Output output(stdout, stderr, globals.json);
  if (wants_version) {
    output.document({{"version", std::string(kVersion)}});
    output.line("mcloud " + std::string(kVersion));
    return 0;
  }
  Result<Selected> selected = select(commands, arguments);
  if (selected && selected->command != nullptr) return run_command(commands, *selected, globals);
  Status outcome = selected ? check_without_command(*selected, globals) : selected.error();
  if (!outcome) {
    output.error(outcome.error());
    return exit_status(outcome.error().code);
  }
  std::fputs(help_text(commands, selected->group).c_str(), stdout);
  return 0;
}

}  // namespace mcloud::cli
