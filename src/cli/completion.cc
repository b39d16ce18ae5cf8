#include "cli/completion.h"

#include <algorithm>

#include "cli/help.h"

namespace mcloud::cli {
namespace {

constexpr std::string_view kFiles[] = {"FILE", "PATH", "RECIPE", "SOURCE"};
constexpr std::string_view kFolders[] = {"DIR", "FOLDER"};

struct Position {
  std::string path;                  // the words of the command so far
  const Command* command = nullptr;  // when they are a whole one
  std::string waiting;               // the value that an option before waits for: "DIR"; "" = none
  size_t arguments = 0;              // of the command, before the word that is completed
};

std::vector<std::string> names_of_option(const std::string& names) {
  std::vector<std::string> out;
  for (size_t start = 0; start < names.size();) {
    size_t end = std::min(names.find(',', start), names.size());
    out.push_back(names.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

// What value the option takes; "" = none.
std::string value_of(const Command* command, const std::string& option) {
  for (const GlobalOption& global : global_options()) {
    if (global.name == option) return std::string(global.value);
  }
  if (command == nullptr) return "";
  for (const Parameter& parameter : command->parameters()) {
    if (parameter.kind != Parameter::Kind::Option) continue;
    std::vector<std::string> names = names_of_option(parameter.name);
    if (std::ranges::find(names, option) != names.end()) return parameter.value.empty() ? "VALUE" : parameter.value;
  }
  return "";
}

Position position_of(const Commands& commands, const std::vector<std::string>& words) {
  Position at;
  for (size_t i = 0; i + 1 < words.size(); i++) {
    const std::string& word = words[i];
    if (!at.waiting.empty()) {
      at.waiting.clear();
      continue;
    }
    if (word.starts_with("-")) {
      if (word.find('=') == std::string::npos) at.waiting = value_of(at.command, word);
      continue;
    }
    std::string longer = at.path.empty() ? word : at.path + " " + word;
    const Command* command = find_command(commands, longer);
    bool is_word = at.arguments == 0 && (command != nullptr || is_group(commands, longer));
    if (!is_word) {
      at.arguments++;
      continue;
    }
    at.path = longer;
    at.command = command;
  }
  return at;
}

const Parameter* argument_at(const Command& command, size_t place) {
  const Parameter* last = nullptr;
  for (const Parameter& parameter : command.parameters()) {
    if (parameter.kind != Parameter::Kind::Argument) continue;
    last = &parameter;
    if (place-- == 0) return last;
  }
  bool repeats = last != nullptr && std::holds_alternative<std::vector<std::string>*>(last->target);
  return repeats ? last : nullptr;
}

void add_options(const Command* command, Completion& out) {
  if (command != nullptr) {
    for (const Parameter& parameter : command->parameters()) {
      if (parameter.kind == Parameter::Kind::Argument) continue;
      for (const std::string& name : names_of_option(parameter.name)) {
        if (name.starts_with("--")) out.words.push_back({name, parameter.help});
      }
    }
  }
  for (const GlobalOption& option : global_options()) out.words.push_back({std::string(option.name), std::string(option.help)});
  out.words.push_back({"--help", "this help"});
}

void add_names(const Commands& commands, const std::string& path, Completion& out) {
  for (const std::string& name : names_at(commands, path)) {
    const Command* command = find_command(commands, path.empty() ? name : path + " " + name);
    out.words.push_back({name, command == nullptr ? "" : command->summary()});
  }
}

// "NODE", "[CONTRACT]": what a parameter calls its value, as names or files.
void add_values(const std::string& kind, const NamesOf& names_of, Completion& out) {
  if (std::ranges::find(kFiles, kind) != std::end(kFiles)) out.kind = Completion::Kind::Files;
  if (std::ranges::find(kFolders, kind) != std::end(kFolders)) out.kind = Completion::Kind::Folders;
  if (out.kind != Completion::Kind::Words) return;
  for (std::string& name : names_of(kind)) out.words.push_back({std::move(name), ""});
}

constexpr std::string_view kBash = R"(_mcloud() {
  local lines line words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  lines=$(mcloud complete "${words[@]/#/:}" 2>/dev/null)
  case $lines in
    :files) compopt -o default; return ;;
    :folders) compopt -o default -o dirnames; return ;;
  esac
  while IFS= read -r line; do
    [ -n "$line" ] && COMPREPLY+=("${line%%$'\t'*}")
  done <<< "$lines"
}
complete -F _mcloud mcloud
)";

constexpr std::string_view kZsh = R"(#compdef mcloud
_mcloud() {
  local lines
  lines=$(mcloud complete ":${(@)^words[2,CURRENT]}" 2>/dev/null)
  case $lines in
    :files) _files; return ;;
    :folders) _files -/; return ;;
  esac
  local -a found
  local line
  for line in "${(@f)lines}"; do
    [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  _describe 'mcloud' found
}
compdef _mcloud mcloud
)";

constexpr std::string_view kFish = R"(function __mcloud_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l lines (mcloud complete :$words[2..-1] 2>/dev/null)
  switch "$lines[1]"
    case ':files'
      __fish_complete_path (commandline -ct)
    case ':folders'
      __fish_complete_directories (commandline -ct)
    case '*'
      printf '%s\n' $lines
  end
end
complete -c mcloud -f -a '(__mcloud_complete)'
)";

}  // namespace

Completion complete(const Commands& commands, const std::vector<std::string>& words, const NamesOf& names_of) {
  std::string typed = words.empty() ? "" : words.back();
  Position at = position_of(commands, words);
  Completion out;
  if (!at.waiting.empty()) {
    add_values(at.waiting, names_of, out);
  } else if (typed.starts_with("-")) {
    add_options(at.command, out);
  } else {
    if (at.arguments == 0 && (at.command == nullptr || is_group(commands, at.path))) add_names(commands, at.path, out);
    const Parameter* argument = at.command == nullptr ? nullptr : argument_at(*at.command, at.arguments);
    if (argument != nullptr) add_values(argument->name, names_of, out);
  }
  std::erase_if(out.words, [&](const Completion::Word& word) { return !word.text.starts_with(typed); });
  return out;
}

Result<std::string> completion_script(const std::string& shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  if (shell == "fish") return std::string(kFish);
  return make_error(Code::NotFound, "no completion for \"" + shell.substr(0, 40) + "\"; there is one for bash, zsh and fish");
}

}  // namespace mcloud::cli
