// What may come next on a command line, for shells. Pure but for the names that only a ledger or a key folder knows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace mcloud::cli {

struct Completion {
  enum class Kind { Words, Files, Folders };
  Kind kind = Kind::Words;
  struct Word {
    std::string text;
    std::string help;  // one sentence, or ""
  };
  std::vector<Word> words;  // that begin with what was typed
};

// The names of one kind of things: "CONTRACT", "NODE", "WORKLOAD", "KEY", ... as commands call their parameters. What
// takes too long or cannot be asked has none.
using NamesOf = std::function<std::vector<std::string>(const std::string& kind)>;

// `words` is what was typed behind `mcloud`; its last one is to be completed and may be "".
Completion complete(const Commands& commands, const std::vector<std::string>& words, const NamesOf& names_of);

// "bash", "zsh" or "fish": a script that asks `mcloud complete`, with each word behind a colon. NotFound for another shell.
Result<std::string> completion_script(const std::string& shell);

}  // namespace mcloud::cli
