// Finding commands by their words, and help as text: of everything, of a group, of one command.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace mcloud::cli {

struct GlobalOption {
  std::string_view name;
  std::string_view value;  // "" = a flag
  std::string_view help;
};
// What every command takes, in the order of Globals' members (cli/desk.h).
std::span<const GlobalOption> global_options();

// nullptr when there is none with exactly these words.
const Command* find_command(const Commands& commands, std::string_view path);
// "cluster" is one, "cluster up" and "nodes" are not.
bool is_group(const Commands& commands, std::string_view word);
// What people may type behind the group's name ("": first of all), hidden commands left out.
std::vector<std::string> names_at(const Commands& commands, const std::string& group);

// Help of everything, of a group ("cluster") or of a command ("cluster up"); "" when there is no such thing.
std::string help_text(const Commands& commands, const std::string& path);

}  // namespace mcloud::cli
