// One `mcloud` sub-command: its words, its parameters, its example and what it does. Commands are values in a
// table; parsing, help, suggestions and errors are the same for all (cli/program.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace mcloud::cli {

class Desk;

struct Parameter {
  enum class Kind { Argument, Option, Flag };
  Kind kind = Kind::Option;
  std::string name;   // "FILE"; "--nodes"; "-f,--follow"
  std::string value;  // what stands for the value in the help: "N", "DIR"
  std::string help;
  bool required = false;
  std::variant<bool*, std::string*, uint64_t*, std::vector<std::string>*> target;  // borrowed from what run() holds
};

class Command {
 public:
  // "cluster up": one or two words, and one sentence without a full stop.
  Command(std::string path, std::string summary) : path_(std::move(path)), summary_(std::move(summary)) {}

  Command& example(std::string line);   // every command has one
  Command& describe(std::string text);  // more than the summary, for --help
  Command& hidden();                    // processes that people do not type
  Command& argument(std::string name, std::string help, std::string& target);
  Command& optional_argument(std::string name, std::string help, std::string& target);
  Command& arguments(std::string name, std::string help, std::vector<std::string>& target, bool required);
  Command& option(std::string names, std::string value, std::string help, std::string& target);
  Command& option(std::string names, std::string value, std::string help, uint64_t& target);
  Command& option(std::string names, std::string value, std::string help,
                  std::vector<std::string>& target);  // repeatable
  Command& required_option(std::string names, std::string value, std::string help, std::string& target);
  Command& flag(std::string names, std::string help, bool& target);
  // Targets must live in what `function` holds (a shared_ptr to the options).
  Command& run(std::function<Status(Desk&)> function);

  const std::string& path() const { return path_; }
  const std::string& summary() const { return summary_; }
  const std::string& description() const { return description_; }
  const std::vector<std::string>& examples() const { return examples_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  bool is_hidden() const { return hidden_; }
  Status operator()(Desk& desk) const { return run_(desk); }

 private:
  Command& add(Parameter parameter);

  std::string path_;
  std::string summary_;
  std::string description_;
  std::vector<std::string> examples_;
  std::vector<Parameter> parameters_;
  bool hidden_ = false;
  std::function<Status(Desk&)> run_;
};

using Commands = std::vector<Command>;

}  // namespace mcloud::cli
