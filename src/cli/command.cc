#include "cli/command.h"

namespace mcloud::cli {

Command& Command::example(std::string line) {
  examples_.push_back(std::move(line));
  return *this;
}

Command& Command::describe(std::string text) {
  description_ = std::move(text);
  return *this;
}

Command& Command::hidden() {
  hidden_ = true;
  return *this;
}

Command& Command::add(Parameter parameter) {
  parameters_.push_back(std::move(parameter));
  return *this;
}

Command& Command::argument(std::string name, std::string help, std::string& target) {
  return add({Parameter::Kind::Argument, std::move(name), "", std::move(help), true, &target});
}

Command& Command::optional_argument(std::string name, std::string help, std::string& target) {
  return add({Parameter::Kind::Argument, std::move(name), "", std::move(help), false, &target});
}

Command& Command::arguments(std::string name, std::string help, std::vector<std::string>& target, bool required) {
  return add({Parameter::Kind::Argument, std::move(name), "", std::move(help), required, &target});
}

Command& Command::option(std::string names, std::string value, std::string help, std::string& target) {
  return add({Parameter::Kind::Option, std::move(names), std::move(value), std::move(help), false, &target});
}

Command& Command::option(std::string names, std::string value, std::string help, uint64_t& target) {
  return add({Parameter::Kind::Option, std::move(names), std::move(value), std::move(help), false, &target});
}

Command& Command::option(std::string names, std::string value, std::string help, std::vector<std::string>& target) {
  return add({Parameter::Kind::Option, std::move(names), std::move(value), std::move(help), false, &target});
}

Command& Command::required_option(std::string names, std::string value, std::string help, std::string& target) {
  return add({Parameter::Kind::Option, std::move(names), std::move(value), std::move(help), true, &target});
}

Command& Command::flag(std::string names, std::string help, bool& target) {
  return add({Parameter::Kind::Flag, std::move(names), "", std::move(help), false, &target});
}

Command& Command::run(std::function<Status(Desk&)> function) {
  run_ = std::move(function);
  return *this;
}

}  // namespace mcloud::cli
