// From a command line to a command, and from its outcome to an exit status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/desk.h"

namespace mcloud::cli {

inline constexpr std::string_view kVersion = "0.1.0";

// Exit statuses, the one mapping: docs/reference/cli.md lists them.
inline constexpr int kExitInvalid = 2;
int exit_status(Code code);

struct Selected {
  const Command* command = nullptr;
  std::vector<std::string> arguments;  // without the command's words
  std::string group;                   // without a command: "cluster", or "" for everything
};
// Finds the command's words among the arguments; NotFound suggests the nearest. A group's name alone, no words at all,
// or --help without a whole command give no command and no error: then help_text() is the answer.
Result<Selected> select(const Commands& commands, const std::vector<std::string>& arguments);

// Fills the command's targets. Invalid says what is wrong and suggests. `help` is set when --help was there.
Status parse_parameters(const Command& command, const std::vector<std::string>& arguments, Globals& globals,
                        bool& help);

// main(): everything that happens is in the exit status and on the two streams.
int run_program(const Commands& commands, std::vector<std::string> arguments);

}  // namespace mcloud::cli
